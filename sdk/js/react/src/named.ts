import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import {
  useQuery,
  type QueryKey,
  type UseQueryOptions,
  type UseQueryResult,
} from '@tanstack/react-query';
import type { LiveQuery, QueryVerdict, RowsDiff } from '@tidewire/client/live-queries';
import type { ArgsOf, QueryArgs, QueryName, QueryRow } from '@tidewire/client/queries';
import { realtimeQueryOptions } from '@tidewire/query';
import { useConnectionStatus } from './connection.js';
import { useTidewire } from './context.js';
import { pollInterval, type Polling } from './fallback.js';
import { useAttachment } from './attachment.js';
import type { SyncState } from './query.js';
import { useLatest } from './tracked.js';

export interface UseNamedQueryOptions<Name extends QueryName>
  extends
    Omit<
      UseQueryOptions<QueryRow<Name>[], Error, QueryRow<Name>[], QueryKey>,
      'queryKey' | 'queryFn' | 'select'
    >,
    Polling {
  /** A query of the server's catalogue, typed by what `tidewire gen types` prints. */
  readonly query: Name;
  readonly args: ArgsOf<Name>;
  /** `[query, args]` by default. */
  readonly queryKey?: QueryKey;
  /** False: read, and polled as the fallback says. */
  readonly enableRealtime?: boolean;
  /** Told of what each push changed, in order; after a gap, of all that is different at once. */
  readonly onDiff?: (diff: RowsDiff<QueryRow<Name>>) => void;
}

export interface NamedSyncState extends SyncState {
  /** When the rows were last known to be true: UTC, ISO 8601. */
  readonly asOf: string | null;
  /** Whether the last reconnect missed no difference; null before the first. */
  readonly verdict: QueryVerdict | null;
}

export type UseNamedQueryResult<Row> = UseQueryResult<Row[]> & { readonly sync: NamedSyncState };

/** `useRealtimeQuery` of a named query: see there. */
export function useNamedQuery<Name extends QueryName>(
  options: UseNamedQueryOptions<Name>,
): UseNamedQueryResult<QueryRow<Name>> {
  const {
    query,
    args,
    queryKey,
    enableRealtime = true,
    fallback = {},
    policy,
    onDiff,
    ...rest
  } = options;
  const client = useTidewire();
  // Writes what is pushed into the cache.
  useAttachment();
  const connected = useConnectionStatus((status) => status.simple === 'connected');
  const followed = enableRealtime && rest.enabled !== false;
  const told = useLiveQuery(query, args as QueryArgs, followed, onDiff as DiffListener | undefined);
  const live = told?.status === 'live';
  const result = useQuery<QueryRow<Name>[], Error, QueryRow<Name>[], QueryKey>({
    ...realtimeQueryOptions<Name>(client, {
      query,
      args,
      enableRealtime,
      ...(queryKey && { queryKey }),
    }),
    staleTime: live ? Infinity : 2_000,
    refetchOnWindowFocus: !live,
    refetchOnReconnect: !live,
    refetchInterval: (each) => pollInterval({ fallback, ...(policy && { policy }) }, each, live),
    ...rest,
  } as UseQueryOptions<QueryRow<Name>[], Error, QueryRow<Name>[], QueryKey>);
  const coming = followed && connected && told?.mode !== 'off' && told?.status !== 'refused';
  const sync: NamedSyncState = {
    state: live ? 'live' : coming ? 'catching-up' : fallback === false ? 'offline' : 'polling',
    position: told?.position ?? null,
    asOf: told?.asOf ?? null,
    verdict: told?.verdict ?? null,
  };
  return Object.assign(Object.create(result) as UseQueryResult<QueryRow<Name>[]>, { sync });
}

type DiffListener = (diff: RowsDiff<any>) => void;
const idle = () => () => {};

/** The query as its part of the client knows it; null until that part is loaded. */
function useLiveQuery(
  query: string,
  args: QueryArgs,
  enabled: boolean,
  onDiff: DiffListener | undefined,
) {
  const client = useTidewire();
  const [live, setLive] = useState<LiveQuery<any> | null>(null);
  const latest = useLatest({ args, onDiff });
  const argsText = JSON.stringify(args);
  useEffect(() => {
    if (!enabled) return;
    let gone = false;
    let opened: LiveQuery<any> | null = null;
    import('@tidewire/client/live-queries').then(
      ({ liveQueries }) => {
        if (gone) return;
        opened = liveQueries(client).open(query, latest.current.args);
        opened.onChange((diff) => diff && latest.current.onDiff?.(diff));
        setLive(opened);
      },
      // Without it the query is read by the clock.
      () => {},
    );
    return () => {
      gone = true;
      opened?.close();
      setLive(null);
    };
  }, [client, query, argsText, enabled, latest]);
  const subscribe = useCallback(
    (listener: () => void) => (live ? live.onChange(() => listener()) : idle()),
    [live],
  );
  const snapshot = () => live?.snapshot ?? null;
  return useSyncExternalStore(subscribe, snapshot, snapshot);
}
