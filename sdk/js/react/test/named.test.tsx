// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { attachQueryClient } from '@tidewire/query';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LiveServer, type Item } from '../../client/test/live-server.js';
import { TidewireProvider, useRealtimeQuery, type UseNamedQueryOptions } from '../src/index.js';
import { FakeClient, render, shows, type Rendered } from './support.js';

let server: LiveServer;
let fake: FakeClient;
let queries: QueryClient;
let page: Rendered | null = null;
beforeEach(() => {
  server = new LiveServer();
  fake = new FakeClient();
  Object.assign(fake, server.client);
  queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  attachQueryClient(fake.asClient, queries, { windowMs: 5, frameMs: 2 });
});
afterEach(async () => {
  await page?.unmount();
  page = null;
  queries.clear();
});

const item = (id: number, n = 0): Item => ({ id, n });

async function show(options: Partial<UseNamedQueryOptions<string>> = {}) {
  const Part = () => {
    const { data, sync, error } = useRealtimeQuery({
      query: 'items',
      args: { limit: 5 },
      ...options,
    });
    const rows = (data as unknown as Item[] | undefined)?.map(({ id, n }) => `${id}:${n}`).join();
    const { state, position, verdict } = sync;
    const told = verdict && (verdict.recovered ? 'recovered' : verdict.reason);
    return <p>{[state, rows, position, told, error?.message].join(' ')}</p>;
  };
  page = await render(
    <TidewireProvider client={fake.asClient}>
      <QueryClientProvider client={queries}>
        <Part />
      </QueryClientProvider>
    </TidewireProvider>,
  );
  await vi.waitFor(() => expect(server.waiting).toBeGreaterThan(0));
}
/** All that is under way arrives. */
async function deliver() {
  for (let quiet = 0; quiet < 3;) {
    quiet = server.arrive() || server.answerRead() ? 0 : quiet + 1;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

it('shows rows, position and that they are live, and tells the differences', async () => {
  const diffs: unknown[] = [];
  server.commit([item(1)]);
  server.join();
  await show({ onDiff: (diff) => diffs.push(diff) });
  await deliver();
  await shows(page, 'live 1:0 1:2  ');
  server.commit([item(2), item(1, 4)]);
  await deliver();
  await shows(page, 'live 2:0,1:4 1:3  ');
  expect(diffs).toEqual([
    {
      inserted: [item(2)],
      updated: [{ before: item(1), after: item(1, 4) }],
      removed: [],
    },
  ]);
  expect(queries.getQueryData(['items', { limit: 5 }])).toEqual([item(2), item(1, 4)]);
});

it('says catching up while cut, then whether it was recovered', async () => {
  server.historyMax = 1;
  server.commit([item(1)]);
  server.join();
  await show();
  await deliver();
  server.cut();
  await shows(page, 'catching-up 1:0 1:2  ');
  server.commit([item(1, 2)]);
  server.join();
  await deliver();
  await shows(page, 'live 1:2 1:3 recovered ');
  server.cut();
  for (let n = 3; n < 6; n++) server.commit([item(1, n)]);
  server.join();
  await deliver();
  await shows(page, 'live 1:5 1:6 expired ');
});

it('without the connection it polls; a query that is not followed never says live', async () => {
  fake.setStatus({ state: 'reconnecting', simple: 'reconnecting' });
  server.commit([item(1)]);
  await show({ fallback: { interval: 20 } });
  await deliver();
  await shows(page, 'polling 1:0 1:2  ');
  server.commit([item(1, 1)]);
  // One that began before the commit may be under way.
  for (let reads = 0; reads < 2;) {
    if (server.answerRead()) reads++;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await shows(page, 'polling 1:1 1:3  ');
  fake.setStatus({ state: 'connected', simple: 'connected' });
  server.refusal = { code: 'not_live', reason: 'live: off' };
  server.join();
  await deliver();
  await shows(page, 'polling 1:1 1:3  ');
});

it('reads again by itself only while nothing is pushed, whatever the tables say', async () => {
  server.commit([item(1)]);
  server.join();
  await show();
  await deliver();
  await shows(page, 'live 1:0 1:2  ');
  const before = server.reads;
  const attachment = attachQueryClient(fake.asClient, queries, {
    tables: { items: [['items']] },
    windowMs: 1,
    frameMs: 1,
  });
  await vi.waitFor(() => expect(attachment.isLive('["items",{"limit":5}]')).toBe(true));
  fake.commit('UPDATE', 'items', { id: 1 });
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(server.reads).toBe(before);
});
