// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { defineEntities } from '@tidewire/client';
import { attachQueryClient } from '@tidewire/query';
import type { ReactNode } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  createEntityHooks,
  TidewireProvider,
  useAutoRefreshOnSync,
  useOptimisticMutation,
  useRealtimeQuery,
  type UseOptimisticMutationResult,
} from '../src/index.js';
import { FakeClient, render, settle, shows, type Rendered } from './support.js';

interface Review {
  id: number;
  status: string;
}
interface Rows {
  reviews: Review;
  vettingQueue: { id: number };
}

let fake: FakeClient;
let queries: QueryClient;
let page: Rendered | null = null;
beforeEach(() => {
  fake = new FakeClient();
  queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  attachQueryClient(fake.asClient, queries, { windowMs: 5, frameMs: 2, confirmMs: 60 });
});
afterEach(async () => {
  await page?.unmount();
  page = null;
  queries.clear();
});

const show = async (Part: () => ReactNode) => {
  page = await render(
    <TidewireProvider client={fake.asClient}>
      <QueryClientProvider client={queries}>
        <Part />
      </QueryClientProvider>
    </TidewireProvider>,
  );
};
const reviewsKey = ['reviews', 'list', {}];

it('writes changes in place, without reading again, and says that it is live', async () => {
  fake.rows['reviews'] = [{ id: 1, status: 'open' }];
  await show(() => {
    const { data, sync } = useRealtimeQuery<Review[]>({
      queryKey: reviewsKey,
      realtimeEntity: 'reviews',
      order: 'id',
    });
    return <p>{`${sync.state} ${data?.map((r) => `${r.id}${r.status}`).join()}`}</p>;
  });
  await shows(page, 'live 1open');
  const reads = fake.selects.length;
  fake.commit('INSERT', 'reviews', { id: 3, status: 'open' });
  fake.commit('INSERT', 'reviews', { id: 2, status: 'open' });
  fake.commit('UPDATE', 'reviews', { id: 1, status: 'done' });
  await shows(page, 'live 1done,2open,3open');
  fake.commit('DELETE', 'reviews', { id: 2 });
  await shows(page, 'live 1done,3open');
  expect(fake.selects).toHaveLength(reads);
});

it('polls while nothing is pushed, more rarely while nothing changes, and stops when live', async () => {
  fake.setStatus({ state: 'failed', simple: 'error' });
  fake.rows['reviews'] = [{ id: 1, status: 'open' }];
  await show(() => {
    const { data, sync } = useRealtimeQuery<Review[]>({
      queryKey: reviewsKey,
      realtimeEntity: 'reviews',
      fallback: { minMs: 25, maxMs: 400 },
    });
    return <p>{`${sync.state} ${data?.length}`}</p>;
  });
  await shows(page, 'polling 1');
  fake.rows['reviews'].push({ id: 2, status: 'open' });
  await shows(page, 'polling 2');
  const early = fake.selects.length;
  await settle(200);
  // Eight intervals of 25 ms have passed; the growing ones are fewer.
  expect(fake.selects.length - early).toBeLessThan(5);
  fake.setStatus({ state: 'connected', simple: 'connected' });
  await settle(50);
  const reads = fake.selects.length;
  await settle(450);
  expect(fake.selects).toHaveLength(reads);
});

it('reads again with a queryFn of its own when the entity changes', async () => {
  const queryFn = vi.fn(async () => [{ id: 1, status: 'x' }]);
  await show(() => {
    const { data } = useRealtimeQuery<Review[]>({
      queryKey: ['mine'],
      queryFn,
      realtimeEntity: 'reviews',
      realtimeFilter: 'status=eq.open',
    });
    return <p>{data?.length}</p>;
  });
  await settle();
  expect(fake.open.map((each) => each.options.filter)).toEqual(['status=eq.open']);
  const before = queryFn.mock.calls.length;
  fake.commit('INSERT', 'reviews', { id: 9, status: 'open' });
  await settle(40);
  expect(queryFn.mock.calls.length).toBe(before + 1);
});

it('makes list and detail hooks for each entity in one line', async () => {
  const hooks = createEntityHooks<Rows>()(
    defineEntities({ reviews: { table: 'review' }, vettingQueue: { table: 'vetting_queue' } }),
  );
  expect(hooks.keys.reviews.list({ status: 'open' })).toEqual([
    'reviews',
    'list',
    { status: 'open' },
  ]);
  expect(hooks.keys.reviews.detail(7)).toEqual(['reviews', 'detail', 7]);
  expect(typeof hooks.useVettingQueueItem).toBe('function');
  fake.rows['review'] = [
    { id: 1, status: 'open' },
    { id: 2, status: 'done' },
  ];
  await show(() => {
    const list = hooks.useReviews({ status: 'open' });
    const one = hooks.useReview(2);
    const none = hooks.useReview(null);
    return <p>{`${list.data?.length} ${one.data?.status} ${none.fetchStatus}`}</p>;
  });
  await shows(page, '1 done idle');
});

let approve!: UseOptimisticMutationResult<unknown, { id: number }>;
let answer!: (how: 'ok' | 'fail') => void;
const rejected = vi.fn();

async function showReviews() {
  fake.rows['reviews'] = [{ id: 1, status: 'open' }];
  await show(() => {
    const { data } = useRealtimeQuery<Review[]>({
      queryKey: reviewsKey,
      realtimeEntity: 'reviews',
      order: 'id',
    });
    approve = useOptimisticMutation<{ id: number }>({
      mutationFn: () =>
        new Promise((resolve, reject) => {
          answer = (how) =>
            how === 'ok' ? resolve({ position: fake.position }) : reject(new Error('no'));
        }),
      apply: (store, { id }) =>
        store.update<Review[]>(reviewsKey, (rows) =>
          rows.map((row) => (row.id === id ? { ...row, status: 'approved' } : row)),
        ),
      onRejected: rejected,
    });
    return <p>{`${data?.map((r) => r.id + r.status).join()} ${approve.phase}`}</p>;
  });
  await settle();
}

it('shows a change at once, keeps it over a push, and lets go when the stream has it', async () => {
  await showReviews();
  approve.mutate({ id: 1 });
  await shows(page, '1approved sending');
  fake.commit('INSERT', 'reviews', { id: 2, status: 'open' });
  await shows(page, '1approved,2open sending');
  fake.commit('UPDATE', 'reviews', { id: 1, status: 'approved' });
  answer('ok');
  await shows(page, '1approved,2open synced');
  fake.commit('UPDATE', 'reviews', { id: 1, status: 'reopened' });
  await shows(page, '1reopened,2open synced');
});

it('rolls back to what the server has now, not to what it had', async () => {
  await showReviews();
  approve.mutate({ id: 1 });
  await settle();
  fake.commit('UPDATE', 'reviews', { id: 1, status: 'held' });
  await shows(page, '1approved sending');
  answer('fail');
  await shows(page, '1held rejected');
  expect(rejected).toHaveBeenCalled();
});

it('an acknowledged change whose row is not pushed is read for', async () => {
  await showReviews();
  approve.mutate({ id: 1 });
  await settle();
  // The row changes where this stream does not see it.
  fake.rows['reviews']![0]!['status'] = 'approved by hand';
  fake.offset++;
  answer('ok');
  await shows(page, '1approved by hand synced');
});

it('refreshes the keys of the sources that were synced', async () => {
  const fetches: string[] = [];
  await show(() => {
    for (const key of ['meta', 'sms', 'dashboard']) {
      // eslint-disable-next-line
      useRealtimeQuery<string[]>({
        queryKey: [key],
        queryFn: async () => (fetches.push(key), [key]),
        realtimeEntity: 'nothing',
      });
    }
    const { refresh } = useAutoRefreshOnSync({
      organizationId: 'o1',
      map: { meta: ['meta'], switchboard: ['sms'], '*': ['dashboard'] },
      batchMs: 10,
    });
    return <button onClick={() => refresh(['switchboard'])}>go</button>;
  });
  await settle(60);
  fetches.length = 0;
  fake.commit('UPDATE', 'data_freshness', {
    id: 1,
    source: 'meta',
    last_sync_status: 'success',
    sync_id: 's9',
  });
  await settle(80);
  expect(fetches.sort()).toEqual(['dashboard', 'meta']);
  fetches.length = 0;
  page!.container.querySelector('button')!.click();
  await settle(80);
  expect(fetches.sort()).toEqual(['dashboard', 'sms']);
});
