import type { MutationContext, MutationQueue, QueuedMutation } from './optimistic.js';

export interface OfflineQueueOptions {
  /** Whose mutations these are: those of another user are never sent. */
  readonly user: string;
  /** The name of the IndexedDB database. */
  readonly name?: string;
  /** Waiting mutations at most; 1 000 by default. One more is refused with `queue_full`. */
  readonly entriesMax?: number;
  /** Whether an error may pass by itself; by default status 0, 408, 425, 429 and 5xx. */
  readonly isTemporary?: (error: unknown) => boolean;
  /** The first pause after a temporary error, and the longest, milliseconds. */
  readonly retry?: { baseMs?: number; maxMs?: number };
  readonly indexedDB?: IDBFactory;
  readonly locks?: Pick<LockManager, 'request'> | null;
}

/** A mutation that the server has refused for good. */
export interface DeadMutation extends QueuedMutation {
  readonly error: string;
  readonly at: number;
}

export interface OfflineQueue extends MutationQueue {
  /** How many wait; a new number after each `onChange`. */
  readonly waiting: number;
  readonly dead: readonly DeadMutation[];
  onChange(listener: () => void): () => void;
  /** Tries what waits, now. */
  drain(): Promise<void>;
  /** Forgets a refused mutation. */
  discard(id: string): Promise<void>;
  /** Forgets everything: on logout. */
  clear(): Promise<void>;
  close(): void;
}

interface Stored extends QueuedMutation {
  readonly seq?: number;
  readonly user: string;
}

interface Waiter {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/**
 * Mutations that outlive the network and the page (mission S1.6). Kept in IndexedDB before they are
 * sent; sent in order per scope, scopes side by side; a temporary failure pauses its scope, a refusal
 * goes to `dead` and lets the next one pass. Exactly once: the same id goes with each attempt, and
 * the server executes an id once. Of several tabs one drains at a time.
 */
export async function openOfflineQueue(options: OfflineQueueOptions): Promise<OfflineQueue> {
  const db = await openDatabase(options);
  const queue = new Queue(options, db);
  await queue.load();
  return queue;
}

class Queue implements OfflineQueue {
  waiting = 0;
  dead: readonly DeadMutation[] = [];
  #options: OfflineQueueOptions;
  #db: IDBDatabase;
  #handlers = new Map<string, (vars: any, context: MutationContext) => Promise<unknown>>();
  #waiters = new Map<string, Waiter>();
  #listeners = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #draining: Promise<void> | null = null;
  #again = false;
  #closed = false;
  #cleanup: (() => void)[] = [];

  constructor(options: OfflineQueueOptions, db: IDBDatabase) {
    this.#options = options;
    this.#db = db;
    if (typeof addEventListener !== 'function') return;
    const wake = () => this.#wake();
    addEventListener('online', wake);
    this.#cleanup.push(() => removeEventListener('online', wake));
    if (typeof navigator === 'undefined' || !('serviceWorker' in navigator)) return;
    const onMessage = ({ data }: MessageEvent) => data === 'tidewire:drain' && this.#wake();
    navigator.serviceWorker.addEventListener('message', onMessage);
    this.#cleanup.push(() => navigator.serviceWorker.removeEventListener('message', onMessage));
  }

  async load(): Promise<void> {
    const all = await this.#entries();
    this.waiting = all.length;
    this.dead = (await request<DeadMutation[]>(this.#store('dead').getAll())).filter(
      (each) => (each as unknown as Stored).user === this.#options.user,
    );
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async enqueue(entry: QueuedMutation): Promise<unknown> {
    if (this.waiting >= (this.#options.entriesMax ?? 1_000)) throw new Error('queue_full');
    this.waiting++;
    const outcome = new Promise<unknown>((resolve, reject) => {
      this.#waiters.set(entry.id, { resolve, reject });
    });
    await request(this.#store('queue', 'readwrite').add({ ...entry, user: this.#options.user }));
    this.#publish();
    void this.drain();
    return outcome;
  }

  register(
    name: string,
    run: (vars: any, context: MutationContext) => Promise<unknown>,
    restored?: (entry: QueuedMutation, outcome: Promise<unknown>) => void,
  ): () => void {
    this.#handlers.set(name, run);
    void this.#entries().then((entries) => {
      for (const entry of entries) {
        if (entry.name !== name || this.#waiters.has(entry.id)) continue;
        const outcome = new Promise<unknown>((resolve, reject) => {
          this.#waiters.set(entry.id, { resolve, reject });
        });
        outcome.catch(() => {});
        restored?.(entry, outcome);
      }
      return this.drain();
    });
    return () => {
      if (this.#handlers.get(name) === run) this.#handlers.delete(name);
    };
  }

  drain(): Promise<void> {
    if (this.#draining) {
      this.#again = true;
      return this.#draining;
    }
    const locks =
      this.#options.locks === undefined
        ? (globalThis.navigator as Navigator | undefined)?.locks
        : this.#options.locks;
    const run = async () => {
      do {
        this.#again = false;
        await this.#drainOnce();
      } while (this.#again && !this.#closed);
    };
    const lockName = `tidewire:queue:${this.#options.user}`;
    const done = locks ? locks.request(lockName, run) : run();
    this.#draining = Promise.resolve(done)
      .then(() => {})
      .finally(() => (this.#draining = null));
    return this.#draining;
  }

  async discard(id: string): Promise<void> {
    await request(this.#store('dead', 'readwrite').delete(id));
    this.dead = this.dead.filter((each) => each.id !== id);
    this.#publish();
  }

  async clear(): Promise<void> {
    await request(this.#store('queue', 'readwrite').clear());
    await request(this.#store('dead', 'readwrite').clear());
    for (const { reject } of this.#waiters.values()) reject(new Error('The queue was cleared.'));
    this.#waiters.clear();
    this.waiting = 0;
    this.dead = [];
    this.#publish();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const undo of this.#cleanup) undo();
    this.#db.close();
  }

  #wake(): void {
    this.#failures = 0;
    clearTimeout(this.#timer);
    void this.drain();
  }

  async #drainOnce(): Promise<void> {
    if (this.#closed) return;
    const scopes = new Map<string, Stored[]>();
    for (const entry of await this.#entries()) {
      const list = scopes.get(entry.scope) ?? [];
      scopes.set(entry.scope, [...list, entry]);
    }
    const outcomes = await Promise.all([...scopes.values()].map((list) => this.#drainScope(list)));
    if (outcomes.every((passed) => passed)) {
      this.#failures = 0;
      return;
    }
    const { baseMs = 1_000, maxMs = 60_000 } = this.#options.retry ?? {};
    const window = Math.min(maxMs, baseMs * 2 ** Math.min(this.#failures++, 16));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.drain(), window * (0.5 + Math.random() / 2));
  }

  /** Sends a scope's entries in order; false when one of them must wait. */
  async #drainScope(entries: readonly Stored[]): Promise<boolean> {
    for (const entry of entries) {
      const run = this.#handlers.get(entry.name);
      // Its code is not loaded yet: what follows in the scope waits with it.
      if (!run) return true;
      try {
        const result = await run(entry.vars, { mutationId: entry.id });
        await this.#remove(entry);
        this.#finish(entry.id, (waiter) => waiter.resolve(result));
      } catch (error) {
        if (this.#closed || (this.#options.isTemporary ?? isTemporary)(error)) return false;
        const text = error instanceof Error ? error.message : String(error);
        const { seq: _seq, ...kept } = entry;
        const dead: DeadMutation & Stored = { ...kept, error: text, at: Date.now() };
        await request(this.#store('dead', 'readwrite').put(dead));
        await this.#remove(entry);
        this.dead = [...this.dead, dead];
        this.#finish(entry.id, (waiter) => waiter.reject(error));
      }
    }
    return true;
  }

  async #remove(entry: Stored): Promise<void> {
    await request(this.#store('queue', 'readwrite').delete(entry.seq!));
    this.waiting = Math.max(0, this.waiting - 1);
  }

  #finish(id: string, how: (waiter: Waiter) => void): void {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    if (waiter) how(waiter);
    this.#publish();
  }

  async #entries(): Promise<Stored[]> {
    if (this.#closed) return [];
    const all = await request<Stored[]>(this.#store('queue').getAll());
    return all.filter((entry) => entry.user === this.#options.user);
  }

  #store(name: 'queue' | 'dead', mode: IDBTransactionMode = 'readonly'): IDBObjectStore {
    return this.#db.transaction(name, mode).objectStore(name);
  }

  #publish(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

function isTemporary(error: unknown): boolean {
  const status = (error as { status?: unknown } | null)?.status;
  if (typeof status === 'number') {
    return status === 0 || status === 408 || status === 425 || status === 429 || status >= 500;
  }
  // What `fetch` throws when the network is gone.
  return error instanceof TypeError;
}

async function openDatabase(options: OfflineQueueOptions): Promise<IDBDatabase> {
  const opening = (options.indexedDB ?? indexedDB).open(options.name ?? 'tidewire', 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore('queue', { keyPath: 'seq', autoIncrement: true });
    opening.result.createObjectStore('dead', { keyPath: 'id' });
  };
  return request(opening);
}

function request<T = unknown>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error ?? new Error('IndexedDB failed.'));
  });
}
