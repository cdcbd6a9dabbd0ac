/** A value kept over the rows of a table. */
export interface Derivation<Row, T> {
  (rows: readonly Row[]): T;
}
export type DeriveMap<Row> = Readonly<Record<string, Derivation<Row, any>>>;
export type Derived<Row, D extends DeriveMap<Row>> = {
  readonly [K in keyof D]: ReturnType<D[K]>;
};

/** How many rows satisfy `predicate`; all by default. */
export function count<Row>(predicate: (row: Row) => boolean = () => true): Derivation<Row, number> {
  return (rows) => rows.reduce((n, row) => n + (predicate(row) ? 1 : 0), 0);
}

/** The sum of a column over the rows that satisfy `predicate`; null counts as 0. */
export function sum<Row>(
  column: keyof Row,
  predicate: (row: Row) => boolean = () => true,
): Derivation<Row, number> {
  return (rows) =>
    rows.reduce((total, row) => total + (predicate(row) ? Number(row[column] ?? 0) : 0), 0);
}

/** The row whose column is greatest; null when there is none. */
export function latest<Row>(column: keyof Row): Derivation<Row, Row | null> {
  return (rows) => {
    let best: Row | null = null;
    for (const row of rows) if (best == null || row[column] > best[column]) best = row;
    return best;
  };
}

/** Computes all derivations; an unchanged result is the same object. */
export function derivedOf(map: DeriveMap<any> = {}): (rows: readonly any[]) => any {
  let before: Record<string, unknown> = {};
  return (rows) => {
    const after = Object.fromEntries(
      Object.entries(map).map(([name, derive]) => [name, derive(rows)]),
    );
    const same = Object.keys(map).every((name) => Object.is(before[name], after[name]));
    if (!same || Object.keys(before).length !== Object.keys(after).length) before = after;
    return before;
  };
}
