// @vitest-environment happy-dom
import { version } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import {
  count,
  createTableHook,
  sum,
  TidewireProvider,
  useAllUpdates,
  useBroadcast,
  useConnectionStatus,
  useFreshness,
  usePresence,
  useSmartRefresh,
  useTableUpdates,
  useTyping,
  useUnreadCount,
  type AllUpdates,
  type TableState,
} from '../src/hooks.js';
import { FakeClient, render, settle, shows, type Rendered } from './support.js';

let fake: FakeClient;
let page: Rendered | null = null;
beforeEach(() => {
  fake = new FakeClient();
});
afterEach(async () => {
  await page?.unmount();
  page = null;
});

const show = async (Part: () => any) => {
  page = await render(
    <TidewireProvider client={fake.asClient}>
      <Part />
    </TidewireProvider>,
  );
};

it(`runs under React ${version}`, () => {
  expect(version).toMatch(/^1[89]\./);
});

it('tells the kinds of change apart, with old and new, and ends with one subscription', async () => {
  const seen: unknown[] = [];
  await show(() => {
    const { isConnected, latestUpdate } = useTableUpdates<{ id: number; s: string }>('jobs', {
      where: { customer_id: 'c1', status: ['open', 'a,b'] },
      onInsert: (row) => seen.push(['insert', row.s]),
      onUpdate: (row, old) => seen.push(['update', old?.s, row.s]),
      onDelete: (old) => seen.push(['delete', old.id]),
      on: { reopened: (change) => change.record?.s === 'open' && change.oldRecord?.s === 'done' },
      onEvent: { reopened: () => seen.push('reopened') },
    });
    return <p>{`${isConnected} ${latestUpdate?.type}`}</p>;
  });
  expect(fake.open).toHaveLength(1);
  expect(fake.open[0]!.options.filter).toBe('customer_id=eq.c1,status=in.(open,"a,b")');
  fake.commit('INSERT', 'jobs', { id: 1, s: 'done' });
  fake.commit('UPDATE', 'jobs', { id: 1, s: 'open' });
  fake.commit('DELETE', 'jobs', { id: 1 });
  await settle();
  expect(seen).toEqual([['insert', 'done'], ['update', 'done', 'open'], 'reopened', ['delete', 1]]);
  await shows(page, 'true DELETE');
  await page!.unmount();
  page = null;
  await settle();
  expect(fake.open).toHaveLength(0);
});

it('does not render again for changes that it does not show', async () => {
  let renders = 0;
  await show(() => {
    renders++;
    const { isConnected } = useTableUpdates('jobs');
    return <p>{String(isConnected)}</p>;
  });
  const before = renders;
  for (let id = 1; id <= 20; id++) fake.commit('INSERT', 'jobs', { id });
  await settle();
  expect(renders).toBe(before);
});

it('keeps derived values over rows: unread messages and points', async () => {
  interface Message {
    id: number;
    read_at: string | null;
    points: number;
  }
  const useMessages = createTableHook<Message>()('messages', {
    derive: { unreadCount: count((m) => !m.read_at), totalPoints: sum('points') },
  });
  fake.rows['messages'] = [
    { id: 1, read_at: null, points: 5 },
    { id: 2, read_at: 'then', points: 7 },
  ];
  await show(() => {
    const { derived } = useMessages();
    const unread = useUnreadCount('messages');
    return <p>{`${derived.unreadCount} ${derived.totalPoints} ${unread}`}</p>;
  });
  await shows(page, '1 12 1');
  fake.commit('INSERT', 'messages', { id: 3, read_at: null, points: 1 });
  await shows(page, '2 13 2');
});

it('combines tables on one client and counts what is live', async () => {
  let all!: AllUpdates;
  const inserted = vi.fn();
  await show(() => {
    all = useAllUpdates({ jobs: { onInsert: inserted }, bills: { table: 'invoices' } });
    return <p>{`${all.activeSubscriptions} ${all.isConnected} ${all.latestUpdate?.table}`}</p>;
  });
  await shows(page, '2 true undefined');
  fake.commit('INSERT', 'jobs', { id: 1 });
  await settle();
  expect(inserted).toHaveBeenCalledTimes(1);
  await shows(page, '2 true jobs');
});

it('says nothing more after it was disabled', async () => {
  let state!: TableState<any>;
  const Part = ({ enabled }: { enabled: boolean }) => {
    state = useTableUpdates('jobs', { enabled, rows: true });
    return <p>{state.status}</p>;
  };
  page = await render(
    <TidewireProvider client={fake.asClient}>
      <Part enabled />
    </TidewireProvider>,
  );
  await shows(page, 'live');
  await page.rerender(
    <TidewireProvider client={fake.asClient}>
      <Part enabled={false} />
    </TidewireProvider>,
  );
  await shows(page, 'idle');
  expect(fake.open).toHaveLength(0);
});

it('shows the connection, and only what was selected', async () => {
  let renders = 0;
  await show(() => {
    renders++;
    const simple = useConnectionStatus((status) => status.simple);
    return <p>{simple}</p>;
  });
  const before = renders;
  fake.setStatus({ error: 'changed, but not shown' });
  await settle();
  expect(renders).toBe(before);
  fake.setStatus({ state: 'failed', simple: 'error' });
  await shows(page, 'error');
});

it('tracks who is there, updates, and leaves', async () => {
  let update!: (patch: { busy: boolean }) => void;
  await show(() => {
    const presence = usePresence('desk', { name: 'Ada', busy: false });
    update = presence.update;
    return <p>{presence.others.map((each) => each.state.name).join()}</p>;
  });
  const room = fake.rooms.at(-1)!;
  expect(room.tracked.at(-1)).toEqual({ name: 'Ada', busy: false });
  room.setMembers([
    { key: 'me', state: { name: 'Ada' }, connections: 1, self: true },
    { key: 'b', state: { name: 'Bob' }, connections: 1, self: false },
  ]);
  await shows(page, 'Bob');
  update({ busy: true });
  await settle();
  expect(room.tracked.at(-1)).toEqual({ name: 'Ada', busy: true });
  await page!.unmount();
  page = null;
  await settle();
  expect(fake.rooms.reduce((n, each) => n + each.left, 0)).toBe(fake.rooms.length);
});

it('sends and hears broadcasts; typing ends with silence', async () => {
  const heard = vi.fn();
  let send!: ReturnType<typeof useBroadcast>;
  let notify!: () => void;
  await show(() => {
    send = useBroadcast('desk', { onMessage: heard });
    const typing = useTyping('desk2', 'Ada', { timeoutMs: 60 });
    notify = typing.notify;
    return <p>{typing.typing.join()}</p>;
  });
  const desk = fake.rooms.filter((each) => each.name === 'desk').at(-1)!;
  desk.hear('moved', { x: 1 });
  expect(heard).toHaveBeenCalledWith({ x: 1 }, 'moved');
  expect(await send('moved', { x: 2 })).toBe('ok');
  expect(desk.sent).toEqual([['moved', { x: 2 }]]);
  const other = fake.rooms.filter((each) => each.name === 'desk2').at(-1)!;
  notify();
  notify();
  await settle();
  expect(other.sent).toEqual([['typing', { name: 'Ada' }]]);
  other.hear('typing', { name: 'Bob' });
  await shows(page, 'Bob');
  await shows(page, '');
});

it('shows how fresh each source is, by its name', async () => {
  const ago = (ms: number) => new Date(Date.now() - ms).toISOString();
  fake.rows['data_freshness'] = [
    {
      id: 1,
      organization_id: 'o1',
      source: 'meta',
      last_synced_at: ago(60_000),
      last_sync_status: 'success',
    },
    {
      id: 2,
      organization_id: 'o1',
      source: 'switchboard',
      last_synced_at: ago(9e6),
      last_sync_status: 'success',
    },
    {
      id: 3,
      organization_id: 'o1',
      source: 'actblue_csv',
      last_synced_at: ago(60_000),
      last_sync_status: 'failed',
    },
  ];
  await show(() => {
    const { sources, worst } = useFreshness('o1');
    return <p>{sources.map((s) => `${s.label}=${s.state}`).join(' ') + ` worst=${worst}`}</p>;
  });
  await shows(page, 'Meta Ads=fresh SMS=late ActBlue export=failed worst=failed');
});

it('batches syncs within the window, drops none, ignores failures and repetitions', async () => {
  const refreshes: string[][] = [];
  await show(() => {
    useSmartRefresh({
      organizationId: 'o1',
      map: { meta: ['meta', 'hourly-metrics'], switchboard: ['sms'], '*': ['dashboard'] },
      batchMs: 40,
      onRefresh: ({ keys }) => void refreshes.push(keys.map(String)),
    });
    return null;
  });
  await settle();
  const sync = (id: number, source: string, status: string, sync_id: string) =>
    fake.commit('UPDATE', 'data_freshness', { id, source, last_sync_status: status, sync_id });
  sync(1, 'meta', 'success', 's1');
  await settle(20);
  sync(2, 'switchboard', 'success', 's2');
  sync(1, 'meta', 'success', 's1');
  sync(3, 'actblue_csv', 'failed', 's3');
  await settle(60);
  expect(refreshes).toEqual([['meta', 'hourly-metrics', 'sms', 'dashboard']]);
  sync(1, 'meta', 'success', 's4');
  await settle(80);
  expect(refreshes[1]).toEqual(['meta', 'hourly-metrics', 'dashboard']);
});
