import { quote } from '@tidewire/client';

/** Conditions on columns: equal, null, one of; or `eq.…`-style text under `filters`. */
export type Where = Readonly<Record<string, unknown>>;

/** `{ a: 1, b: null, c: [1, 2] }` in PostgREST's words. Undefined values are no condition. */
export function filtersOf(where: Where = {}): Record<string, string> {
  const filters: Record<string, string> = {};
  for (const [column, value] of Object.entries(where)) {
    if (value === undefined) continue;
    if (value === null) filters[column] = 'is.null';
    else if (Array.isArray(value)) filters[column] = `in.(${value.map(quote).join(',')})`;
    else filters[column] = `eq.${quote(value)}`;
  }
  return filters;
}
