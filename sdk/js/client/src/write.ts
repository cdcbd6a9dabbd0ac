import { filterOf, TidewireError } from './rest.js';
import type { Position } from './position.js';

/** One write to a table, in PostgREST's words. Plain data: it can be queued and kept. */
export interface WriteRequest {
  readonly table: string;
  readonly method: 'insert' | 'upsert' | 'update' | 'delete';
  /** The row or rows to insert, or the columns to set. */
  readonly values?: object | readonly object[];
  /** Which rows, by column: `{ id: 'eq.7' }`. Needed for `update` and `delete`. */
  readonly filters?: Readonly<Record<string, string>>;
  /** Executed once, however often it is sent; comes back in the stream. */
  readonly mutationId?: string;
}

export interface WriteResult<Row> {
  /** The rows as written. */
  readonly rows: readonly Row[];
  /** The log contains the write at this position; null if the server does not say. */
  readonly position: Position | null;
}

/** The request of a write. Errors: throws on an update or delete without filters. */
export function writeInit(write: WriteRequest): { path: string; init: RequestInit } {
  const { table, method, values, filters = {}, mutationId } = write;
  const narrow = method === 'update' || method === 'delete';
  if (narrow && !filterOf(filters)) throw new TidewireError(0, `${method} needs filters.`);
  const query = new URLSearchParams(filters as Record<string, string>).toString();
  const prefer = ['return=representation'];
  if (method === 'upsert') prefer.push('resolution=merge-duplicates');
  return {
    path: `/rest/v1/${encodeURIComponent(table)}${query && '?' + query}`,
    init: {
      method: method === 'update' ? 'PATCH' : method === 'delete' ? 'DELETE' : 'POST',
      headers: {
        'Content-Type': 'application/json',
        Prefer: prefer.join(','),
        ...(mutationId && { 'Tidewire-Mutation': mutationId, 'Idempotency-Key': mutationId }),
      },
      ...(values !== undefined && { body: JSON.stringify(values) }),
    },
  };
}
