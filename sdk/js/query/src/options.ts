import { hashKey, type QueryFunctionContext, type QueryKey } from '@tanstack/query-core';
import type { Client, SelectQuery } from '@tidewire/client';
import { attachmentOf } from './attach.js';

export interface RealtimeQuery extends SelectQuery {
  readonly queryKey: QueryKey;
  readonly table: string;
}

/**
 * Ordinary query options that read `table`, noting the position of each answer so that the
 * attachment knows which changes it contains. The key must be attached to the table:
 * `attachQueryClient(client, queryClient, { tables: { [table]: [queryKey] } })`.
 */
export function realtimeQueryOptions<Row = Record<string, unknown>>(
  client: Pick<Client, 'select'>,
  query: RealtimeQuery,
) {
  const { queryKey, table, ...select } = query;
  return {
    queryKey,
    queryFn: async (context: QueryFunctionContext): Promise<Row[]> => {
      const result = await client.select<Row>(table, { ...select, signal: context.signal });
      attachmentOf(context.client)?.noteResult(hashKey(queryKey), result.position);
      return result.rows;
    },
    // The attachment says when the rows are stale; time does not.
    staleTime: Infinity,
  };
}
