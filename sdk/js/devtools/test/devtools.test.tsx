// @vitest-environment happy-dom
import { QueryClient, QueryObserver } from '@tanstack/react-query';
import { attachQueryClient, realtimeQueryOptions } from '@tidewire/query';
import { createClient } from '@tidewire/client';
import { afterEach, expect, it, vi } from 'vitest';
import { FakeClient, render, type Rendered } from '../../react/test/support.js';
import { Recorder, TidewireDevtools } from '../src/index.js';

let page: Rendered | null = null;
afterEach(async () => {
  await page?.unmount();
  page = null;
});

it('sees requests with their times, outcomes and positions, through every way in', async () => {
  const answers = [
    new Response('[{"id":1}]', { headers: { 'Tidewire-Position': 'e:7' } }),
    new Response('{"message":"no"}', { status: 403 }),
  ];
  const recorder = new Recorder(
    createClient({ url: 'http://x', accessToken: 't', fetch: async () => answers.shift()! }),
  );
  await recorder.client.select('jobs', { limit: 1 });
  await expect(
    recorder.client.write({ table: 'jobs', method: 'insert', values: {} }),
  ).rejects.toThrow('no');
  const [second, first] = recorder.state.fetches;
  expect(first).toMatchObject({
    what: 'GET /rest/v1/jobs?limit=1',
    outcome: 'ok',
    position: 'e:7',
  });
  expect(second).toMatchObject({ what: 'POST /rest/v1/jobs', outcome: 'failed', status: 403 });
  answers.push(new Response('[]', { headers: { 'Tidewire-Position': 'e:8' } }));
  const rows = recorder.client.live('bills');
  await vi.waitFor(() => expect(recorder.state.subscriptions[0]?.table).toBe('bills'));
  rows.close();
  expect(recorder.state.metrics.errorRate).toBeCloseTo(1 / 3);
  expect(recorder.state.metrics.timeToFirstDataMs).not.toBeNull();
  recorder.client.close();
});

it('shows subscriptions, changes, verdicts, and why a query was read again', async () => {
  const fake = new FakeClient();
  const recorder = new Recorder(fake.asClient);
  const queries = new QueryClient();
  recorder.watchQueries(queries);
  const attachment = attachQueryClient(recorder.client, queries, {
    ...recorder.attachOptions,
    windowMs: 5,
    tables: { jobs: [['mine']] },
  });
  const observer = new QueryObserver(queries, {
    queryKey: ['mine'],
    queryFn: async () => 1,
    staleTime: Infinity,
  });
  const stop = observer.subscribe(() => {});
  const rows = new QueryObserver(queries, {
    ...realtimeQueryOptions(recorder.client, { queryKey: ['rows'], table: 'bills' }),
  });
  const stopRows = rows.subscribe(() => {});
  await vi.waitFor(() => expect(recorder.state.subscriptions).toHaveLength(2));
  await vi.waitFor(() => expect(recorder.state.fetches.some((f) => f.outcome === 'ok')).toBe(true));
  fake.commit('INSERT', 'jobs', { id: 1 });
  await vi.waitFor(() => {
    expect(recorder.state.why[0]).toMatchObject({
      queries: ['["mine"]'],
      changes: [{ table: 'jobs', type: 'INSERT', position: 'e:1' }],
    });
  });
  fake.verdict({ recovered: false, reason: 'expired' });
  expect(recorder.state.events[0]).toMatchObject({ kind: 'verdict', detail: 'expired' });
  expect(recorder.state.subscriptions[0]).toMatchObject({
    table: 'jobs',
    status: 'live',
    changes: 1,
  });

  page = await render(<TidewireDevtools recorder={recorder} />);
  page.container.querySelector('button')!.click();
  await vi.waitFor(() => expect(page!.container.textContent).toContain('cache hit rate'));
  for (const [name, shows] of [
    ['Subscriptions', 'bills'],
    ['Events', 'expired'],
    ['Why', 'INSERT jobs e:1'],
    ['Fetches', '["rows"]'],
  ] as const) {
    const tab = [...page.container.querySelectorAll<HTMLButtonElement>('[role=tab]')];
    tab.find((each) => each.textContent === name)!.click();
    await vi.waitFor(() => expect(page!.container.textContent).toContain(shows));
  }
  expect(JSON.parse(recorder.export()).why).toHaveLength(recorder.state.why.length);
  stop();
  stopRows();
  attachment.detach();
});
