import type { Client, Environment } from './client.js';

/** A cache key, as TanStack Query uses them; the text `a/b` stands for `['a','b']`. */
export type Key = readonly unknown[] | string;

export const toKey = (key: Key): readonly unknown[] =>
  typeof key === 'string' ? key.split('/') : key;

/** A row of `data_freshness`: one organization's state of one source. */
export interface FreshnessRow {
  readonly organization_id: string;
  readonly source: string;
  readonly last_synced_at: string | null;
  readonly last_sync_status: string | null;
  readonly sync_id?: string | number | null;
}

export interface SmartRefreshOptions {
  readonly organizationId: string;
  /** Source → keys that its data feeds; `'*'` for all sources. */
  readonly map: Readonly<Record<string, readonly Key[]>>;
  /** The window opens with the first sync and closes so much later; 5 000 by default. */
  readonly batchMs?: number;
  /** Called once per window with the union of the keys of all its sources. */
  readonly onRefresh: (refresh: { sources: readonly string[]; keys: readonly Key[] }) => void;
  /** Told of each sync as it arrives; failures too. */
  readonly onSync?: (row: FreshnessRow) => void;
  /** `data_freshness` by default. */
  readonly table?: string;
  readonly environment?: Pick<Environment, 'setTimeout' | 'clearTimeout'>;
}

export interface SmartRefresh {
  /** Sources that wait for the window to close. */
  readonly pending: readonly string[];
  /** Refreshes now, these sources or all of the map. */
  refresh(sources?: readonly string[]): void;
  close(): void;
}

/** Keys of the given sources, each once, with those of `'*'`. */
export function keysOfSources(
  map: SmartRefreshOptions['map'],
  sources: readonly string[],
): readonly Key[] {
  const keys = new Map<string, Key>();
  for (const source of [...sources, '*']) {
    for (const key of map[source] ?? []) keys.set(JSON.stringify(toKey(key)), key);
  }
  return [...keys.values()];
}

/**
 * Refreshes what a completed sync feeds (mission S0.4, S0.5): only successful syncs; one sync once,
 * known by `sync_id` or else by its time; several syncs within the window are one refresh, and none
 * is dropped: one that arrives while a window is open joins it, a later one opens the next.
 */
export function createSmartRefresh(
  client: Pick<Client, 'subscribe'>,
  options: SmartRefreshOptions,
): SmartRefresh {
  const { organizationId, map, batchMs = 5_000, onRefresh, onSync } = options;
  const timers = options.environment ?? {
    setTimeout: (run: () => void, ms: number) => setTimeout(run, ms),
    clearTimeout: (timer: any) => clearTimeout(timer),
  };
  const seen = new Map<string, string>();
  let pending = new Set<string>();
  let timer: unknown;

  const flush = (sources: readonly string[]) => {
    if (sources.length > 0) onRefresh({ sources, keys: keysOfSources(map, sources) });
  };
  const onRow = (row: FreshnessRow) => {
    const sync = String(row.sync_id ?? row.last_synced_at ?? '');
    const known = `${sync} ${row.last_sync_status}`;
    if (seen.get(row.source) === known) return;
    seen.set(row.source, known);
    onSync?.(row);
    if (row.last_sync_status !== 'success') return;
    if (pending.size === 0) {
      timer = timers.setTimeout(() => {
        const sources = [...pending];
        pending = new Set();
        flush(sources);
      }, batchMs);
    }
    pending.add(row.source);
  };

  const subscription = client.subscribe<FreshnessRow>({
    table: options.table ?? 'data_freshness',
    filter: `organization_id=eq.${quote(organizationId)}`,
    onChange: ({ record }) => record && onRow(record),
    // What happened while away is unknown: everything may be stale.
    onVerdict: ({ recovered }) => recovered || flush(Object.keys(map).filter((s) => s !== '*')),
  });

  return {
    get pending() {
      return [...pending];
    },
    refresh(sources = Object.keys(map).filter((source) => source !== '*')) {
      flush(sources);
    },
    close() {
      timers.clearTimeout(timer);
      subscription.unsubscribe();
    },
  };
}

/** A value in a filter; quoted where a comma, quote or bracket would end it. */
export function quote(value: unknown): string {
  const text = String(value);
  return /[",()\\]/.test(text) ? `"${text.replace(/(["\\])/g, '\\$1')}"` : text;
}

/**
 * A related-key graph (mission S1.2): what else is stale when a key is. Transitive, cycle-safe.
 * A `{name}` in a key is a parameter: it passes along an edge under the same name, and becomes the
 * wildcard `'*'` (wider, never missing) where it is not known.
 *
 *   createKeyGraph({ briefs: ['reviews', 'campaigns'], campaigns: ['dashboard/stats'] })
 *     .expand(['briefs'])  →  briefs, reviews, campaigns, dashboard/stats
 */
export function createKeyGraph(edges: Readonly<Record<string, readonly string[]>>): {
  expand(keys: readonly string[], params?: Readonly<Record<string, unknown>>): readonly string[];
} {
  const bind = (key: string, params: Readonly<Record<string, unknown>>) =>
    key.replace(/\{(\w+)\}/g, (_, name: string) => String(params[name] ?? '*'));
  return {
    expand(keys, params = {}) {
      const seen = new Set<string>(keys);
      for (const key of seen) for (const next of edges[key] ?? []) seen.add(next);
      return [...new Set([...seen].map((key) => bind(key, params)))];
    },
  };
}

/** What a page asks of its queries (mission S1.4), as data. */
export interface PagePolicy<Data = any> {
  /** Refetch when the server names the page's keys. */
  readonly invalidate?: boolean;
  /** Keep the page's queries live. */
  readonly realtime?: boolean;
  /** Mutations show at once, and wait in the queue while offline. */
  readonly optimistic?: boolean;
  /** `'30s'`, or only while `while` holds of the data, or only while nothing is pushed. */
  readonly poll?:
    | string
    | {
        readonly every: string;
        readonly while?: (data: Data | undefined) => boolean;
        readonly when?: 'always' | 'not-live';
      };
}

/** Checks the policies' times. Errors: throws, naming the page. */
export function definePolicies<const P extends Readonly<Record<string, PagePolicy>>>(
  policies: P,
): P {
  for (const [page, policy] of Object.entries(policies)) {
    const every = typeof policy.poll === 'object' ? policy.poll.every : policy.poll;
    if (every !== undefined && durationMs(every) === null) {
      throw new Error(`Page ${page}: '${every}' is not a time such as 30s.`);
    }
  }
  return policies;
}

/** When to fetch next under a policy, milliseconds; false: not by the clock. */
export function pollIntervalOf(policy: PagePolicy, data: unknown, live: boolean): number | false {
  if (!policy.poll) return false;
  const poll = typeof policy.poll === 'string' ? { every: policy.poll } : policy.poll;
  if (poll.when === 'not-live' && live) return false;
  if (poll.while && !poll.while(data)) return false;
  return durationMs(poll.every) ?? false;
}

/** `'500ms'`, `'30s'`, `'5min'`, `'1h'` in milliseconds; null for other text. */
export function durationMs(text: string): number | null {
  const found = /^(\d+)\s?(ms|s|min|h)$/.exec(text);
  if (!found) return null;
  return Number(found[1]) * { ms: 1, s: 1000, min: 60_000, h: 3_600_000 }[found[2] as 's'];
}

/**
 * The conventions of S1.5, to spread into the defaults of either cache library: revalidate on focus
 * and reconnect, no second fetch within 2 s, 3 retries 5 s apart, previous data kept while loading.
 */
export const realtimeDefaults = {
  query: {
    staleTime: 2_000,
    retry: 3,
    retryDelay: 5_000,
    refetchOnWindowFocus: true,
    refetchOnReconnect: true,
    placeholderData: <T>(previous: T | undefined): T | undefined => previous,
  },
  swr: {
    dedupingInterval: 2_000,
    errorRetryCount: 3,
    revalidateOnFocus: true,
    revalidateOnReconnect: true,
    keepPreviousData: true,
    /** SWR's own multiplies its interval by chance and powers of two. */
    onErrorRetry(
      _error: unknown,
      _key: string,
      _config: unknown,
      revalidate: (options: { retryCount: number }) => unknown,
      { retryCount }: { retryCount: number },
    ): void {
      if (retryCount <= 3) setTimeout(() => void revalidate({ retryCount }), 5_000);
    },
  },
} as const;
