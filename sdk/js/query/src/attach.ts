import type { Query, QueryClient, QueryKey } from '@tanstack/query-core';
import {
  comparePositions,
  type Change,
  type Client,
  type Position,
  type Subscription,
  type Verdict,
} from '@tidewire/client';

/** The keys that a table's changes make stale; matched by prefix, as `invalidateQueries` does. */
export type TableKeys = readonly QueryKey[] | WatchedKeys;

export interface WatchedKeys {
  readonly keys: readonly QueryKey[];
  readonly schema?: string;
  /** Only changes of rows that match it, e.g. `workspace_name=eq.Northwind`. */
  readonly filter?: string;
}

export interface AttachOptions {
  readonly tables?: Readonly<Record<string, TableKeys>>;
  /** Changes within so long are one invalidation, milliseconds; 50 by default, 0: a microtask. */
  readonly windowMs?: number;
  /** Told of each change as it arrives, before its window closes. */
  readonly onChange?: (change: Change) => void;
  /** Told of each subscription's verdict after a reconnect. */
  readonly onVerdict?: (verdict: Verdict, table: string) => void;
  /** Told of each flush: the queries made stale. For tests and developer tools. */
  readonly onInvalidate?: (queries: readonly Query[]) => void;
}

export interface Attachment {
  /** Makes `keys` stale on changes of `table` from now on; returns how to stop. */
  watch(table: string, keys: TableKeys): () => void;
  /** Makes keys stale by hand, through the same window. */
  invalidate(keys: readonly QueryKey[]): void;
  detach(): void;
}

/** Why a query is stale: something happened at `seq` here, at `position` in the log. */
interface Mark {
  seq: number;
  position: Position | null;
  /** A result older than `position` was refetched once already. */
  refetched: boolean;
}

/** Actions after which a fetch has ended, in whatever way. */
const settling: ReadonlySet<string> = new Set(['success', 'error', 'setState']);

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
 */
export function attachQueryClient(
  client: Client,
  queryClient: QueryClient,
  options: AttachOptions = {},
): Attachment {
  const engine = new Engine(client, queryClient, options);
  attachments.set(queryClient, engine);
  for (const [table, keys] of Object.entries(options.tables ?? {})) engine.watch(table, keys);
  return engine;
}

/** The attachment of a query client, for `realtimeQueryOptions`. */
export function attachmentOf(queryClient: QueryClient): Engine | undefined {
  return attachments.get(queryClient);
}

export class Engine implements Attachment {
  readonly client: Client;
  #queryClient: QueryClient;
  #windowMs: number;
  #options: AttachOptions;
  #seq = 0;
  #pending = new Map<QueryKey, Mark>();
  #marks = new WeakMap<Query, Mark>();
  #started = new WeakMap<Query, number>();
  #results = new Map<string, Position>();
  #watches = new Set<{ keys: readonly QueryKey[]; stop: () => void }>();
  #scheduled = false;
  #detached = false;
  #unsubscribeCache: () => void;

  constructor(client: Client, queryClient: QueryClient, options: AttachOptions) {
    this.client = client;
    this.#queryClient = queryClient;
    this.#windowMs = options.windowMs ?? 50;
    this.#options = options;
    this.#unsubscribeCache = queryClient.getQueryCache().subscribe((event) => {
      if (event.type === 'removed') this.#results.delete(event.query.queryHash);
      if (event.type !== 'updated') return;
      const { query, action } = event;
      if (action.type === 'fetch') this.#started.set(query, ++this.#seq);
      else if (settling.has(action.type) && query.state.fetchStatus === 'idle') {
        this.#onSettled(query);
      }
    });
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
        this.#options.onChange?.(change);
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

  detach(): void {
    this.#detached = true;
    for (const { stop } of this.#watches) stop();
    this.#watches.clear();
    this.#unsubscribeCache();
    if (attachments.get(this.#queryClient) === this) attachments.delete(this.#queryClient);
  }

  /** A fetch's answer was true at `position`. */
  noteResult(queryHash: string, position: Position | null): void {
    if (position === null) this.#results.delete(queryHash);
    else this.#results.set(queryHash, position);
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
      for (const query of this.#queryClient.getQueryCache().findAll({ queryKey })) {
        const known = this.#marks.get(query);
        if (!known || known.seq < mark.seq) this.#marks.set(query, { ...mark });
        stale.add(query);
      }
    }
    const due = [...stale].filter((query) => this.#isStale(query));
    for (const query of due) this.#invalidate(query);
    if (due.length > 0) this.#options.onInvalidate?.(due);
  }

  /** Whether what the query shows, or is fetching, may lack what its mark stands for. */
  #isStale(query: Query): boolean {
    const mark = this.#marks.get(query);
    if (!mark) return false;
    const result = this.#results.get(query.queryHash);
    if (mark.position !== null && result !== undefined && query.state.fetchStatus === 'idle') {
      const order = comparePositions(result, mark.position);
      if (order !== null && order >= 0) return false;
      if (order !== null) return !mark.refetched || (this.#started.get(query) ?? 0) < mark.seq;
    }
    return (this.#started.get(query) ?? 0) < mark.seq;
  }

  #onSettled(query: Query): void {
    if (this.#detached || !this.#marks.has(query)) return;
    if (!this.#isStale(query)) {
      if (query.state.status === 'success') this.#marks.delete(query);
      return;
    }
    const mark = this.#marks.get(query)!;
    if ((this.#started.get(query) ?? 0) > mark.seq) mark.refetched = true;
    // Not from within the cache's own notification.
    queueMicrotask(() => this.#detached || this.#invalidate(query));
  }

  #invalidate(query: Query): void {
    // A running fetch is left alone: #onSettled looks again when it ends.
    query.invalidate();
    if (query.state.fetchStatus !== 'idle' || !query.isActive()) return;
    void this.#queryClient.refetchQueries(
      { queryKey: query.queryKey, exact: true, type: 'active' },
      { cancelRefetch: false },
    );
  }
}

function isKeyList(watched: TableKeys): watched is readonly QueryKey[] {
  return Array.isArray(watched);
}
