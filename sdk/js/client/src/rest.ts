import type { Position } from './position.js';

/** What to read of a table, in PostgREST's words. */
export interface SelectQuery {
  /** Columns, `"a,b"`; all by default. */
  readonly select?: string;
  /** Conditions by column: `{ workspace_name: 'eq.Northwind', status: 'in.(open,new)' }`. */
  readonly filters?: Readonly<Record<string, string>>;
  /** `"updated_at.desc,id"`. */
  readonly order?: string;
  readonly limit?: number;
}

export interface SelectResult<Row> {
  readonly rows: Row[];
  /** The place in the change log at which the rows are true; null if the server does not say. */
  readonly position: Position | null;
}

/** The server refused or could not be reached (`status` 0). */
export class TidewireError extends Error {
  override readonly name = 'TidewireError';
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The path and query of a table read. */
export function selectPath(table: string, query: SelectQuery): string {
  const params: [string, string][] = Object.entries(query.filters ?? {});
  if (query.select) params.unshift(['select', query.select]);
  if (query.order) params.push(['order', query.order]);
  if (query.limit !== undefined) params.push(['limit', String(query.limit)]);
  const text = params.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&');
  return `/rest/v1/${encode(table)}${text && '?' + text}`;
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/%2C/g, ',');
}

/** The conditions of a read as the filter of a subscription; undefined when there are none. */
export function filterOf(filters: Readonly<Record<string, string>> = {}): string | undefined {
  const parts = Object.entries(filters).map(([column, condition]) => `${column}=${condition}`);
  return parts.length === 0 ? undefined : parts.join(',');
}

/** Reads an answer. Errors: TidewireError with the server's message for any status but 2xx. */
export async function readAnswer<Row>(answer: Response): Promise<SelectResult<Row>> {
  if (!answer.ok) {
    const text = await answer.text().catch(() => '');
    let message = text.slice(0, 300) || `The server answered ${answer.status}.`;
    try {
      const body = JSON.parse(text) as { message?: unknown; error?: unknown };
      message = String(body.message ?? body.error ?? message);
    } catch {
      // Not JSON: the text itself is the message.
    }
    throw new TidewireError(answer.status, message);
  }
  const text = await answer.text();
  const rows: unknown = text ? JSON.parse(text) : [];
  if (!Array.isArray(rows)) throw new TidewireError(answer.status, 'The answer is not a list.');
  return { rows: rows as Row[], position: answer.headers.get('Tidewire-Position') };
}
