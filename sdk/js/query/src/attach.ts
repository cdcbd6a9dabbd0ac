import { type Query, type QueryClient, type QueryKey } from '@tanstack/query-core';
import {
  comparePositions,
  type Change,
  type Client,
  type Position,
  type Subscription,
} from '@tidewire/client';
import { Mutations, Overlay, type Patch } from '@tidewire/client/optimistic';
import type { Attachment, AttachOptions, TableKeys } from './attachment.js';
import type { ConfirmHost } from './confirm.js';
import type { Keeper } from './host.js';
import type { RowsKeeper } from './keeper.js';
import type { NamedKeeper, NamedSpec } from './named.js';
import { overlayCacheOf } from './overlay.js';
import { isAfter } from './position.js';
import type { RowsSpec } from './rows.js';
import { ToldChanges } from './told.js';

/** Why a query is stale: something happened at `seq` here, at `position` in the log. */
interface Mark {
  seq: number;
  position: Position | null;
  /** A result older than `position` was refetched once already. */
  refetched: boolean;
}

/** Actions after which a fetch has ended, in whatever way. */
const settling: ReadonlySet<string> = new Set(['success', 'error', 'setState']);

interface Keepers {
  rows: RowsKeeper;
  named: NamedKeeper;
}

const attachments = new WeakMap<QueryClient, Engine>();

/**
 * Keeps a query client true. Promises:
 *
 *  1. No change is lost: a fetch that began before a change is followed by another, unless its
 *     answer's position shows that it already contains the change.
 *  2. At most one fetch per query is in flight for our sake; a running one is never restarted, so
 *     that a busy table cannot starve a screen.
 *  3. Only active queries are refetched; the others are marked stale.
 *  4. All that happens within a window is one invalidation.
 *  5. When a subscription starts, or comes back unrecovered, its keys count as changed; on an
 *     unrecovered one all attached keys do.
 *  6. What `realtimeQueryOptions` reads is kept by pushes written in place, and never show a state older than one
 *     that they have shown.
 *  7. Optimistic changes lie over the server's state; no push, answer or rejection in any order
 *     loses either.
 */
export function attachQueryClient(
  client: Client,
  queryClient: QueryClient,
  options: AttachOptions = {},
): Attachment {
  attachments.get(queryClient)?.detach();
  const engine = new Engine(client, queryClient, options);
  attachments.set(queryClient, engine);
  for (const [table, keys] of Object.entries(options.tables ?? {})) engine.watch(table, keys);
  return engine;
}

/** The attachment of a query client. */
export function attachmentOf(queryClient: QueryClient): Attachment | undefined {
  return attachments.get(queryClient);
}

/** The attachment with what only this package uses. */
export function engineOf(queryClient: QueryClient): Engine | undefined {
  return attachments.get(queryClient);
}

export class Engine implements Attachment, ConfirmHost {
  readonly client: Client;
  readonly queryClient: QueryClient;
  readonly overlay: Overlay;
  readonly mutations: Mutations;
  readonly frameMs: number;
  readonly confirmMs: number;
  #windowMs: number;
  #options: AttachOptions;
  #keepers: Partial<Keepers> = {};
  #loading: { [Kind in keyof Keepers]?: Promise<any> } = {};
  #seq = 0;
  #pending = new Map<QueryKey, Mark>();
  #marks = new WeakMap<Query, Mark>();
  #started = new WeakMap<Query, number>();
  #results = new Map<string, Position>();
  #floors = new Map<string, Position>();
  #watches = new Set<{ keys: readonly QueryKey[]; stop: () => void }>();
  #confirming = new Set<() => void>();
  #liveListeners = new Set<() => void>();
  #scheduled = false;
  #showing = false;
  #detached = false;
  #told = new ToldChanges();
  #unsubscribeCache: () => void;

  constructor(client: Client, queryClient: QueryClient, options: AttachOptions) {
    this.client = client;
    this.queryClient = queryClient;
    this.#windowMs = options.windowMs ?? 50;
    this.frameMs = options.frameMs ?? 16;
    this.confirmMs = options.confirmMs ?? 1_500;
    this.#options = options;
    this.overlay = new Overlay(overlayCacheOf(queryClient, (run) => this.#show(run)));
    this.mutations = new Mutations(this.overlay, this.#confirm, options.queue ?? null);
    this.#unsubscribeCache = queryClient.getQueryCache().subscribe((event) => {
      const { query } = event;
      if (event.type === 'removed') this.#onRemoved(query);
      if (event.type === 'observerAdded') this.#onObserved(query);
      if (event.type !== 'updated') return;
      const { action } = event;
      if (action.type === 'fetch') this.#started.set(query, ++this.#seq);
      else if (settling.has(action.type)) {
        if (!this.#showing && action.type === 'success') this.#onData(query);
        if (query.state.fetchStatus === 'idle') this.#onSettled(query);
      }
    });
    for (const query of queryClient.getQueryCache().getAll()) {
      if (query.getObserversCount() > 0) this.#onObserved(query);
    }
  }

  watch(table: string, watched: TableKeys): () => void {
    const { keys, schema, filter } = isKeyList(watched)
      ? { keys: watched, schema: undefined, filter: undefined }
      : watched;
    let first = true;
    let lost = false;
    let subscription: Subscription | null = null;
    subscription = this.client.subscribe({
      table,
      ...(schema && { schema }),
      ...(filter && { filter }),
      onChange: (change) => {
        this.#mark(keys, change.position);
        this.onStreamChange(change);
      },
      onVerdict: (verdict) => {
        lost = !verdict.recovered;
        this.#options.onVerdict?.(verdict, table);
      },
      onStatus: (status, error) => {
        // What happened before the stream began is not in it.
        if (status !== 'live' || error !== null) return;
        if (first || lost)
          this.#mark(lost ? this.#allKeys() : keys, subscription?.position ?? null);
        first = lost = false;
      },
    });
    const watch = { keys, stop: () => subscription.unsubscribe() };
    this.#watches.add(watch);
    return () => {
      watch.stop();
      this.#watches.delete(watch);
    };
  }

  invalidate(keys: readonly QueryKey[]): void {
    this.#mark(keys, null);
  }

  isLive(queryHash: string): boolean | null {
    return this.#first((keeper) => keeper.isLive(queryHash));
  }

  onLiveChange(listener: () => void): () => void {
    this.#liveListeners.add(listener);
    return () => this.#liveListeners.delete(listener);
  }

  onLive(): void {
    for (const listener of [...this.#liveListeners]) listener();
  }

  positionOf(queryHash: string): Position | null {
    return this.#first((keeper) => keeper.positionOf(queryHash));
  }

  detach(): void {
    this.#detached = true;
    for (const { stop } of this.#watches) stop();
    this.#watches.clear();
    for (const keeper of this.#all()) keeper.close();
    this.#unsubscribeCache();
    if (attachments.get(this.queryClient) === this) attachments.delete(this.queryClient);
  }

  resultPosition(queryHash: string): Position | null {
    return this.#results.get(queryHash) ?? null;
  }

  /** A fetch's answer, or the rows with pushed changes, are true at `position`. */
  noteResult(queryHash: string, position: Position | null): void {
    if (position === null) {
      this.#results.delete(queryHash);
      return;
    }
    this.#results.set(queryHash, position);
    if (isAfter(position, this.floorOf(queryHash))) this.#floors.set(queryHash, position);
  }

  floorOf(queryHash: string): Position | null {
    return this.#floors.get(queryHash) ?? null;
  }

  markQuery(query: Query, position: Position | null): void {
    this.#mark([query.queryKey], position);
  }

  /** A watched table's, or that of a query's rows: the same change may come by both. */
  onStreamChange(change: Change): void {
    if (!this.#told.isNew(change)) return;
    this.#options.onChange?.(change);
  }

  /** An answer of the default read: what to put into the cache for it. */
  settleAnswer(query: Query | undefined, rows: unknown, position: Position | null): unknown {
    if (!query || this.#detached) return rows;
    const settled = this.#keepers.rows?.reconcile(query, rows, position) ?? {
      data: rows,
      whole: position !== null,
    };
    if (settled === 'older') return this.overlay.baseOf(query.queryHash);
    const known = this.#results.get(query.queryHash) ?? null;
    if (position === null || known === null || isAfter(position, known)) {
      this.noteResult(query.queryHash, position);
    }
    if (!settled.whole) this.noteResult(query.queryHash, null);
    return settled.data;
  }

  /** What keeps the queries of a kind; loaded once, and not before one is used. */
  keeper<Kind extends keyof Keepers>(kind: Kind): Promise<Keepers[Kind]> {
    const part = () => (kind === 'rows' ? import('./keeper.js') : import('./named.js'));
    return (this.#loading[kind] ??= part().then(
      ({ keeperOf }) => (this.#keepers[kind] = keeperOf(this) as Keepers[Kind]),
      (error: unknown) => {
        delete this.#loading[kind];
        throw error;
      },
    ));
  }

  #all(): Keeper<never>[] {
    return Object.values(this.#keepers) as Keeper<never>[];
  }

  /** The answer of the keeper that has one. */
  #first<T>(of: (keeper: Keeper<never>) => T | null): T | null {
    for (const keeper of this.#all()) {
      const told = of(keeper);
      if (told !== null) return told;
    }
    return null;
  }

  #show(run: () => void): void {
    this.#showing = true;
    try {
      run();
    } finally {
      this.#showing = false;
    }
  }

  #onObserved(query: Query): void {
    const spec = specOf(query);
    if (!spec) return;
    const kind = 'query' in spec ? 'named' : 'rows';
    const cache = this.queryClient.getQueryCache();
    const add = (keeper: Keeper<any>) =>
      this.#detached || cache.get(query.queryHash) !== query || keeper.add(query, spec);
    const loaded = this.#keepers[kind];
    if (loaded) add(loaded);
    // Without it the query is read and not followed, until it is observed again.
    else this.keeper(kind).then(add, () => {});
  }

  #onRemoved(query: Query): void {
    this.#results.delete(query.queryHash);
    this.#floors.delete(query.queryHash);
    for (const keeper of this.#all()) keeper.remove(query.queryHash);
    this.overlay.forget(query.queryHash);
  }

  /** New server data is in the cache: the pending changes go over it again. */
  #onData(query: Query): void {
    this.overlay.rebase(query.queryHash, query.state.data);
  }

  #allKeys(): QueryKey[] {
    return [...this.#watches].flatMap((watch) => [...watch.keys]);
  }

  #mark(keys: readonly QueryKey[], position: Position | null): void {
    const seq = ++this.#seq;
    for (const key of keys) this.#pending.set(key, { seq, position, refetched: false });
    if (this.#scheduled || this.#detached) return;
    this.#scheduled = true;
    if (this.#windowMs > 0) setTimeout(() => this.#flush(), this.#windowMs);
    else queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#detached) return;
    const pending = [...this.#pending];
    this.#pending.clear();
    const stale = new Set<Query>();
    for (const [queryKey, mark] of pending) {
      for (const query of this.queryClient.getQueryCache().findAll({ queryKey })) {
        const known = this.#marks.get(query);
        if (!known || known.seq < mark.seq) this.#marks.set(query, { ...mark });
        stale.add(query);
      }
    }
    const due = [...stale].filter((query) => this.#isStale(query));
    for (const query of due) this.#invalidate(query);
    if (due.length > 0) this.#options.onInvalidate?.(due);
    this.#checkConfirmations();
  }

  /** Whether what the query shows, or is fetching, may lack what its mark stands for. */
  #isStale(query: Query): boolean {
    const mark = this.#marks.get(query);
    if (!mark) return false;
    // Whatever concerns a named query is pushed.
    if (mark.position !== null && this.#keepers.named?.isLive(query.queryHash)) return false;
    const result = this.#results.get(query.queryHash);
    if (mark.position !== null && result !== undefined && query.state.fetchStatus === 'idle') {
      const order = comparePositions(result, mark.position);
      if (order !== null && order >= 0) return false;
      if (order !== null) return !mark.refetched || (this.#started.get(query) ?? 0) < mark.seq;
    }
    return (this.#started.get(query) ?? 0) < mark.seq;
  }

  #onSettled(query: Query): void {
    if (this.#detached) return;
    queueMicrotask(() => this.#checkConfirmations());
    if (!this.#marks.has(query)) return;
    if (!this.#isStale(query)) {
      if (query.state.status === 'success') this.#marks.delete(query);
      else this.#tryAgain(query);
      return;
    }
    const mark = this.#marks.get(query)!;
    if ((this.#started.get(query) ?? 0) > mark.seq) mark.refetched = true;
    // Not from within the cache's own notification.
    queueMicrotask(() => this.#detached || !this.#isStale(query) || this.#invalidate(query));
  }

  /** The read that a change asked for has failed for good: the change is still not shown. */
  #tryAgain(query: Query): void {
    const mark = this.#marks.get(query)!;
    setTimeout(() => {
      if (this.#marks.get(query) === mark) this.#mark([query.queryKey], mark.position);
    }, this.#options.retryMs ?? 5_000);
  }

  #invalidate(query: Query): void {
    // A running fetch is left alone: #onSettled looks again when it ends.
    query.invalidate();
    if (query.state.fetchStatus !== 'idle' || !query.isActive()) return;
    void this.queryClient.refetchQueries(
      { queryKey: query.queryKey, exact: true, type: 'active' },
      { cancelRefetch: false },
    );
  }

  #confirm = async (patch: Patch, position: Position | null) => {
    const seq = ++this.#seq;
    const { confirmPatch } = await import('./confirm.js');
    return confirmPatch(this, patch, position, seq);
  };

  readSince(query: Query, seq: number): boolean {
    return (this.#started.get(query) ?? 0) > seq && query.state.fetchStatus === 'idle';
  }

  onProgress(check: () => void): () => void {
    this.#confirming.add(check);
    return () => this.#confirming.delete(check);
  }

  #checkConfirmations(): void {
    for (const check of [...this.#confirming]) check();
  }

  /** Pushed changes were shown: a mutation may have been among them. */
  onShown(): void {
    queueMicrotask(() => this.#checkConfirmations());
  }
}

function isKeyList(watched: TableKeys): watched is readonly QueryKey[] {
  return Array.isArray(watched);
}

function specOf(query: Query): RowsSpec | NamedSpec | null {
  const meta = query.meta as { tidewire?: RowsSpec | NamedSpec } | undefined;
  return meta?.tidewire ?? null;
}
