import type { Change } from '@tidewire/client';
import { expect, it } from 'vitest';
import { applyChange, RecentChanges, type RowsSpec } from '../src/rows.js';

const spec: RowsSpec = { table: 't', key: ['id'], order: 'rank.desc,id' };
const change = (type: Change['type'], record: any, oldRecord: any = null) =>
  ({ type, record, oldRecord, position: 'e:1' }) as Change<any>;
const ids = (applied: { data: unknown }) => (applied.data as { id: number }[]).map(({ id }) => id);
const rows = [
  { id: 1, rank: 9 },
  { id: 2, rank: 5 },
  { id: 3, rank: null },
];

it('inserts where the order says, nulls first when descending', () => {
  const ordered = [rows[2], rows[0], rows[1]];
  expect(ids(applyChange(spec, ordered, change('INSERT', { id: 4, rank: 7 })))).toEqual([
    3, 1, 4, 2,
  ]);
  expect(ids(applyChange(spec, ordered, change('INSERT', { id: 0, rank: null })))).toEqual([
    0, 3, 1, 2,
  ]);
});

it('moves an updated row and keeps the columns that were not sent', () => {
  const wide = [{ id: 1, rank: 9, note: 'kept' }, rows[1]!];
  const applied = applyChange(spec, wide, change('UPDATE', { id: 1, rank: 1 }, { id: 1 }));
  expect(applied.data).toEqual([rows[1], { id: 1, rank: 1, note: 'kept' }]);
});

it('follows a row whose key changes', () => {
  const applied = applyChange(spec, rows, change('UPDATE', { id: 8, rank: 5 }, { id: 2 }));
  expect(ids(applied)).not.toContain(2);
  expect(ids(applied)).toContain(8);
});

it('removes what was deleted or has left', () => {
  expect(ids(applyChange(spec, rows, change('DELETE', null, { id: 2 })))).toEqual([1, 3]);
  expect(ids(applyChange(spec, rows, change('LEAVE', null, { id: 1 })))).toEqual([2, 3]);
});

it('asks for a read when a full list loses a row, or one sinks to its end', () => {
  const limited = { ...spec, limit: 3 };
  const lost = applyChange(limited, rows, change('DELETE', null, { id: 2 }));
  expect(lost).toMatchObject({ incomplete: true });
  const sank = applyChange(limited, rows, change('UPDATE', { id: 1, rank: 0 }, { id: 1 }));
  expect(sank.incomplete).toBe(true);
  const top = applyChange(limited, rows.slice(0, 2), change('INSERT', { id: 5, rank: 10 }));
  expect(ids(top)).toEqual([5, 1, 2]);
  expect(top.incomplete).toBe(false);
});

it('reads only the selected columns', () => {
  const narrow = { ...spec, select: 'id,rank' };
  const applied = applyChange(narrow, [], change('INSERT', { id: 1, rank: 1, secret: 'x' }));
  expect(applied.data).toEqual([{ id: 1, rank: 1 }]);
});

it('leaves rows alone whose key it does not know, and asks for a read', () => {
  const keyless = [{ name: 'a' }, { name: 'b' }];
  const applied = applyChange(spec, keyless, change('INSERT', { name: 'c' }));
  expect(applied).toEqual({ data: keyless, incomplete: true });
});

it('keeps one row or null for a detail', () => {
  const one = { ...spec, single: true };
  expect(applyChange(one, null, change('INSERT', rows[0])).data).toEqual(rows[0]);
  expect(applyChange(one, rows[0], change('DELETE', null, { id: 1 }))).toEqual({
    data: null,
    incomplete: false,
  });
});

it('knows what came after a position, or that it does not', () => {
  const recent = new RecentChanges(2);
  recent.beginAfter('e:10');
  const at = (n: number) => ({ ...change('INSERT', { id: n }), position: `e:${n}` });
  recent.add(at(11));
  recent.add(at(12));
  expect(recent.after('e:9')).toBeNull();
  expect(recent.after('e:10')).toHaveLength(2);
  recent.add(at(13));
  expect(recent.after('e:10')).toBeNull();
  expect(recent.after('e:11')?.map((each) => each.position)).toEqual(['e:12', 'e:13']);
  expect(recent.after('other:11')).toBeNull();
});
