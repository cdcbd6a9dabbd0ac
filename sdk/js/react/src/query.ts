import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import {
  hashKey,
  useMutation,
  useQuery,
  useQueryClient,
  type QueryClient,
  type QueryFunction,
  type QueryKey,
  type UseMutationResult,
  type UseQueryOptions,
  type UseQueryResult,
} from '@tanstack/react-query';
import {
  filterOf,
  type Entities,
  type Entity,
  type Position,
  type SelectQuery,
} from '@tidewire/client';
import type { MutationPhase, OptimisticMutation } from '@tidewire/client/optimistic';
import type { QueryName, QueryRow } from '@tidewire/client/queries';
import { toKey } from '@tidewire/client/refresh';
import { realtimeQueryOptions, type Attachment } from '@tidewire/query';
import { useAttachment } from './attachment.js';
import { useConnectionStatus } from './connection.js';
import { useTidewire } from './context.js';
import { pollInterval, type Fallback, type Polling } from './fallback.js';
import {
  useSmartRefresh,
  type SmartRefreshHookOptions,
  type UseSmartRefresh,
} from './freshness.js';
import { useNamedQuery, type UseNamedQueryOptions, type UseNamedQueryResult } from './named.js';
import { useLatest } from './tracked.js';
import { filtersOf, type Where } from './where.js';

export interface UseRealtimeQueryOptions<Data>
  extends
    Omit<UseQueryOptions<Data, Error, Data, QueryKey>, 'queryKey' | 'queryFn' | 'select'>,
    Pick<SelectQuery, 'order' | 'limit'>,
    Polling {
  readonly queryKey: QueryKey;
  /** By default the entity's table is read. With one of your own its changes make it stale. */
  readonly queryFn?: QueryFunction<Data, QueryKey>;
  /** What the query shows: an entity, or the name of a table. */
  readonly realtimeEntity: Entity | string;
  /** False: an ordinary query, polled as the fallback says. */
  readonly enableRealtime?: boolean;
  /** Only these rows: `{ status: 'open' }`, or `'status=eq.open'`. */
  readonly realtimeFilter?: Where | string;
  /** One row or null instead of a list. */
  readonly single?: boolean;
}

export interface SyncState {
  /** `live`: true to within moments; `catching-up`: not yet; `polling`: asked again by the clock. */
  readonly state: 'live' | 'catching-up' | 'polling' | 'offline';
  /** Where in the log the data stands; null where the server does not say. */
  readonly position: Position | null;
}

export type UseRealtimeQueryResult<Data> = UseQueryResult<Data> & { readonly sync: SyncState };

/**
 * `useQuery` of a named query, kept live by what the server pushes of it: rows, position and, with
 * `onDiff`, the differences. While nothing is pushed it polls.
 */
export function useRealtimeQuery<Name extends QueryName>(
  options: UseNamedQueryOptions<Name>,
): UseNamedQueryResult<QueryRow<Name>>;
/**
 * `useQuery`, kept live. Rows of the entity are written in place as they change; with a `queryFn`
 * of your own the query is read again when its entity changes. While nothing is pushed it polls.
 */
export function useRealtimeQuery<Data = Record<string, unknown>[]>(
  options: UseRealtimeQueryOptions<Data>,
): UseRealtimeQueryResult<Data>;
export function useRealtimeQuery(
  options: UseRealtimeQueryOptions<any> | UseNamedQueryOptions<any>,
): unknown {
  // A component asks for one kind, always.
  return 'query' in options ? useNamedQuery(options) : useEntityQuery(options);
}

function useEntityQuery<Data>(
  options: UseRealtimeQueryOptions<Data>,
): UseRealtimeQueryResult<Data> {
  const {
    queryFn,
    realtimeEntity,
    enableRealtime = true,
    realtimeFilter,
    single = false,
    order,
    limit,
    fallback = {},
    policy,
    ...rest
  } = options;
  const client = useTidewire();
  const attachment = useAttachment();
  const connected = useConnectionStatus((status) => status.simple === 'connected');
  const entity = typeof realtimeEntity === 'string' ? { table: realtimeEntity } : realtimeEntity;
  const filters = filtersFrom(realtimeFilter);
  const own = queryFn !== undefined;
  useWatch(attachment, own && enableRealtime, entity, filters, rest.queryKey);

  const realtime = realtimeQueryOptions<any, boolean>(client, {
    queryKey: rest.queryKey,
    table: entity.table,
    ...(entity.schema && { schema: entity.schema }),
    ...(entity.key && { key: entity.key }),
    ...(entity.columns && { select: entity.columns.join(',') }),
    filters,
    ...(order && { order }),
    ...(limit !== undefined && { limit }),
    single,
    enableRealtime: enableRealtime && !own,
  });
  const live = connected && enableRealtime;
  const result = useQuery<Data, Error, Data, QueryKey>({
    ...(realtime as object),
    ...(own && { queryFn, meta: {} }),
    staleTime: live ? Infinity : 2_000,
    refetchOnWindowFocus: !live,
    refetchOnReconnect: !live,
    refetchInterval: (query) => pollInterval({ fallback, ...(policy && { policy }) }, query, live),
    ...rest,
    queryKey: rest.queryKey,
  } as UseQueryOptions<Data, Error, Data, QueryKey>);

  const hash = hashKey(rest.queryKey);
  const following = useFollowing(attachment, hash);
  const sync: SyncState = {
    state: syncState(enableRealtime, connected, following, own, fallback),
    position: attachment.positionOf(hash),
  };
  return Object.assign(Object.create(result) as UseQueryResult<Data>, { sync });
}

function useFollowing(attachment: Attachment, hash: string): boolean | null {
  const subscribe = useCallback(
    (listener: () => void) => attachment.onLiveChange(listener),
    [attachment],
  );
  const isLive = () => attachment.isLive(hash);
  return useSyncExternalStore(subscribe, isLive, isLive);
}

function syncState(
  enabled: boolean,
  connected: boolean,
  live: boolean | null,
  own: boolean,
  fallback: Fallback | false,
): SyncState['state'] {
  if (enabled && connected) return live || own ? 'live' : 'catching-up';
  return fallback === false ? 'offline' : 'polling';
}

/** Keeps a query with a read of its own stale-marked by its entity's changes. */
function useWatch(
  attachment: Attachment,
  enabled: boolean,
  entity: Entity,
  filters: Record<string, string>,
  queryKey: QueryKey,
): void {
  const filter = filterOf(filters) ?? '';
  const { table, schema = '' } = entity;
  const keyText = JSON.stringify(queryKey);
  const key = useLatest(queryKey);
  useEffect(() => {
    if (!enabled) return;
    return attachment.watch(table, {
      keys: [key.current],
      ...(schema && { schema }),
      ...(filter && { filter }),
    });
  }, [attachment, enabled, table, schema, filter, keyText, key]);
}

function filtersFrom(filter: Where | string | undefined): Record<string, string> {
  if (typeof filter !== 'string') return filtersOf(filter);
  const filters: Record<string, string> = {};
  for (const part of filter.split(/,(?![^(]*\))/)) {
    const at = part.indexOf('=');
    if (at > 0) filters[part.slice(0, at).trim()] = part.slice(at + 1);
  }
  return filters;
}

/** What makes keys stale: changes of a table, or the syncs of an organization's sources. */
export type RefreshTarget =
  | {
      readonly table: string;
      readonly keys: readonly QueryKey[];
      readonly where?: Where;
      readonly enabled?: boolean;
    }
  | (Omit<SmartRefreshHookOptions, 'onRefresh'> & {
      readonly onRefresh?: SmartRefreshHookOptions['onRefresh'];
    });

const nothing: UseSmartRefresh = { refresh: () => {}, isRefreshing: false, lastRefreshAt: null };

/**
 * Refetches existing keys when the data behind them was synced: `{ organizationId, map }` for the
 * sources of an organization, `{ table, keys, where }` for a table. Active queries only; the others
 * are marked stale. Nothing is dropped, and a fetch that began before the event does not count.
 */
export function useAutoRefreshOnSync(target: RefreshTarget): UseSmartRefresh {
  const attachment = useAttachment();
  const queryClient = useQueryClient();
  const smart = 'organizationId' in target ? target : null;
  const plain = 'organizationId' in target ? null : target;
  const enabled = target.enabled !== false;
  const filter = filterOf(filtersOf(plain?.where)) ?? '';
  const keys = useLatest(plain?.keys ?? []);
  const keysText = JSON.stringify(plain?.keys ?? []);
  const table = plain?.table ?? '';
  useEffect(() => {
    if (!table || !enabled) return;
    return attachment.watch(table, { keys: keys.current, ...(filter && { filter }) });
  }, [attachment, table, filter, keysText, keys, enabled]);

  const refreshed = useSmartRefresh({
    organizationId: smart?.organizationId ?? '',
    map: smart?.map ?? {},
    ...(smart?.batchMs !== undefined && { batchMs: smart.batchMs }),
    ...(smart?.table !== undefined && { table: smart.table }),
    ...(smart?.onSync && { onSync: smart.onSync }),
    enabled: enabled && smart !== null,
    onRefresh: async (refresh) => {
      const queryKeys = refresh.keys.map((key) => [...toKey(key)]);
      attachment.invalidate(queryKeys);
      await smart?.onRefresh?.(refresh);
      await settled(queryClient, queryKeys);
    },
  });
  const refreshPlain = useCallback(() => {
    attachment.invalidate(keys.current);
  }, [attachment, keys]);
  return smart ? refreshed : { ...nothing, refresh: refreshPlain };
}

/** Resolves when no query under the keys is being fetched any more. */
async function settled(queryClient: QueryClient, keys: readonly QueryKey[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  const busy = () => keys.some((queryKey) => queryClient.isFetching({ queryKey }) > 0);
  if (!busy()) return;
  await new Promise<void>((resolve) => {
    const stop = queryClient.getQueryCache().subscribe(() => {
      if (busy()) return;
      stop();
      resolve();
    });
  });
}

export type UseOptimisticMutationResult<Result, Vars> = UseMutationResult<Result, Error, Vars> & {
  /** How far the newest one has come. */
  readonly phase: MutationPhase;
};

/**
 * `useMutation` whose change shows at once, lies over every server state that arrives, and goes
 * when the server's own data shows it, or when the server refuses. `apply` must be pure: it is run
 * again on each new state. `mutateAsync` resolves when the server has acknowledged.
 */
export function useOptimisticMutation<Vars = void, Result = unknown>(
  mutation: OptimisticMutation<Vars, Result> & {
    readonly onSuccess?: (result: Result, vars: Vars) => void;
  },
): UseOptimisticMutationResult<Result, Vars> {
  const { mutations } = useAttachment();
  const latest = useLatest(mutation);
  const [phase, setPhase] = useState<MutationPhase>('idle');
  const newest = useRef(0);
  const name = JSON.stringify(mutation.mutationKey ?? null);
  useEffect(() => {
    mutations.register<Vars>({
      ...(latest.current.mutationKey && { mutationKey: latest.current.mutationKey }),
      mutationFn: (vars, context) => latest.current.mutationFn(vars, context),
      ...(latest.current.apply && { apply: latest.current.apply }),
      onRejected: (error, vars) => latest.current.onRejected?.(error, vars),
    });
  }, [mutations, name, latest]);
  const result = useMutation<Result, Error, Vars>({
    mutationFn: (vars) => {
      const mine = ++newest.current;
      const report = (next: MutationPhase) => mine === newest.current && setPhase(next);
      return mutations.run(latest.current, vars, report);
    },
    // Offline is the queue's business: TanStack would pause it before the change is shown.
    networkMode: 'always',
    retry: false,
    onSuccess: (data, vars) => mutation.onSuccess?.(data, vars),
  });
  return { ...result, phase };
}

type Singular<Name extends string> = Name extends `${infer Stem}ies`
  ? `${Stem}y`
  : Name extends `${infer Stem}s`
    ? Stem
    : `${Name}Item`;

export type EntityQueryOptions<Row> = Omit<
  UseRealtimeQueryOptions<Row[]>,
  'queryKey' | 'queryFn' | 'realtimeEntity' | 'realtimeFilter' | 'single'
>;

/** `useProjects(filter, options)` and `useProject(id, options)` for each entity `projects`. */
export type EntityHooks<Rows extends { [Name in keyof Rows]: object }> = {
  readonly [Name in keyof Rows & string as `use${Capitalize<Name>}`]: (
    filter?: Where,
    options?: EntityQueryOptions<Rows[Name]>,
  ) => UseRealtimeQueryResult<Rows[Name][]>;
} & {
  readonly [Name in keyof Rows & string as `use${Capitalize<Singular<Name>>}`]: (
    id: string | number | null | undefined,
    options?: Omit<EntityQueryOptions<Rows[Name]>, 'order' | 'limit'>,
  ) => UseRealtimeQueryResult<Rows[Name] | null>;
} & {
  /** The keys: `keys.projects.list(filter)` → `['projects','list',filter]`. */
  readonly keys: {
    readonly [Name in keyof Rows & string]: {
      readonly all: QueryKey;
      list(filter?: Where): QueryKey;
      detail(id: string | number): QueryKey;
    };
  };
};

/**
 * One hook for lists and one for details of each entity; a new entity is one line elsewhere:
 * `const hooks = createEntityHooks<{ projects: Project }>()(entities)`.
 */
export function createEntityHooks<Rows extends { [Name in keyof Rows]: object }>() {
  return <const E extends Readonly<Record<keyof Rows, Entity>>>(entities: E): EntityHooks<Rows> =>
    makeHooks(entities as Entities) as unknown as EntityHooks<Rows>;
}

function makeHooks(entities: Entities): Record<string, unknown> {
  const hooks: Record<string, unknown> = {};
  const keys: Record<string, unknown> = {};
  for (const [name, entity] of Object.entries(entities)) {
    const list = (filter: Where = {}): QueryKey => [name, 'list', filter];
    const detail = (id: string | number): QueryKey => [name, 'detail', id];
    keys[name] = { all: [name], list, detail };
    hooks[`use${capital(name)}`] = (filter?: Where, options: object = {}) =>
      useRealtimeQuery({
        ...options,
        queryKey: list(filter),
        realtimeEntity: entity,
        ...(filter && { realtimeFilter: filter }),
      });
    hooks[`use${capital(singular(name))}`] = (id: any, options: { enabled?: boolean } = {}) =>
      useRealtimeQuery({
        ...options,
        enabled: id != null && options.enabled !== false,
        queryKey: detail(id ?? ''),
        realtimeEntity: entity,
        realtimeFilter: { [entity.key?.[0] ?? 'id']: id ?? undefined },
        single: true,
      });
  }
  return { ...hooks, keys };
}

function singular(name: string): string {
  if (name.endsWith('ies')) return name.slice(0, -3) + 'y';
  return name.endsWith('s') ? name.slice(0, -1) : `${name}Item`;
}

const capital = (text: string) => text[0]!.toUpperCase() + text.slice(1);

/** How many changes are shown that the server's data does not show yet. */
export function usePendingMutations(): number {
  const { mutations } = useAttachment();
  const queryClient = useQueryClient();
  const subscribe = useCallback(
    (listener: () => void) => queryClient.getMutationCache().subscribe(listener),
    [queryClient],
  );
  const pending = () => mutations.overlay.pending;
  return useSyncExternalStore(subscribe, pending, pending);
}
