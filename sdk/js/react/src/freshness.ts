import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import {
  createSmartRefresh,
  type FreshnessRow,
  type Key,
  type SmartRefresh,
} from '@tidewire/client/refresh';
import { useTidewire } from './context.js';
import { useTableUpdates } from './table.js';
import { useLatest } from './tracked.js';

export type FreshnessState = 'fresh' | 'late' | 'failed' | 'never';

export interface SourceFreshness {
  readonly source: string;
  readonly label: string;
  readonly lastSyncedAt: number | null;
  readonly status: string | null;
  readonly ageMs: number | null;
  readonly state: FreshnessState;
}

export interface FreshnessOptions {
  readonly labels?: Readonly<Record<string, string>>;
  /** How old the data of a source may be, milliseconds; `'*'` for all others, 1 h by default. */
  readonly lateAfterMs?: Readonly<Record<string, number>>;
  /** Sources to show even while they have no row. */
  readonly sources?: readonly string[];
  readonly table?: string;
  readonly enabled?: boolean;
}

/** The names that people know the mission's sources by. */
export const sourceLabels: Readonly<Record<string, string>> = {
  meta: 'Meta Ads',
  switchboard: 'SMS',
  actblue_webhook: 'ActBlue',
  actblue_csv: 'ActBlue export',
};

const worseFirst: readonly FreshnessState[] = ['failed', 'never', 'late', 'fresh'];

/** Time in steps, so that ages are shown without a timer per element. */
export function useNow(stepMs = 1_000): number {
  const subscribe = useCallback(
    (listener: () => void) => {
      const timer = setInterval(listener, stepMs);
      return () => clearInterval(timer);
    },
    [stepMs],
  );
  const now = () => Math.floor(Date.now() / stepMs) * stepMs;
  return useSyncExternalStore(subscribe, now, now);
}

/** How fresh each source of an organization is: live rows of `data_freshness`. */
export function useFreshness(
  organizationId: string,
  options: FreshnessOptions = {},
): {
  readonly sources: readonly SourceFreshness[];
  readonly worst: FreshnessState | null;
  readonly isLoading: boolean;
} {
  const { table = 'data_freshness', enabled = true } = options;
  const { rows, status } = useTableUpdates<FreshnessRow>(table, {
    where: { organization_id: organizationId },
    key: ['organization_id', 'source'],
    rows: true,
    enabled,
  });
  const now = useNow();
  const names = [...new Set([...(options.sources ?? []), ...rows.map((row) => row.source)])];
  const sources = names.map((source): SourceFreshness => {
    const row = rows.find((each) => each.source === source);
    const lastSyncedAt = row?.last_synced_at ? timeOf(row.last_synced_at) : null;
    const ageMs = lastSyncedAt === null ? null : Math.max(0, now - lastSyncedAt);
    const lateAfter = options.lateAfterMs?.[source] ?? options.lateAfterMs?.['*'] ?? 3_600_000;
    const failed = !!row?.last_sync_status && row.last_sync_status !== 'success';
    const state =
      ageMs === null
        ? failed
          ? 'failed'
          : 'never'
        : failed
          ? 'failed'
          : ageMs > lateAfter
            ? 'late'
            : 'fresh';
    const label = options.labels?.[source] ?? sourceLabels[source] ?? source;
    return { source, label, lastSyncedAt, status: row?.last_sync_status ?? null, ageMs, state };
  });
  const worst = worseFirst.find((state) => sources.some((each) => each.state === state)) ?? null;
  return { sources, worst, isLoading: status === 'loading' };
}

/** A server's time in milliseconds; text without a zone is UTC. */
export function timeOf(text: string): number | null {
  const iso = text.replace(' ', 'T');
  const time = Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(iso) ? iso : iso + 'Z');
  return Number.isNaN(time) ? null : time;
}

export interface SmartRefreshHookOptions {
  readonly organizationId: string;
  readonly map: Readonly<Record<string, readonly Key[]>>;
  readonly batchMs?: number;
  /** Refetches the keys; `useAutoRefreshOnSync` of the main entry gives TanStack's. */
  readonly onRefresh: (refresh: {
    sources: readonly string[];
    keys: readonly Key[];
  }) => void | Promise<unknown>;
  readonly onSync?: (row: FreshnessRow) => void;
  readonly table?: string;
  readonly enabled?: boolean;
}

export interface UseSmartRefresh {
  /** Refreshes by hand: the named sources, or all. */
  refresh(sources?: readonly string[]): void;
  readonly isRefreshing: boolean;
  readonly lastRefreshAt: number | null;
}

/** Refreshes what completed syncs feed: successes only, each sync once, 5 s in one batch. */
export function useSmartRefresh(options: SmartRefreshHookOptions): UseSmartRefresh {
  const { organizationId, batchMs, table, enabled = true } = options;
  const client = useTidewire();
  const latest = useLatest(options);
  const engine = useRef<SmartRefresh | null>(null);
  const [running, setRunning] = useState(0);
  const [lastRefreshAt, setLastRefreshAt] = useState<number | null>(null);
  const mapText = JSON.stringify(options.map);
  useEffect(() => {
    if (!enabled) return;
    let ended = false;
    const made = createSmartRefresh(client, {
      organizationId,
      map: JSON.parse(mapText) as SmartRefreshHookOptions['map'],
      ...(batchMs !== undefined && { batchMs }),
      ...(table !== undefined && { table }),
      onSync: (row) => latest.current.onSync?.(row),
      onRefresh: (refresh) => {
        setRunning((n) => n + 1);
        void Promise.resolve(latest.current.onRefresh(refresh)).finally(() => {
          if (ended) return;
          setRunning((n) => n - 1);
          setLastRefreshAt(Date.now());
        });
      },
    });
    engine.current = made;
    return () => {
      ended = true;
      made.close();
      setRunning(0);
      engine.current = null;
    };
  }, [client, organizationId, mapText, batchMs, table, enabled, latest]);
  const refresh = useCallback(
    (sources?: readonly string[]) => engine.current?.refresh(sources),
    [],
  );
  return useMemo(
    () => ({ refresh, isRefreshing: running > 0, lastRefreshAt }),
    [refresh, running, lastRefreshAt],
  );
}
