import type { Position } from './position.js';

type Key = readonly unknown[];

/** The cache that an overlay lies over; hashes name its entries. */
export interface OverlayCache {
  hashOf(key: Key): string;
  /** Entries whose key begins with `prefix`, as the cache library matches prefixes. */
  find(prefix: Key): readonly string[];
  /** What the entry shows now; undefined when it is not loaded. */
  read(hash: string): unknown;
  /** Shows `data`; called within `batch`. */
  show(hash: string, data: unknown): void;
  /** Runs several `show` so that the screen changes once. */
  batch(run: () => void): void;
}

/** What `apply` may do. It is run again on every new server state: it must be pure. */
export interface OptimisticStore {
  get<T = any>(key: Key): T | undefined;
  /** Changes one entry; nothing happens while it is not loaded. */
  update<T = any>(key: Key, change: (data: T) => T): void;
  /** Changes every loaded entry under a prefix. */
  updateAll<T = any>(prefix: Key, change: (data: T) => T): void;
  /** Adds a row to a list, or replaces the row with the same `id`. */
  insert<T extends object = any>(key: Key, row: T, id?: keyof T & string): void;
  /** Removes rows from a list. */
  remove<T extends object = any>(key: Key, which: (row: T) => boolean): void;
}

export type Apply<Vars> = (store: OptimisticStore, vars: Vars) => void;

/** One pending change. */
export interface Patch {
  readonly touched: ReadonlySet<string>;
}

interface Entry extends Patch {
  readonly run: (store: OptimisticStore) => void;
  touched: Set<string>;
}

/**
 * Pending changes over server state: `shown = pending.reduce(apply, base)`, for every entry that any
 * pending change touches. A new base and the removal of a change both fold anew, so that no order of
 * pushes, answers and rejections loses either side, and nothing is ever restored from a snapshot.
 */
export class Overlay {
  #cache: OverlayCache;
  #pending: Entry[] = [];
  #bases = new Map<string, unknown>();

  constructor(cache: OverlayCache) {
    this.#cache = cache;
  }

  get pending(): number {
    return this.#pending.length;
  }

  /** Shows a change now. Errors: what `apply` throws, and then nothing has changed. */
  begin<Vars>(apply: Apply<Vars>, vars: Vars): Patch {
    const entry: Entry = { run: (store) => apply(store, vars), touched: new Set() };
    this.#pending.push(entry);
    try {
      this.#fold();
    } catch (error) {
      this.drop(entry);
      throw error;
    }
    return entry;
  }

  /** The change is in the server's state, or never will be. */
  drop(patch: Patch): void {
    const at = this.#pending.indexOf(patch as Entry);
    if (at < 0) return;
    this.#pending.splice(at, 1);
    this.#fold();
  }

  /** The server's state of an entry without pending changes. */
  baseOf(hash: string): unknown {
    return this.#bases.has(hash) ? this.#bases.get(hash) : this.#cache.read(hash);
  }

  /** New server state arrived and is already shown; puts the pending changes over it again. */
  rebase(hash: string, data: unknown): void {
    if (this.#pending.length === 0) return;
    this.#bases.set(hash, data);
    this.#fold();
  }

  /** Shows new server state of several entries, under the pending changes, at once. */
  setBases(changes: readonly (readonly [hash: string, data: unknown])[]): void {
    if (this.#pending.length === 0) {
      this.#cache.batch(() => changes.forEach(([hash, data]) => this.#cache.show(hash, data)));
      return;
    }
    for (const [hash, data] of changes) this.#bases.set(hash, data);
    this.#fold();
  }

  /** The entry is gone from the cache. */
  forget(hash: string): void {
    this.#bases.delete(hash);
  }

  #fold(): void {
    const cache = this.#cache;
    const folded = new Map<string, unknown>();
    const before = [...this.#bases.keys()];
    const read = (hash: string) => (folded.has(hash) ? folded.get(hash) : this.baseOf(hash));
    const failed: { error: unknown }[] = [];
    for (const entry of this.#pending) {
      entry.touched = new Set();
      const change = (hash: string, how: (data: any) => unknown) => {
        const data = read(hash);
        if (data === undefined) return;
        if (!this.#bases.has(hash)) this.#bases.set(hash, data);
        folded.set(hash, how(data));
        entry.touched.add(hash);
      };
      try {
        entry.run(storeOver(cache, read, change));
      } catch (error) {
        failed.push({ error });
      }
    }
    cache.batch(() => {
      for (const [hash, data] of folded) cache.show(hash, data);
      for (const hash of before) {
        if (folded.has(hash)) continue;
        const base = this.#bases.get(hash);
        this.#bases.delete(hash);
        cache.show(hash, base);
      }
    });
    if (this.#pending.length === 0) this.#bases.clear();
    if (failed[0]) throw failed[0].error;
  }
}

function storeOver(
  cache: OverlayCache,
  read: (hash: string) => any,
  change: (hash: string, how: (data: any) => unknown) => void,
): OptimisticStore {
  return {
    get: (key) => read(cache.hashOf(key)),
    update: (key, how) => change(cache.hashOf(key), how),
    updateAll: (prefix, how) => cache.find(prefix).forEach((hash) => change(hash, how)),
    insert: (key, row: any, id = 'id' as never) =>
      change(cache.hashOf(key), (rows: any[]) => {
        const at = rows.findIndex((each) => each[id] === row[id]);
        return at < 0 ? [...rows, row] : rows.map((each, i) => (i === at ? row : each));
      }),
    remove: (key, which) =>
      change(cache.hashOf(key), (rows: any[]) => rows.filter((row) => !which(row))),
  };
}

/** How far a mutation has come. */
export type MutationPhase =
  | 'idle'
  | 'queued' /** waits for the network, or for an earlier one of its scope */
  | 'sending'
  | 'acknowledged' /** the server has it; the data shown may still be the patch's */
  | 'synced' /** the server's own data shows it */
  | 'unconfirmed' /** acknowledged, but its effect was not seen in time: read again */
  | 'rejected'; /** rolled back */

export interface MutationContext {
  /** Unique and hard to guess; send it as `Tidewire-Mutation` and `Idempotency-Key`. */
  readonly mutationId: string;
}

export interface OptimisticMutation<Vars, Result> {
  /** Names it, so that it can wait in the queue and survive a reload. */
  readonly mutationKey?: readonly unknown[];
  readonly mutationFn: (vars: Vars, context: MutationContext) => Promise<Result>;
  readonly apply?: Apply<Vars>;
  /** Mutations of one scope are sent one after the other, in order. */
  readonly scope?: string | ((vars: Vars) => string);
  /** `queue`: waits while the server cannot be reached. `reject` by default. */
  readonly offline?: 'queue' | 'reject';
  /** `auto`: the patch stays until the server's data shows the effect. `ack`: until it answers. */
  readonly confirm?: 'auto' | 'ack';
  readonly onRejected?: (error: Error, vars: Vars) => void;
}

/** A durable queue, e.g. that of `@tidewire/client/offline`. */
export interface MutationQueue {
  /** Resolves with the outcome; survives a reload, then without anybody waiting. */
  enqueue(entry: QueuedMutation): Promise<unknown>;
  /** Says how to run the entries of a name. `restored` is called for those of an earlier page. */
  register(
    name: string,
    run: (vars: any, context: MutationContext) => Promise<unknown>,
    restored?: (entry: QueuedMutation, outcome: Promise<unknown>) => void,
  ): () => void;
}

export interface QueuedMutation {
  readonly id: string;
  readonly name: string;
  readonly scope: string;
  readonly vars: unknown;
}

/** Waits until the server's data shows what was acknowledged at `position`. */
export type Confirm = (
  patch: Patch,
  position: Position | null,
) => Promise<'synced' | 'unconfirmed'>;

/** Sends mutations in order per scope and keeps their patches until they are confirmed. */
export class Mutations {
  readonly overlay: Overlay;
  #confirm: Confirm;
  #queue: MutationQueue | null;
  #scopes = new Map<string, Promise<unknown>>();
  #clientId = crypto.randomUUID().replace(/-/g, '');
  #sequence = 0;

  constructor(overlay: Overlay, confirm: Confirm, queue: MutationQueue | null = null) {
    this.overlay = overlay;
    this.#confirm = confirm;
    this.#queue = queue;
  }

  /**
   * Shows the change, sends it, and takes the patch away when the server's data has it. Resolves
   * when the server has acknowledged; rejects, rolled back, when it refuses.
   */
  async run<Vars, Result>(
    mutation: OptimisticMutation<Vars, Result>,
    vars: Vars,
    report: (phase: MutationPhase) => void = () => {},
  ): Promise<Result> {
    const id = `${this.#clientId}:${++this.#sequence}`;
    const patch = mutation.apply ? this.overlay.begin(mutation.apply, vars) : null;
    report('queued');
    let result: Result;
    try {
      result = await this.#send(mutation, vars, id, report);
    } catch (error) {
      this.#reject(mutation, vars, patch, error);
      report('rejected');
      throw error;
    }
    report('acknowledged');
    void this.#settle(mutation, patch, result).then(report);
    return result;
  }

  /** Takes over the queued mutations of a name; those of an earlier page are shown again. */
  register<Vars>(mutation: OptimisticMutation<Vars, unknown>): () => void {
    const name = nameOf(mutation);
    if (!this.#queue || name === null) return () => {};
    return this.#queue.register(name, mutation.mutationFn, (entry, outcome) => {
      const vars = entry.vars as Vars;
      const patch = mutation.apply ? this.overlay.begin(mutation.apply, vars) : null;
      outcome.then(
        (result) => void this.#settle(mutation, patch, result),
        (error) => this.#reject(mutation, vars, patch, error),
      );
    });
  }

  #send<Vars, Result>(
    mutation: OptimisticMutation<Vars, Result>,
    vars: Vars,
    id: string,
    report: (phase: MutationPhase) => void,
  ): Promise<Result> {
    const scope =
      typeof mutation.scope === 'function' ? mutation.scope(vars) : (mutation.scope ?? id);
    const name = nameOf(mutation);
    if (this.#queue && name !== null && mutation.offline === 'queue') {
      return this.#queue.enqueue({ id, name, scope, vars }) as Promise<Result>;
    }
    const before = this.#scopes.get(scope);
    const send = () => {
      report('sending');
      return mutation.mutationFn(vars, { mutationId: id });
    };
    const sent = before ? before.then(send, send) : send();
    this.#scopes.set(scope, sent);
    const clean = () => this.#scopes.get(scope) === sent && this.#scopes.delete(scope);
    sent.then(clean, clean);
    return sent;
  }

  async #settle(
    mutation: OptimisticMutation<any, any>,
    patch: Patch | null,
    result: unknown,
  ): Promise<MutationPhase> {
    if (!patch) return 'synced';
    const outcome =
      mutation.confirm === 'ack' ? 'synced' : await this.#confirm(patch, positionOf(result));
    this.overlay.drop(patch);
    return outcome;
  }

  #reject(
    mutation: OptimisticMutation<any, any>,
    vars: unknown,
    patch: Patch | null,
    error: unknown,
  ): void {
    if (patch) this.overlay.drop(patch);
    mutation.onRejected?.(error instanceof Error ? error : new Error(String(error)), vars);
  }
}

function nameOf(mutation: OptimisticMutation<any, any>): string | null {
  return mutation.mutationKey ? JSON.stringify(mutation.mutationKey) : null;
}

/** The position of a write's answer: `{ position }`, or the header of a Response. */
export function positionOf(result: unknown): Position | null {
  if (typeof result !== 'object' || result === null) return null;
  if (typeof Response !== 'undefined' && result instanceof Response) {
    return result.headers.get('Tidewire-Position');
  }
  const { position } = result as { position?: unknown };
  return typeof position === 'string' ? position : null;
}
