import { QueryClient, QueryObserver } from '@tanstack/query-core';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Change, Client, SubscribeOptions, Verdict } from '@tidewire/client';
import { attachQueryClient, realtimeQueryOptions, type Attachment } from '../src/index.js';

/** A client whose stream the test speaks for. */
class FakeClient {
  subscriptions: { options: SubscribeOptions<any>; position: string | null; open: boolean }[] = [];
  rows: unknown[] = [];
  position: string | null = 'e:0';
  selects = 0;
  gate: Promise<void> | null = null;
  subscribe(options: SubscribeOptions<any>) {
    const entry = { options, position: null as string | null, open: true };
    this.subscriptions.push(entry);
    return {
      unsubscribe: () => void (entry.open = false),
      get position() {
        return entry.position;
      },
      status: 'live' as const,
    };
  }
  async select() {
    this.selects++;
    const answer = { rows: structuredClone(this.rows), position: this.position };
    await this.gate;
    return answer;
  }
  live(table: string, position: string | null = 'e:0') {
    for (const s of this.subscriptions.filter((each) => each.options.table === table)) {
      s.position = position;
      s.options.onStatus?.('live', null);
    }
  }
  change(table: string, position: string | null) {
    for (const s of this.subscriptions.filter(
      (each) => each.open && each.options.table === table,
    )) {
      s.options.onChange?.({ type: 'UPDATE', table, position } as Change);
    }
  }
  verdict(table: string, verdict: Verdict) {
    for (const s of this.subscriptions.filter((each) => each.options.table === table)) {
      s.options.onVerdict?.(verdict);
      s.options.onStatus?.('live', null);
    }
  }
}

let fake: FakeClient;
let queries: QueryClient;
let attachment: Attachment;
let flushes = 0;
const undo: (() => void)[] = [];
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

beforeEach(() => {
  fake = new FakeClient();
  queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  flushes = 0;
  attachment = attachQueryClient(fake as unknown as Client, queries, {
    tables: { leads: [['leads']], metrics: [['metrics']] },
    windowMs: 10,
    onInvalidate: () => flushes++,
  });
});
afterEach(() => {
  for (const run of undo.splice(0)) run();
  attachment.detach();
  queries.clear();
});

function observe(key: readonly unknown[], fetcher?: () => Promise<unknown>) {
  const options = fetcher
    ? { queryKey: key, queryFn: fetcher, staleTime: Infinity }
    : realtimeQueryOptions(fake as unknown as Client, { queryKey: key, table: 'leads' });
  const observer = new QueryObserver(queries, options as never);
  undo.push(observer.subscribe(() => {}));
  return observer;
}

it('refetches the active queries of a changed table, once per window, and no others', async () => {
  let fetches = 0;
  let others = 0;
  observe(['leads', { stage: 'new' }], async () => ++fetches);
  observe(['metrics'], async () => ++others);
  await queries.prefetchQuery({ queryKey: ['leads', 'idle'], queryFn: async () => 1 });
  await wait(5);
  for (let i = 1; i <= 20; i++) fake.change('leads', `e:${i}`);
  await wait(40);
  expect({ fetches, others, flushes }).toEqual({ fetches: 2, others: 1, flushes: 1 });
  expect(queries.getQueryState(['leads', 'idle'])!.isInvalidated).toBe(true);
});

it('tells of a change once, though a watched table and the rows of two queries bring it', async () => {
  attachment.detach();
  const told: unknown[] = [];
  attachment = attachQueryClient(fake as unknown as Client, queries, {
    tables: { leads: [['leads']] },
    onChange: ({ position }) => told.push(position),
  });
  for (const stage of ['new', 'won']) {
    const options = realtimeQueryOptions(fake as unknown as Client, {
      queryKey: ['leads', stage],
      table: 'leads',
      key: ['id'],
      filters: { stage: `eq.${stage}` },
    });
    undo.push(new QueryObserver(queries, options as never).subscribe(() => {}));
  }
  // The table, and the rows of both queries.
  await vi.waitFor(() => expect(fake.subscriptions.filter((each) => each.open).length).toBe(3));
  fake.live('leads');
  fake.change('leads', 'e:1');
  fake.change('leads', 'e:2');
  // Without a position nothing says whether two are one.
  fake.change('leads', null);
  expect(told.filter((position) => position !== null)).toEqual(['e:1', 'e:2']);
  expect(told).toContain(null);
});

it('does not lose a change that comes during the first fetch', async () => {
  let server = 'old';
  let fetches = 0;
  const observer = observe(['leads'], async () => {
    const answer = server;
    fetches++;
    await wait(30);
    return answer;
  });
  await wait(5);
  server = 'new';
  fake.change('leads', 'e:1');
  await wait(100);
  expect(observer.getCurrentResult().data).toBe('new');
  expect(fetches).toBe(2);
});

it('does not restart a running fetch, however busy the table', async () => {
  let started = 0;
  let ended = 0;
  observe(['leads'], async () => {
    started++;
    await wait(30);
    return ++ended;
  });
  for (let i = 1; i <= 30; i++) {
    fake.change('leads', `e:${i}`);
    await wait(8);
  }
  await wait(80);
  expect(ended).toBe(started);
  expect(ended).toBeGreaterThan(3);
});

it('does not fetch again what the answer already contains', async () => {
  fake.position = 'e:5';
  let release = () => {};
  fake.gate = new Promise((resolve) => (release = resolve));
  observe(['leads']);
  await wait(5);
  fake.change('leads', 'e:4');
  await wait(20);
  release();
  await wait(30);
  expect(fake.selects).toBe(1);
  fake.change('leads', 'e:6');
  fake.position = 'e:6';
  await wait(40);
  expect(fake.selects).toBe(2);
});

it('refetches once, and only once, what is older than the change', async () => {
  observe(['leads']);
  await wait(5);
  fake.position = 'e:3';
  fake.change('leads', 'e:9');
  await wait(80);
  expect(fake.selects).toBe(3);
  fake.change('leads', 'e:10');
  fake.position = 'e:10';
  await wait(60);
  expect(fake.selects).toBe(4);
});

it('counts the start of the stream as a change, unless the answer is as new', async () => {
  fake.position = 'e:7';
  observe(['leads']);
  await wait(5);
  fake.live('leads', 'e:7');
  await wait(30);
  expect(fake.selects).toBe(1);
  fake.position = 'e:9';
  attachment.detach();
  attachment = attachQueryClient(fake as unknown as Client, queries, {
    tables: { leads: [['leads']] },
    windowMs: 0,
  });
  fake.live('leads', 'e:9');
  await wait(30);
  expect(fake.selects).toBe(2);
});

it('makes all attached keys stale when a reconnect was not recovered, none when it was', async () => {
  let leads = 0;
  let metrics = 0;
  observe(['leads'], async () => ++leads);
  observe(['metrics'], async () => ++metrics);
  fake.live('leads');
  fake.live('metrics');
  await wait(40);
  leads = metrics = 0;
  fake.verdict('leads', { recovered: true, reason: null });
  await wait(30);
  expect([leads, metrics]).toEqual([0, 0]);
  fake.verdict('leads', { recovered: false, reason: 'expired' });
  await wait(40);
  expect([leads, metrics]).toEqual([1, 1]);
});

it('tries again after an error that hid a change, without a loop', async () => {
  let fetches = 0;
  observe(['leads'], async () => {
    fetches++;
    await wait(20);
    throw new Error('down');
  });
  await wait(5);
  fake.change('leads', 'e:1');
  await wait(150);
  expect(fetches).toBe(2);
});

it('stops when a watch ends or the attachment is detached', async () => {
  let fetches = 0;
  observe(['jobs'], async () => ++fetches);
  const stop = attachment.watch('jobs', { keys: [['jobs']], filter: 'owner=eq.7' });
  expect(fake.subscriptions.at(-1)!.options).toMatchObject({ table: 'jobs', filter: 'owner=eq.7' });
  fake.change('jobs', 'e:1');
  await wait(30);
  expect(fetches).toBe(2);
  stop();
  fake.change('jobs', 'e:2');
  attachment.detach();
  attachment.invalidate([['jobs']]);
  await wait(30);
  expect(fetches).toBe(2);
  expect(fake.subscriptions.every((each) => !each.open)).toBe(true);
});

it('ends equal to the server in any order of changes and fetches', async () => {
  const seed = Number(process.env['TIDEWIRE_SEED'] ?? Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  let a = seed;
  const random = () => ((a = (Math.imul(a, 1103515245) + 12345) & 0x7fffffff), a / 0x7fffffff);
  let offset = 0;
  const observers = ['x', 'y', 'z'].map((name, i) =>
    observe(['leads', name], async () => {
      const answer = offset;
      await wait(random() * 12);
      if (random() < 0.1) throw new Error('down');
      await wait(random() * (i + 1) * 5);
      return answer;
    }),
  );
  for (let i = 0; i < 150; i++) {
    offset++;
    fake.change('leads', random() < 0.8 ? `e:${offset}` : null);
    if (random() < 0.1) void queries.refetchQueries({ queryKey: ['leads', 'x'] });
    if (random() < 0.05) void queries.cancelQueries({ queryKey: ['leads', 'y'] });
    if (random() < 0.6) await wait(random() * 15);
  }
  // A query whose last fetch failed shows its error; one more change heals it.
  for (let i = 0; i < 12 && observers.some((o) => o.getCurrentResult().data !== offset); i++) {
    await wait(80);
    if (observers.some((o) => o.getCurrentResult().isError)) fake.change('leads', `e:${++offset}`);
  }
  await wait(100);
  for (const observer of observers) expect(observer.getCurrentResult().data).toBe(offset);
});
