import { hashKey, type QueryFunctionContext, type QueryKey } from '@tanstack/query-core';
import type { Client, SelectQuery } from '@tidewire/client';
import { engineOf } from './attach.js';
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

/**
 * Ordinary query options that read `table` and keep the rows true: changes are written into them
 * while the query exists, if `attachQueryClient` was called on the query client.
 */
export function realtimeQueryOptions<Row = Record<string, unknown>, Single extends boolean = false>(
  client: Pick<Client, 'select'>,
  query: RealtimeQuery & { readonly single?: Single },
) {
  const { queryKey, table, schema, key = ['id'], single, enableRealtime = true, ...select } = query;
  const spec: RowsSpec = {
    ...select,
    table,
    key,
    ...(schema !== undefined && { schema }),
    ...(single && { single }),
  };
  type Data = Single extends true ? Row | null : Row[];
  return {
    queryKey,
    queryFn: async (context: QueryFunctionContext): Promise<Data> => {
      const limit = single ? { limit: 1 } : {};
      const result = await client.select<Row>(table, {
        ...select,
        ...limit,
        signal: context.signal,
      });
      const rows = single ? (result.rows[0] ?? null) : result.rows;
      const cached = context.client.getQueryCache().get(hashKey(queryKey));
      // The answer of a fetch that was given up goes nowhere: its position is not the data's.
      const engine = context.signal.aborted ? undefined : engineOf(context.client);
      return (engine ? engine.settleAnswer(cached, rows, result.position) : rows) as Data;
    },
    // The attachment says when the rows are stale; time does not.
    staleTime: Infinity,
    meta: enableRealtime ? { tidewire: spec } : {},
  };
}
