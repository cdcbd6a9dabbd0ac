import { hashKey, type QueryFunctionContext, type QueryKey } from '@tanstack/query-core';
import type { Client, SelectQuery } from '@tidewire/client';
import type { ArgsOf, QueryName, QueryRow } from '@tidewire/client/queries';
import { engineOf } from './attach.js';
import type { NamedSpec } from './named.js';
import type { RowsSpec } from './rows.js';

export interface RealtimeQuery extends SelectQuery {
  readonly queryKey: QueryKey;
  readonly table: string;
  readonly schema?: string;
  /** The columns that identify a row: `['id']` by default. */
  readonly key?: readonly string[];
  /** One row or null instead of a list. */
  readonly single?: boolean;
  /** False: read as before, but not followed. */
  readonly enableRealtime?: boolean;
}

/** A query of the server's catalogue: docs/queries.md. Typed by what `tidewire gen types` prints. */
export interface NamedRealtimeQuery<Name extends QueryName> {
  readonly query: Name;
  readonly args: ArgsOf<Name>;
  /** `[query, args]` by default. */
  readonly queryKey?: QueryKey;
  /** False: read as before, but not followed. */
  readonly enableRealtime?: boolean;
}

export interface RealtimeOptions<Data> {
  readonly queryKey: QueryKey;
  readonly queryFn: (context: QueryFunctionContext) => Promise<Data>;
  readonly staleTime: number;
  readonly meta: Record<string, unknown>;
}

/**
 * Ordinary query options for a named query: read from the server's cache, and kept true by the
 * differences that it pushes while the query exists, if `attachQueryClient` was called.
 */
export function realtimeQueryOptions<Name extends QueryName>(
  client: Client,
  query: NamedRealtimeQuery<Name>,
): RealtimeOptions<QueryRow<Name>[]>;
/**
 * Ordinary query options that read `table` and keep the rows true: changes are written into them
 * while the query exists, if `attachQueryClient` was called on the query client.
 */
export function realtimeQueryOptions<Row = Record<string, unknown>, Single extends boolean = false>(
  client: Pick<Client, 'select'>,
  query: RealtimeQuery & { readonly single?: Single },
): RealtimeOptions<Single extends true ? Row | null : Row[]>;
export function realtimeQueryOptions(
  client: any,
  query: RealtimeQuery | NamedRealtimeQuery<QueryName>,
): RealtimeOptions<any> {
  const { read, queryKey, spec } = 'query' in query ? named(client, query) : table(client, query);
  return {
    queryKey,
    queryFn: read,
    // The attachment says when the rows are stale; time does not.
    staleTime: Infinity,
    meta: query.enableRealtime === false ? {} : { tidewire: spec },
  };
}

interface Reading {
  readonly queryKey: QueryKey;
  readonly spec: RowsSpec | NamedSpec;
  read(context: QueryFunctionContext): Promise<unknown>;
}

function named(
  client: Client,
  { query, args, queryKey = [query, args] }: NamedRealtimeQuery<any>,
): Reading {
  const spec: NamedSpec = { query, args };
  return {
    queryKey,
    spec,
    async read({ signal, client: queryClient }) {
      const engine = engineOf(queryClient);
      if (engine) return (await engine.keeper('named')).read(hashKey(queryKey), spec, signal);
      const { createQueryReader } = await import('@tidewire/client/queries');
      return (await createQueryReader(client).read(query, args, { signal })).rows;
    },
  };
}

function table(client: Pick<Client, 'select'>, query: RealtimeQuery): Reading {
  const { queryKey, table, schema, key = ['id'], single, enableRealtime = true, ...select } = query;
  const spec = { ...select, table, key, schema, single } as RowsSpec;
  return {
    queryKey,
    spec,
    async read({ signal, client: queryClient }) {
      const limit = single ? { limit: 1 } : {};
      const [result] = await Promise.all([
        client.select(table, { ...select, ...limit, signal }),
        enableRealtime && engineOf(queryClient)?.keeper('rows'),
      ]);
      const rows = single ? (result.rows[0] ?? null) : result.rows;
      const cached = queryClient.getQueryCache().get(hashKey(queryKey));
      // The answer of a fetch that was given up goes nowhere: its position is not the data's.
      const engine = signal.aborted ? undefined : engineOf(queryClient);
      return engine ? engine.settleAnswer(cached, rows, result.position) : rows;
    },
  };
}
