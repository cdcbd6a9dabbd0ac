// @vitest-environment happy-dom
import { TidewireProvider } from '@tidewire/react/hooks';
import type { ReactNode } from 'react';
import useSWR, { SWRConfig } from 'swr';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LiveServer } from '../../client/test/live-server.js';
import { FakeClient, render, settle, shows, type Rendered } from '../../react/test/support.js';
import {
  createRealtimeSWR,
  type RealtimeSWR,
  type UseOptimisticSWRMutation,
} from '../src/index.js';

interface Review {
  id: number;
  status: string;
}

let fake: FakeClient;
let realtime: RealtimeSWR;
let page: Rendered | null = null;
beforeEach(() => {
  fake = new FakeClient();
  fake.rows['reviews'] = [{ id: 1, status: 'open' }];
  realtime = createRealtimeSWR(fake.asClient, { confirmMs: 60 });
});
afterEach(async () => {
  await page?.unmount();
  page = null;
});

const show = async (Part: () => ReactNode) => {
  page = await render(
    <TidewireProvider client={fake.asClient}>
      <SWRConfig value={{ provider: () => new Map(), dedupingInterval: 0 }}>
        <Part />
      </SWRConfig>
    </TidewireProvider>,
  );
};

let mutation!: UseOptimisticSWRMutation<{ id: number }, unknown>;
let answer!: (how: 'ok' | 'fail') => void;

function Reviews(): ReactNode {
  const { data, isLive } = realtime.useRealtimeSWR<Review>('reviews', { table: 'reviews' });
  mutation = realtime.useOptimisticSWRMutation<{ id: number }, unknown>({
    mutationFn: () =>
      new Promise((resolve, reject) => {
        answer = (how) =>
          how === 'ok' ? resolve({ position: fake.position }) : reject(new Error('no'));
      }),
    apply: (store, { id }) =>
      store.update<Review[]>(['reviews'], (rows) =>
        rows.map((row) => (row.id === id ? { ...row, status: 'approved' } : row)),
      ),
  });
  return <p>{`${isLive} ${data?.map((r) => r.id + r.status).join()} ${mutation.phase}`}</p>;
}

it('keeps the rows of a key live under its ordinary key', async () => {
  await show(() => {
    const { data } = useSWR<Review[]>('reviews', null);
    return (
      <>
        <Reviews />
        <p>{data?.length}</p>
      </>
    );
  });
  await shows(page, 'true 1open idle1');
  fake.commit('INSERT', 'reviews', { id: 2, status: 'open' });
  await shows(page, 'true 1open,2open idle2');
  fake.commit('DELETE', 'reviews', { id: 1 });
  await shows(page, 'true 2open idle1');
});

it('a push does not erase the optimistic value, and the stream confirms it', async () => {
  await show(Reviews);
  await shows(page, 'true 1open idle');
  void mutation.trigger({ id: 1 });
  await shows(page, 'true 1approved sending');
  fake.commit('INSERT', 'reviews', { id: 2, status: 'open' });
  await shows(page, 'true 1approved,2open sending');
  fake.commit('UPDATE', 'reviews', { id: 1, status: 'approved' });
  answer('ok');
  await vi.waitFor(() => expect(mutation.phase).toMatch(/synced|unconfirmed/));
  expect(realtime.mutations.overlay.pending).toBe(0);
});

it('rolls back to what the server has now', async () => {
  await show(Reviews);
  await shows(page, 'true 1open idle');
  mutation.trigger({ id: 1 }).catch(() => {});
  await shows(page, 'true 1approved sending');
  fake.commit('UPDATE', 'reviews', { id: 1, status: 'held' });
  await settle();
  answer('fail');
  await shows(page, 'true 1held rejected');
});

it('revalidates a key of its own when its table changes, once per window', async () => {
  const fetcher = vi.fn(async () => fake.rows['reviews']!.length);
  await show(() => {
    const { data } = useSWR('stats', fetcher, { use: [realtime.refreshOn('reviews')] });
    return <p>{data}</p>;
  });
  await shows(page, '1');
  await settle(120);
  const before = fetcher.mock.calls.length;
  for (let id = 10; id < 15; id++) fake.commit('INSERT', 'reviews', { id, status: 'open' });
  await shows(page, '6');
  await settle(120);
  expect(fetcher.mock.calls.length).toBe(before + 1);
});

it('ends its subscription with the last component', async () => {
  await show(Reviews);
  await shows(page, 'true 1open idle');
  expect(fake.open).toHaveLength(1);
  await page!.unmount();
  page = null;
  await settle();
  expect(fake.open).toHaveLength(0);
});

it('keeps a named query live under a key: pushed, stale when cut, resumed', async () => {
  const server = new LiveServer();
  Object.assign(fake, server.client);
  server.commit([{ id: 1, n: 0 }]);
  server.join();
  const args = { limit: 5 };
  await show(() => {
    const { data, isLive } = realtime.useRealtimeSWR('items', { query: 'items', args });
    return <p>{`${isLive} ${data?.map((row) => `${row['id']}:${row['n']}`).join()}`}</p>;
  });
  const deliver = async () => {
    for (let quiet = 0; quiet < 5;) {
      quiet = server.arrive() || server.answerRead() ? 0 : quiet + 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await vi.waitFor(() => expect(server.opens).toBeGreaterThan(0));
  await deliver();
  await shows(page, 'true 1:0');
  server.commit([
    { id: 2, n: 1 },
    { id: 1, n: 0 },
  ]);
  await deliver();
  await shows(page, 'true 2:1,1:0');
  server.cut();
  await shows(page, 'false 2:1,1:0');
  server.commit([{ id: 2, n: 2 }]);
  server.join();
  await deliver();
  await shows(page, 'true 2:2');
});
