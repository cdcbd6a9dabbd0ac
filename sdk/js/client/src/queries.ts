import type { Client } from './client.js';
import { TidewireError } from './rest.js';
import { comparePositions, type Position } from './position.js';

/** What a named query's parameters may be. */
export type QueryArgs = Readonly<Record<string, string | number | boolean | null | undefined>>;

/**
 * Types of the configuration's queries. An application fills it with what `tidewire gen types` prints:
 *
 *     declare module '@tidewire/client/queries' {
 *       interface Register { api: Api }
 *     }
 */
export interface Register {}

interface AnyQuery {
  readonly args: QueryArgs;
  readonly row: Record<string, unknown>;
}
type Queries = Register extends { api: infer Api } ? Api : Record<string, AnyQuery>;

export type QueryName = keyof Queries & string;
export type ArgsOf<Name extends QueryName> = Queries[Name] extends { args: infer Args }
  ? Args
  : never;
export type QueryRow<Name extends QueryName> = Queries[Name] extends { row: infer Row }
  ? Row
  : never;

/** The rows of a named query, as the server knows them. A stable object while they are the same. */
export interface QueryResult<Row> {
  readonly rows: readonly Row[];
  /** Equal exactly when the rows are equal. */
  readonly version: string | null;
  /** The rows are true at this position. */
  readonly position: Position | null;
  /** When they were last read or checked: UTC, ISO 8601. */
  readonly asOf: string | null;
  /** How the server had them. `stale`: a refresh is under way. `error`: the last one failed. */
  readonly cache: 'hit' | 'stale' | 'miss' | 'coalesced' | 'error' | null;
}

/** The server refused: `code` as in docs/queries.md; `pointer` names a parameter that is wrong. */
export class QueryError extends TidewireError {
  constructor(
    status: number,
    message: string,
    readonly code: string | null,
    readonly pointer: string | null,
  ) {
    super(status, message);
  }
}

export interface QueryReadOptions {
  /** Not from before this position: what was written there is in the rows. */
  readonly minPosition?: Position | null;
  readonly signal?: AbortSignal;
}

export interface QueryReader {
  /** Reads; the same rows come back as the same object. Errors: QueryError. */
  read<Row = Record<string, unknown>>(
    name: string,
    args?: QueryArgs,
    options?: QueryReadOptions,
  ): Promise<QueryResult<Row>>;
  /** Keeps a result that came by another way, as an answer would be. */
  keep(name: string, args: QueryArgs, result: QueryResult<any>): void;
  /** Forgets what is kept, as when another user signs in. */
  clear(): void;
}

/** Kept for comparison with the next answer; the oldest go first. */
const resultsMax = 200;

/**
 * Reads named queries (docs/queries.md). Keeps the newest results, so that rows that have not changed
 * are neither sent nor given anew, and an answer that is older than one seen before is not believed.
 */
export function createQueryReader(client: Pick<Client, 'request'>): QueryReader {
  const kept = new Map<string, QueryResult<any>>();

  const keep = (path: string, result: QueryResult<any>): QueryResult<any> => {
    kept.delete(path);
    kept.set(path, result);
    if (kept.size > resultsMax) kept.delete(kept.keys().next().value!);
    return result;
  };

  return {
    async read(name, args = {}, { minPosition, signal } = {}) {
      const path = queryPath(name, args);
      const before = kept.get(path);
      const answer = await client.request(path, {
        headers: {
          ...(before?.version && { 'If-None-Match': `"${before.version}"` }),
          ...(minPosition && { 'Min-Position': minPosition }),
        },
        ...(signal && { signal }),
      });
      if (!answer.ok && answer.status !== 304) throw await errorOf(answer);
      const header = (word: string) => answer.headers.get(word);
      const told = {
        version: header('ETag')?.replace(/^(?:W\/)?"|"$/g, '') ?? null,
        position: header('Tidewire-Position'),
        asOf: header('Tidewire-As-Of'),
        cache: header('Tidewire-Cache') as QueryResult<any>['cache'],
      };
      // Two reads may be answered in the other order: what is known by now is newer.
      const newest = kept.get(path);
      const order =
        newest?.position && told.position && comparePositions(told.position, newest.position);
      if (newest && typeof order === 'number' && order < 0) return newest;
      if (answer.status === 304 && before) return keep(path, { ...before, ...told });
      const rows: unknown = await answer.json();
      if (!Array.isArray(rows)) throw new TidewireError(answer.status, 'The answer is not a list.');
      const same = newest?.version && newest.version === told.version;
      return keep(path, { rows: same ? newest.rows : rows, ...told });
    },
    keep: (name, args, result) => void keep(queryPath(name, args), result),
    clear: () => kept.clear(),
  };
}

/** The address of a query with its parameters, in the order of their names. */
export function queryPath(name: string, args: QueryArgs = {}): string {
  const text = Object.entries(args)
    .filter(([, value]) => value !== null && value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(String(value))}`)
    .join('&');
  return `/v1/queries/${encodeURIComponent(name)}${text && '?' + text}`;
}

async function errorOf(answer: Response): Promise<QueryError> {
  const text = await answer.text().catch(() => '');
  let body: { error?: unknown; code?: unknown; pointer?: unknown } = {};
  try {
    body = JSON.parse(text);
  } catch {
    // Not the server's own: a proxy's page, perhaps.
  }
  const word = (value: unknown) => (typeof value === 'string' ? value : null);
  const message =
    word(body.error) ?? (text.slice(0, 300) || `The server answered ${answer.status}.`);
  return new QueryError(answer.status, message, word(body.code), word(body.pointer));
}
