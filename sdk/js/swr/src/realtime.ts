import { useCallback, useEffect, useRef, useState } from 'react';
import useSWR, {
  unstable_serialize,
  useSWRConfig,
  type Key,
  type Middleware,
  type SWRConfiguration,
  type SWRResponse,
} from 'swr';
import {
  comparePositions,
  type Client,
  type LiveOptions,
  type LiveRows,
  type Position,
} from '@tidewire/client';
import {
  Mutations,
  Overlay,
  type MutationPhase,
  type MutationQueue,
  type OptimisticMutation,
  type Patch,
} from '@tidewire/client/optimistic';
import type { ArgsOf, QueryName, QueryRow } from '@tidewire/client/queries';
import { pollIntervalOf, type PagePolicy } from '@tidewire/client/refresh';
import { namedRows, readNamed } from './named.js';

/** The rows that a key shows. */
export interface RealtimeTable<Row extends object> extends LiveOptions<Row> {
  readonly table: string;
  /** How often the page asks by itself, beside what is pushed. */
  readonly policy?: PagePolicy;
}

/** A query of the server's catalogue that a key shows. */
export interface RealtimeNamedQuery<Name extends QueryName> {
  readonly query: Name;
  readonly args: ArgsOf<Name>;
  readonly policy?: PagePolicy;
}

type UseRealtimeSWR<Row> = SWRResponse<readonly Row[]> & { readonly isLive: boolean };

export interface UseOptimisticSWRMutation<Vars, Result> {
  trigger(vars: Vars): Promise<Result>;
  readonly phase: MutationPhase;
  readonly isMutating: boolean;
  readonly error: Error | undefined;
}

export interface RealtimeSWR {
  /** `useSWR` whose data is the live rows of a named query; the fetcher is its read. */
  useRealtimeSWR<Name extends QueryName>(
    key: Key,
    query: RealtimeNamedQuery<Name>,
    config?: SWRConfiguration<readonly QueryRow<Name>[]>,
  ): UseRealtimeSWR<QueryRow<Name>>;
  /** `useSWR` whose data is the live rows of a table; the fetcher is the table's read. */
  useRealtimeSWR<Row extends object>(
    key: Key,
    table: RealtimeTable<Row>,
    config?: SWRConfiguration<readonly Row[]>,
  ): UseRealtimeSWR<Row>;
  /** For `use: [realtime.refreshOn('videos')]`: revalidates a key of your own on changes. */
  refreshOn(table: string, options?: { filter?: string; schema?: string }): Middleware;
  /** A change that shows at once, and goes when the server's data has it or refuses it. */
  useOptimisticSWRMutation<Vars, Result>(
    mutation: OptimisticMutation<Vars, Result>,
  ): UseOptimisticSWRMutation<Vars, Result>;
  readonly mutations: Mutations;
}

export interface RealtimeSWROptions {
  readonly queue?: MutationQueue;
  /** An acknowledged change that is not seen after so long is read for; 1 500 by default. */
  readonly confirmMs?: number;
}

interface Followed {
  readonly key: readonly unknown[] | string;
  readonly rows: LiveRows<any> | null;
  users: number;
  show(data: unknown): void;
  read(): unknown;
  revalidate(): Promise<unknown>;
}

const arrayOf = (key: readonly unknown[] | string) => (typeof key === 'string' ? [key] : key);
const windowMs = 50;

/** SWR over one client. Make one, beside the client, and use its hooks. */
export function createRealtimeSWR(client: Client, options: RealtimeSWROptions = {}): RealtimeSWR {
  const followed = new Map<string, Followed>();
  const checks = new Set<() => void>();
  const overlay = new Overlay({
    hashOf: (key) => hashOf(key.length === 1 && typeof key[0] === 'string' ? key[0] : key),
    find: (prefix) =>
      [...followed]
        .filter(([, { key }]) => prefix.every((part, i) => same(arrayOf(key)[i], part)))
        .map(([hash]) => hash),
    read: (hash) => followed.get(hash)?.read(),
    show: (hash, data) => followed.get(hash)?.show(data),
    batch: (run) => run(),
  });

  const confirm = (patch: Patch, position: Position | null) =>
    new Promise<'synced' | 'unconfirmed'>((resolve) => {
      const confirmMs = options.confirmMs ?? 1_500;
      const seen = new Set<string>();
      const missing = () =>
        [...patch.touched].filter((hash) => {
          const entry = followed.get(hash);
          if (!entry || seen.has(hash)) return false;
          const at = entry.rows?.snapshot.position;
          const order = position && at ? comparePositions(at, position) : null;
          return order === null || order < 0;
        });
      const read = () => {
        for (const hash of missing()) {
          const entry = followed.get(hash)!;
          const done = entry.rows ? entry.rows.refresh() : entry.revalidate();
          void done.then(() => {
            seen.add(hash);
            check();
          });
        }
      };
      const finish = (outcome: 'synced' | 'unconfirmed') => {
        clearTimeout(soon);
        clearTimeout(late);
        checks.delete(check);
        resolve(outcome);
      };
      const check = () => missing().length === 0 && finish('synced');
      const live = [...patch.touched].every((hash) => followed.get(hash)?.rows);
      const soon = setTimeout(read, position !== null && live ? confirmMs : 0);
      const late = setTimeout(() => finish('unconfirmed'), confirmMs * 4);
      checks.add(check);
      check();
    });
  const mutations = new Mutations(overlay, confirm, options.queue ?? null);

  /** New rows of a key: under the pending changes. */
  const publish = (hash: string, rows: LiveRows<any>) => {
    if (rows.snapshot.status !== 'loading') overlay.setBases([[hash, rows.snapshot.rows]]);
    for (const check of [...checks]) check();
  };

  return {
    mutations,

    useRealtimeSWR(
      key: Key,
      { policy, ...shown }: RealtimeTable<any> | RealtimeNamedQuery<any>,
      config: SWRConfiguration<any> = {},
    ) {
      const { cache, mutate } = useSWRConfig();
      const hash = unstable_serialize(key);
      const [isLive, setLive] = useState(false);
      const identity = JSON.stringify(shown);
      const newest = useRef({ key, shown });
      useEffect(() => {
        newest.current = { key, shown };
      });
      useEffect(() => {
        if (!hash) return;
        let entry = followed.get(hash);
        if (!entry) {
          const rows = follow(client, newest.current.shown);
          const own = newest.current.key as Followed['key'];
          entry = {
            key: own,
            rows,
            users: 0,
            show: (data) => void mutate(own, data, { revalidate: false }),
            read: () => cache.get(hash)?.data,
            revalidate: () => rows.refresh(),
          };
          followed.set(hash, entry);
          rows.onChange(() => publish(hash, rows));
        }
        const held = entry;
        held.users++;
        const look = () => setLive(held.rows?.snapshot.status === 'live');
        const stop = held.rows!.onChange(look);
        look();
        return () => {
          stop();
          held.users--;
          // StrictMode and quick route changes take it away and give it back at once.
          setTimeout(() => {
            if (held.users > 0 || followed.get(hash) !== held) return;
            followed.delete(hash);
            overlay.forget(hash);
            held.rows!.close();
          });
        };
      }, [hash, identity, cache, mutate]);
      const fetcher = useCallback(async () => {
        const entry = followed.get(hash);
        if (entry?.rows && entry.rows.snapshot.status !== 'loading') {
          await entry.rows.refresh();
          return overlay.baseOf(hash) as readonly any[];
        }
        return readOnce(client, newest.current.shown);
      }, [hash]);
      const result = useSWR<readonly any[]>(key, fetcher, {
        ...config,
        // While rows are pushed, the clock and the focus have nothing to add.
        ...(isLive && { revalidateOnFocus: false, revalidateIfStale: false, refreshInterval: 0 }),
        ...(policy && { refreshInterval: (data) => pollIntervalOf(policy, data, isLive) || 0 }),
      });
      return withLive(result, isLive);
    },

    refreshOn(table, { filter, schema } = {}) {
      return (useNext) => (key, fetcher, config) => {
        const result = useNext(key, fetcher, config);
        const { mutate } = result;
        const hash = unstable_serialize(key as Key);
        const live = useRef(false);
        const merged = useRef(mutate);
        useEffect(() => {
          merged.current = mutate;
        });
        useEffect(() => {
          if (!hash) return;
          let timer: ReturnType<typeof setTimeout> | undefined;
          // Not while a change is being gathered: all of a window are one revalidation.
          const refresh = () => {
            timer ??= setTimeout(() => {
              timer = undefined;
              void merged.current();
            }, windowMs);
          };
          const subscription = client.subscribe({
            table,
            ...(filter && { filter }),
            ...(schema && { schema }),
            onChange: refresh,
            onVerdict: ({ recovered }) => recovered || refresh(),
            onStatus: (status) => {
              // What happened before the stream began is not in it.
              if (status === 'live' && !live.current) refresh();
              live.current ||= status === 'live';
            },
          });
          return () => {
            clearTimeout(timer);
            subscription.unsubscribe();
          };
        }, [hash]);
        return result;
      };
    },

    useOptimisticSWRMutation(mutation) {
      const latest = useRef(mutation);
      useEffect(() => {
        latest.current = mutation;
      });
      const [phase, setPhase] = useState<MutationPhase>('idle');
      const [error, setError] = useState<Error | undefined>(undefined);
      const newest = useRef(0);
      const name = JSON.stringify(mutation.mutationKey ?? null);
      useEffect(() => {
        mutations.register<any>({
          ...(latest.current.mutationKey && { mutationKey: latest.current.mutationKey }),
          mutationFn: (vars, context) => latest.current.mutationFn(vars, context),
          ...(latest.current.apply && { apply: latest.current.apply }),
          onRejected: (reason, vars) => latest.current.onRejected?.(reason, vars),
        });
      }, [name]);
      const trigger = useCallback(async (vars: any) => {
        const mine = ++newest.current;
        setError(undefined);
        try {
          return await mutations.run(
            latest.current,
            vars,
            (next) => mine === newest.current && setPhase(next),
          );
        } catch (reason) {
          setError(reason as Error);
          throw reason;
        }
      }, []);
      return { trigger, phase, error, isMutating: phase === 'queued' || phase === 'sending' };
    },
  };
}

type Shown = RealtimeTable<any> | RealtimeNamedQuery<any>;

function follow(client: Client, shown: Shown): LiveRows<any> {
  if ('query' in shown) return namedRows(client, shown.query, shown.args);
  const { table, ...live } = shown;
  return client.live<any>(table, live);
}

async function readOnce(client: Client, shown: Shown): Promise<readonly any[]> {
  if ('query' in shown) return readNamed(client, shown.query, shown.args);
  const { table, ...live } = shown;
  return (await client.select<any>(table, live)).rows;
}

const hashOf = (key: unknown): string => unstable_serialize(key as Key);

/** SWR's result has getters that say what a component reads; they are kept. */
function withLive<T extends object>(result: T, isLive: boolean): T & { isLive: boolean } {
  return Object.assign(Object.create(result) as T, { isLive });
}

function same(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
