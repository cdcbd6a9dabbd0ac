/** The rows of a live query and what the server sends about them: docs/queries.md, "Following". */

type Row = Record<string, unknown>;
type Key = readonly unknown[];

/** What a push or a reply says of rows of `mode: rows`; absent members: nothing of the kind. */
export interface RowsPatch {
  readonly leave?: readonly Key[];
  readonly update?: readonly { readonly key: Key; readonly set: Row }[];
  readonly place?: readonly { readonly at: number; readonly row?: Row; readonly key?: Key }[];
}

/** What became of the rows. A row that only moved is in none of them. */
export interface RowsDiff<R = Row> {
  readonly inserted: readonly R[];
  readonly updated: readonly { readonly before: R; readonly after: R }[];
  readonly removed: readonly R[];
}

export interface Patched {
  readonly rows: readonly Row[];
  readonly diff: RowsDiff;
}

/** Rows do not change, so that their keys are worked out once. */
const keys = new WeakMap<Row, { columns: Key; key: string }>();

function keyOf(row: Row, columns: readonly string[]): string {
  const known = keys.get(row);
  if (known?.columns === columns) return known.key;
  const key = JSON.stringify(columns.map((column) => row[column]));
  keys.set(row, { columns, key });
  return key;
}

/**
 * The rows with a patch applied, in one pass; rows that it does not name stay the same objects. Null
 * when it names a row that is not here: these are not the rows that it was made for.
 */
export function patchRows(
  rows: readonly Row[],
  columns: readonly string[],
  { leave = [], update = [], place = [] }: RowsPatch,
): Patched | null {
  const leaves = new Set(leave.map((key) => JSON.stringify(key)));
  const sets = new Map(update.map(({ key, set }) => [JSON.stringify(key), set]));
  const moves = new Map<string, Row | null>();
  for (const { key } of place) if (key) moves.set(JSON.stringify(key), null);
  let unseen = leaves.size + sets.size + moves.size;
  const diff = {
    inserted: [] as Row[],
    updated: [] as RowsDiff['updated'][0][],
    removed: [] as Row[],
  };
  const stayed: Row[] = [];
  for (const before of rows) {
    const key = keyOf(before, columns);
    if (leaves.has(key)) {
      unseen--;
      diff.removed.push(before);
      continue;
    }
    const set = sets.get(key);
    const after = set ? { ...before, ...set } : before;
    if (set) {
      unseen--;
      diff.updated.push({ before, after });
    }
    if (moves.has(key)) {
      unseen--;
      moves.set(key, after);
    } else stayed.push(after);
  }
  if (unseen !== 0) return null;
  const result: Row[] = [];
  let next = 0;
  for (const { at, row, key } of place) {
    while (result.length < at && next < stayed.length) result.push(stayed[next++]!);
    const placed = row ?? (key && moves.get(JSON.stringify(key)));
    if (!placed || result.length !== at) return null;
    if (row) diff.inserted.push(row);
    result.push(placed);
  }
  while (next < stayed.length) result.push(stayed[next++]!);
  return { rows: result, diff };
}

/**
 * Other rows in place of these: those that are equal stay the same objects. Without key columns rows
 * are told apart by all that is in them, and none is called updated.
 */
export function replaceRows(
  rows: readonly Row[],
  columns: readonly string[],
  next: readonly Row[],
): Patched {
  const keyed = columns.length > 0;
  const name = (row: Row) => (keyed ? keyOf(row, columns) : JSON.stringify(row));
  const known = new Map<string, Row[]>();
  for (const row of rows) {
    const same = known.get(name(row));
    if (same) same.push(row);
    else known.set(name(row), [row]);
  }
  const diff = {
    inserted: [] as Row[],
    updated: [] as RowsDiff['updated'][0][],
    removed: [] as Row[],
  };
  const result = next.map((after) => {
    const before = known.get(name(after))?.shift();
    if (!before) diff.inserted.push(after);
    else if (!keyed || JSON.stringify(before) === JSON.stringify(after)) return before;
    else diff.updated.push({ before, after });
    return after;
  });
  for (const left of known.values()) diff.removed.push(...left);
  const same = result.length === rows.length && result.every((row, i) => row === rows[i]);
  return { rows: same ? rows : result, diff };
}
