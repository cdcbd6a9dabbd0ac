import { expect, it } from 'vitest';
import { patchRows, replaceRows, type RowsPatch } from '../src/query-rows.js';
import { generator } from './world.js';

type Row = { id: number; n: number };
const row = (id: number, n = 0): Row => ({ id, n });
const columns = ['id'];

it('applies leave, update and place in one pass, and names what became of the rows', () => {
  const [a, b, c, d] = [row(1), row(2), row(3), row(4)] as const;
  const patched = patchRows([a, b, c, d], columns, {
    leave: [[2]],
    update: [
      { key: [3], set: { n: 7 } },
      { key: [4], set: { n: 8 } },
    ],
    place: [
      { at: 0, key: [4] },
      { at: 2, row: row(9) },
    ],
  })!;
  expect(patched.rows).toEqual([row(4, 8), a, row(9), row(3, 7)]);
  expect(patched.rows[1]).toBe(a);
  expect(patched.diff).toEqual({
    inserted: [row(9)],
    updated: [
      { before: c, after: row(3, 7) },
      { before: d, after: row(4, 8) },
    ],
    removed: [b],
  });
});

it('refuses a patch for other rows: an unknown key, a place that is not there', () => {
  const refused: RowsPatch[] = [
    { leave: [[7]] },
    { update: [{ key: [7], set: {} }] },
    { place: [{ at: 0, key: [7] }] },
    { place: [{ at: 5, row: row(9) }] },
    { place: [{ at: 0 }] },
  ];
  for (const patch of refused) expect(patchRows([row(1)], columns, patch)).toBeNull();
});

it('keeps equal rows, with a key, without one, and among twins', () => {
  const rows = [row(1), row(2), row(2)];
  const same = replaceRows(rows, [], [row(1), row(2), row(2)]);
  expect(same.rows).toBe(rows);
  const keyed = replaceRows([row(1), row(2)], columns, [row(2), row(1, 5)]);
  expect(keyed.rows[0]).toEqual(row(2));
  expect(keyed.diff).toEqual({
    inserted: [],
    updated: [{ before: row(1), after: row(1, 5) }],
    removed: [],
  });
  expect(replaceRows(rows, [], [row(2)]).diff).toEqual({
    inserted: [],
    updated: [],
    removed: [row(1), row(2)],
  });
});

it('gives what the three steps of docs/queries.md give, for random patches', () => {
  const seed = Date.now() % 1e9;
  const random = generator(seed);
  const below = (n: number) => Math.floor(random() * n);
  for (let run = 0; run < 300; run++) {
    const rows = Array.from({ length: below(12) }, (_, id) => row(id, below(3)));
    const leave = rows.filter(() => random() < 0.2);
    const rest = rows.filter((each) => !leave.includes(each));
    const update = rest
      .filter(() => random() < 0.3)
      .map(({ id }) => ({ key: [id], set: { n: 9 } }));
    const moved = rest.filter(() => random() < 0.2);
    const added = Array.from({ length: below(4) }, (_, i) => row(100 + i));
    const length = rest.length + added.length;
    const places = new Set<number>();
    while (places.size < moved.length + added.length) places.add(below(length));
    const placed = [...moved, ...added].sort(() => random() - 0.5);
    const place = [...places]
      .sort((x, y) => x - y)
      .map((at, i) =>
        moved.includes(placed[i]!) ? { at, key: [placed[i]!.id] } : { at, row: placed[i]! },
      );
    const patch = { leave: leave.map(({ id }) => [id]), update, place };
    // The three steps, said plainly.
    const byId = new Map(rows.map((each) => [each.id, { ...each }]));
    const result = rest.filter((each) => !moved.includes(each)).map(({ id }) => byId.get(id)!);
    for (const { key, set } of update) Object.assign(byId.get(key[0]!)!, set);
    for (const each of place)
      result.splice(each.at, 0, 'row' in each ? each.row! : byId.get(each.key![0]!)!);
    expect(patchRows(rows, columns, patch)?.rows, `seed ${seed}, run ${run}`).toEqual(result);
  }
});
