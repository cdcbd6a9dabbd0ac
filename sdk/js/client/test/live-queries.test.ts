import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { liveQueries, type LiveQuery, type RowsDiff } from '../src/live-queries.js';
import { LiveServer, type Item } from './live-server.js';
import { generator } from './world.js';

let server: LiveServer;
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  server = new LiveServer();
});
afterEach(() => {
  vi.useRealTimers();
});

const rest = () => vi.advanceTimersByTimeAsync(0);
async function deliver() {
  await rest();
  while (server.arrive()) await rest();
}
const item = (id: number, n = 0): Item => ({ id, n });
const open = () => liveQueries(server.client as never).open<Item>('items', { limit: 5 });

async function opened() {
  server.join();
  const query = open();
  const diffs: (RowsDiff<Item> | null)[] = [];
  query.onChange((diff) => diff && diffs.push(diff));
  await deliver();
  return { query, diffs };
}

it('gives rows, position and differences; rows that did not change stay the same objects', async () => {
  server.commit([item(1), item(2)]);
  const { query, diffs } = await opened();
  expect(query.snapshot).toMatchObject({
    rows: [item(1), item(2)],
    status: 'live',
    mode: 'rows',
    key: ['items'],
    position: '1:2',
    verdict: null,
    error: null,
  });
  const [first] = query.snapshot.rows;
  server.commit([item(3), item(1), item(2, 5)]);
  await deliver();
  expect(query.snapshot.rows).toEqual([item(3), item(1), item(2, 5)]);
  expect(query.snapshot.rows[1]).toBe(first);
  expect(query.snapshot.position).toBe('1:3');
  expect(diffs).toEqual([
    { inserted: [item(3)], updated: [{ before: item(2), after: item(2, 5) }], removed: [] },
  ]);
});

it('is stale while cut, and resumes by version with the verdict that it missed nothing', async () => {
  server.commit([item(1)]);
  const { query, diffs } = await opened();
  server.cut();
  expect(query.snapshot).toMatchObject({ status: 'stale', rows: [item(1)] });
  server.commit([item(1), item(2)]);
  server.join();
  expect(query.snapshot.status).toBe('stale');
  await deliver();
  expect(query.snapshot).toMatchObject({
    status: 'live',
    rows: [item(1), item(2)],
    verdict: { recovered: true, reason: null },
  });
  expect(diffs).toEqual([{ inserted: [item(2)], updated: [], removed: [] }]);
});

it('says that it was not recovered when the version is gone, and is right all the same', async () => {
  server.historyMax = 1;
  server.commit([item(1)]);
  const { query } = await opened();
  server.cut();
  for (let n = 1; n <= 3; n++) server.commit([item(1, n)]);
  server.join();
  await deliver();
  expect(query.snapshot).toMatchObject({
    rows: [item(1, 3)],
    status: 'live',
    verdict: { recovered: false, reason: 'expired' },
  });
  server.reset('claims_changed');
  await deliver();
  expect(query.snapshot.verdict).toEqual({ recovered: false, reason: 'claims_changed' });
});

it('opens again when a push is not from its version, and believes no push that is older', async () => {
  server.commit([item(1)]);
  const { query } = await opened();
  server.push({ from: 'other', to: 'x', position: '1:9', leave: [[1]] });
  await deliver();
  expect(server.opens).toBe(2);
  expect(query.snapshot).toMatchObject({ rows: [item(1)], status: 'live', verdict: null });
  server.push({ from: server.version, to: 'x', position: '1:1', leave: [[1]] });
  await deliver();
  expect(query.snapshot.rows).toEqual([item(1)]);
  // A difference that names rows that are not here is not applied in part.
  server.push({ from: server.version, to: 'x', position: '1:9', leave: [[1], [8]] });
  await deliver();
  expect(query.snapshot).toMatchObject({ rows: [item(1)], status: 'live' });
});

it('keeps the newer of a read and a push, whichever comes first', async () => {
  server.commit([item(1)]);
  const { query } = await opened();
  const reading = query.refresh();
  await rest();
  server.commit([item(1, 2)]);
  await deliver();
  server.answerRead();
  await reading;
  expect(query.snapshot.rows).toEqual([item(1, 2)]);
  // And a read that is ahead of the pushes: the push for it changes nothing.
  server.commit([item(1, 3)]);
  const second = query.refresh();
  await rest();
  server.answerRead();
  await second;
  expect(query.snapshot.rows).toEqual([item(1, 3)]);
  const { rows } = query.snapshot;
  await deliver();
  expect(query.snapshot.rows).toBe(rows);
  expect(query.snapshot.status).toBe('live');
});

it('reads again for each invalidation, one read at a time, and is stale meanwhile', async () => {
  server.mode = 'invalidate';
  server.commit([item(1)]);
  const { query } = await opened();
  server.answerRead();
  await rest();
  expect(query.snapshot).toMatchObject({ status: 'live', rows: [item(1)] });
  for (let n = 1; n <= 5; n++) server.commit([item(1, n)]);
  await deliver();
  expect(query.snapshot.status).toBe('stale');
  expect(server.reading).toBe(1);
  server.answerRead(0, false);
  await rest();
  expect(query.snapshot.error).not.toBeNull();
  await vi.advanceTimersByTimeAsync(1_000);
  server.answerRead();
  await rest();
  expect(query.snapshot).toMatchObject({ status: 'live', rows: [item(1, 5)], error: null });
  expect(server.reads).toBe(3);
});

it('tells what the server refuses; without the right the rows are gone', async () => {
  server.commit([item(1)]);
  const { query, diffs } = await opened();
  server.push({ error: { code: 'query_failed', message: 'disk' } });
  await deliver();
  expect(query.snapshot).toMatchObject({ status: 'stale', rows: [item(1)] });
  expect(query.snapshot.error?.message).toBe('disk');
  server.push({ as_of: '2026-02-01', position: '1:3' });
  await deliver();
  expect(query.snapshot).toMatchObject({ status: 'live', error: null, asOf: '2026-02-01' });
  server.refusal = { code: 'forbidden', reason: 'no' };
  server.push({ error: { code: 'forbidden', message: 'no' } });
  await deliver();
  expect(query.snapshot).toMatchObject({ status: 'refused', rows: [], version: null });
  expect(diffs.at(-1)).toEqual({ inserted: [], updated: [], removed: [item(1)] });
  server.refusal = null;
  await vi.advanceTimersByTimeAsync(60_000);
  await deliver();
  expect(query.snapshot).toMatchObject({ status: 'live', rows: [item(1)] });
});

it('asks again, later each time, while the server is busy; not for what it will never have', async () => {
  server.refusal = { code: 'busy', reason: 'later' };
  const { query } = await opened();
  expect(query.snapshot.error?.message).toBe('later');
  await vi.advanceTimersByTimeAsync(500);
  await deliver();
  expect(server.opens).toBe(2);
  server.refusal = { code: 'unknown_query', reason: 'no such query' };
  await vi.advanceTimersByTimeAsync(1_000);
  await deliver();
  expect(query.snapshot).toMatchObject({ status: 'refused' });
  await vi.advanceTimersByTimeAsync(600_000);
  expect(server.opens).toBe(3);
});

it('a query that is not followed is read, and never called live', async () => {
  server.refusal = { code: 'not_live', reason: 'live: off' };
  server.commit([item(1)]);
  const { query } = await opened();
  expect(query.snapshot.mode).toBe('off');
  const reading = query.refresh();
  await rest();
  server.answerRead();
  expect(await reading).toMatchObject({ status: 'stale', rows: [item(1)], error: null });
});

it('is one follower for all handles, and closes with the last', async () => {
  const { query } = await opened();
  const second = open();
  expect(second.snapshot).toBe(query.snapshot);
  expect(server.opens).toBe(1);
  query.close();
  query.close();
  server.commit([item(4)]);
  await deliver();
  expect(second.snapshot.rows).toEqual([item(4)]);
  expect(query.snapshot.rows).toEqual([item(4)]);
  expect(server.closes).toBe(0);
  second.close();
  expect(server.closes).toBe(1);
});

/** Random commits, frames, cuts, reads, refusals and resets; then everything heals. */
async function interleaving(seed: number) {
  const random = generator(seed);
  const below = (n: number) => Math.floor(random() * n);
  server = new LiveServer();
  server.historyMax = below(5);
  server.mode = (['rows', 'rows', 'rows', 'result', 'invalidate'] as const)[below(5)]!;
  const query: LiveQuery<Item> = open();
  let mirror: Map<number, Item> | null = null;
  let last = query.snapshot;
  const check = (diff: RowsDiff<Item> | null) => {
    const { rows, position, version } = query.snapshot;
    // Never older than what was shown, within an epoch.
    const [epoch, offset] = (position ?? '0:0').split(':').map(Number) as [number, number];
    const [epochWas, was] = (last.position ?? '0:0').split(':').map(Number) as [number, number];
    if (epoch === epochWas) expect(offset, `seed ${seed}`).toBeGreaterThanOrEqual(was);
    last = query.snapshot;
    // What a version names is what is shown.
    if (version !== null) expect(JSON.stringify(rows), `seed ${seed}`).toBe(version);
    // The differences lead from each state to the next.
    if (diff && mirror) {
      for (const each of diff.removed) expect(mirror.delete(each.id)).toBe(true);
      for (const { before, after } of diff.updated) {
        expect(mirror.get(before.id), `seed ${seed}`).toEqual(before);
        mirror.set(after.id, after);
      }
      for (const each of diff.inserted) mirror.set(each.id, each);
    }
    mirror ??= version === null ? null : new Map(rows.map((each) => [each.id, each]));
    if (mirror) {
      const ids = (items: Iterable<Item>) => [...items].map(({ id, n }) => `${id}/${n}`).sort();
      expect(ids(mirror.values()), `seed ${seed}`).toEqual(ids(rows));
    }
  };
  query.onChange(check);
  const ignore = () => {};
  const change = () => {
    const rows = server.rows.map((each) => ({ ...each }));
    const roll = random();
    if (roll < 0.4 || rows.length === 0) {
      const id = below(40);
      if (!rows.some((each) => each.id === id)) rows.splice(below(rows.length + 1), 0, item(id));
    } else if (roll < 0.6) rows.splice(below(rows.length), 1);
    else if (roll < 0.8) rows[below(rows.length)]!.n++;
    else rows.splice(below(rows.length), 0, ...rows.splice(below(rows.length), 1));
    server.commit(rows);
  };
  for (let i = 0; i < 150; i++) {
    const roll = random();
    if (roll < 0.35) change();
    else if (roll < 0.65) server.arrive();
    else if (roll < 0.75) server.join();
    else if (roll < 0.8) server.cut();
    else if (roll < 0.87) query.refresh().catch(ignore);
    else if (roll < 0.94) server.answerRead(below(3), random() < 0.8);
    else if (roll < 0.95) server.reset('too_far');
    else if (roll < 0.96) server.restart();
    else if (roll < 0.97) server.refusal = server.refusal ? null : { code: 'busy', reason: 'busy' };
    else await vi.advanceTimersByTimeAsync(below(5_000));
    await rest();
  }
  server.refusal = null;
  server.join();
  for (let i = 0; i < 200; i++) {
    await rest();
    if (server.waiting === 0) await vi.advanceTimersByTimeAsync(60_000);
    if (!server.arrive()) server.answerRead();
  }
  const { status, mode, error } = query.snapshot;
  expect(status, `seed ${seed}, ${mode}, ${error}`).toBe('live');
  // A fresh execution.
  expect(query.snapshot.rows, `seed ${seed}`).toEqual(server.rows);
  query.close();
}

it('equals a fresh execution after every interleaving', { timeout: 60_000 }, async () => {
  const base = Number(process.env['TIDEWIRE_SEED'] ?? Math.floor(Math.random() * 1e9));
  for (let run = 0; run < 120; run++) await interleaving(base + run);
});
