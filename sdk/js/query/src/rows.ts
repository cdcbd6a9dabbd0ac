import type { Change, Position, SelectQuery } from '@tidewire/client';
import { isAfter } from './position.js';

/** How a query's rows are kept true by the changes of their table. */
export interface RowsSpec extends SelectQuery {
  readonly table: string;
  readonly schema?: string;
  /** The columns that identify a row. */
  readonly key: readonly string[];
  /** The data is one row or null, not a list. */
  readonly single?: boolean;
}

type Row = Record<string, unknown>;

/** The rows with a change applied. `incomplete`: a row may now be missing; read again. */
export interface Applied {
  readonly data: unknown;
  readonly incomplete: boolean;
}

/**
 * Applies a change that matches the query's filters to its rows: replaces, removes, or inserts in
 * order. With `limit`, a row that goes from a full list leaves a place that only a read can fill.
 */
export function applyChange(spec: RowsSpec, data: unknown, change: Change<any>): Applied {
  const rows: readonly Row[] = Array.isArray(data) ? data : data ? [data as Row] : [];
  const limit = spec.single ? 1 : (spec.limit ?? Infinity);
  const keyOf = (row: Row) => keyIn(spec, row);
  const old = change.oldRecord as Row | null;
  const wholeKey = old && spec.key.every((column) => column in old);
  const gone = wholeKey ? keyOf(old) : null;
  const result = (next: readonly Row[], incomplete: boolean): Applied => ({
    data: spec.single ? (next[0] ?? null) : next,
    incomplete,
  });

  const image = (change.record ?? old) as Row | null;
  // Without its key a row has no place here: the rows are read again.
  if (!image || !spec.key.every((column) => column in image)) return { data, incomplete: true };
  if (!change.record) {
    if (gone === null) return result(rows, true);
    const next = rows.filter((row) => keyOf(row) !== gone);
    return result(next, next.length < rows.length && rows.length >= limit && !spec.single);
  }

  const key = keyOf(change.record);
  const known = rows.find((row) => keyOf(row) === key || keyOf(row) === gone);
  const record = pick({ ...(change.type === 'UPDATE' ? known : null), ...change.record }, spec);
  const others = rows.filter((row) => row !== known);
  const order = orderOf(spec.order);
  if (!order) {
    const next = known ? rows.map((row) => (row === known ? record : row)) : [...rows, record];
    return result(next.slice(0, limit), false);
  }
  let at = others.findIndex((row) => order(record, row) < 0);
  if (at < 0) at = others.length;
  const next = [...others.slice(0, at), record, ...others.slice(at)];
  // A row that sank to the end of a full list may belong behind rows that are not here.
  const sank = known !== undefined && rows.length >= limit && at === others.length;
  return result(next.slice(0, limit), sank);
}

/**
 * The same for many changes. Above a few it is one pass over the rows and one sort, whatever the
 * number of changes.
 */
export function applyChanges(
  spec: RowsSpec,
  data: unknown,
  changes: readonly Change<any>[],
): Applied {
  const whole = changes.every(({ record, oldRecord }) => hasKey(spec, record ?? oldRecord));
  if (changes.length <= fewChanges || spec.single || !Array.isArray(data) || !whole) {
    let applied: Applied = { data, incomplete: false };
    for (const change of changes) {
      const next = applyChange(spec, applied.data, change);
      applied = { data: next.data, incomplete: applied.incomplete || next.incomplete };
    }
    return applied;
  }
  const limit = spec.limit ?? Infinity;
  const full = data.length >= limit;
  const keyOf = (row: Row) => keyIn(spec, row);
  const rows = new Map<string, Row>((data as Row[]).map((row) => [keyOf(row), row]));
  for (const { type, record, oldRecord } of changes) {
    const before = hasKey(spec, oldRecord) ? keyOf(oldRecord) : null;
    if (!record) {
      if (before !== null) rows.delete(before);
      continue;
    }
    const after = keyOf(record);
    const known = rows.get(after) ?? (before === null ? undefined : rows.get(before));
    if (before !== null && before !== after) rows.delete(before);
    rows.set(after, pick({ ...(type === 'UPDATE' ? known : null), ...record }, spec));
  }
  const order = orderOf(spec.order);
  const next = [...rows.values()];
  if (order) next.sort(order);
  // With a full list it is simplest to read what may have slid in or out.
  return { data: next.slice(0, limit), incomplete: full };
}

const fewChanges = 4;

function hasKey(spec: RowsSpec, row: unknown): row is Row {
  return !!row && spec.key.every((column) => column in (row as Row));
}

/** Rows do not change, so that their keys are worked out once. */
const keys = new WeakMap<Row, { spec: readonly string[]; key: string }>();

function keyIn(spec: RowsSpec, row: Row): string {
  const known = keys.get(row);
  if (known && known.spec === spec.key) return known.key;
  const key = JSON.stringify(spec.key.map((column) => row[column] ?? null));
  keys.set(row, { spec: spec.key, key });
  return key;
}

/** Only the columns that the query reads. */
function pick(row: Row, { select }: RowsSpec): Row {
  if (!select || !/^[\w\s,]+$/.test(select)) return row;
  const columns = select.split(',').map((column) => column.trim());
  return Object.fromEntries(columns.filter((c) => c in row).map((c) => [c, row[c]]));
}

/** `a.desc,b`: nulls last when ascending, first when descending, as PostgreSQL. */
function orderOf(order: string | undefined): ((a: Row, b: Row) => number) | null {
  if (!order) return null;
  const terms = order.split(',').map((term) => {
    const [column = '', ...words] = term.trim().split('.');
    const sign = words.includes('desc') ? -1 : 1;
    const nullsFirst = words.includes('nullsfirst') || (sign < 0 && !words.includes('nullslast'));
    return { column, sign, nullSign: nullsFirst ? -1 : 1 };
  });
  return (a, b) => {
    for (const { column, sign, nullSign } of terms) {
      const left = a[column] as string | null | undefined;
      const right = b[column] as string | null | undefined;
      if (left === right || (left == null && right == null)) continue;
      if (left == null) return nullSign;
      if (right == null) return -nullSign;
      return left < right ? -sign : sign;
    }
    return 0;
  };
}

/** The newest changes of one stream, so that an answer that began before them can be brought up. */
export class RecentChanges {
  #changes: Change<any>[] = [];
  #trimmedTo: Position | null = null;

  constructor(readonly changesMax = 1_000) {}

  add(change: Change<any>): void {
    this.#changes.push(change);
    if (this.#changes.length > this.changesMax) {
      this.#trimmedTo = this.#changes.shift()!.position;
    }
  }

  /** The stream begins anew after `position`; null: where is not known. */
  beginAfter(position: Position | null): void {
    this.#changes = [];
    this.#trimmedTo = position;
  }

  /** All changes after `position`; null when they are not all known any more. */
  after(position: Position): readonly Change<any>[] | null {
    if (this.#trimmedTo !== null && isAfter(this.#trimmedTo, position)) return null;
    return this.#changes.filter((change) => isAfter(change.position, position));
  }
}
