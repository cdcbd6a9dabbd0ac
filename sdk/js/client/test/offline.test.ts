import { IDBFactory } from 'fake-indexeddb';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openOfflineQueue, type OfflineQueue } from '../src/offline.js';
import { Mutations, Overlay, type MutationPhase } from '../src/optimistic.js';
import { TidewireError } from '../src/rest.js';

let database: IDBFactory;
let online: boolean;
/** What the server did, by idempotency key: a repetition is answered and not done again. */
let server: Map<string, unknown>;
let order: unknown[];
const open: OfflineQueue[] = [];

beforeEach(() => {
  database = new IDBFactory();
  online = true;
  server = new Map();
  order = [];
});
afterEach(() => {
  for (const queue of open.splice(0)) queue.close();
});

async function openQueue(user = 'ada', more: object = {}) {
  const queue = await openOfflineQueue({
    user,
    indexedDB: database,
    locks: null,
    retry: { baseMs: 5, maxMs: 10 },
    ...more,
  });
  open.push(queue);
  return queue;
}
const send = async (vars: any, { mutationId }: { mutationId: string }) => {
  if (!online) throw new TidewireError(0, 'The server cannot be reached.');
  if (vars.bad) throw new TidewireError(403, 'not allowed');
  if (!server.has(mutationId)) order.push(vars.n);
  server.set(mutationId, vars);
  if (vars.answerLost && !server.has(`${mutationId} answered`)) {
    server.set(`${mutationId} answered`, true);
    throw new TidewireError(0, 'The connection broke.');
  }
  return { position: `e:${server.size}` };
};
const entry = (n: number, scope = 's', more: object = {}) => ({
  id: `c:${n}`,
  name: 'm',
  scope,
  vars: { n, ...more },
});

it('waits while offline and sends in order on return', async () => {
  const queue = await openQueue();
  queue.register('m', send);
  online = false;
  const outcomes = [1, 2, 3].map((n) => queue.enqueue(entry(n)));
  await vi.waitFor(() => expect(queue.waiting).toBe(3));
  online = true;
  await Promise.all(outcomes);
  expect(order).toEqual([1, 2, 3]);
  expect(queue.waiting).toBe(0);
});

it('executes once although the answer was lost', async () => {
  const queue = await openQueue();
  queue.register('m', send);
  await queue.enqueue(entry(1, 's', { answerLost: true }));
  expect(order).toEqual([1]);
});

it('lets another scope pass one that waits, and the same scope not', async () => {
  const queue = await openQueue();
  let blocked = true;
  queue.register('m', async (vars, context) => {
    if (vars.n === 1 && blocked) throw new TidewireError(503, 'later');
    return send(vars, context);
  });
  const first = queue.enqueue(entry(1, 'a'));
  const second = queue.enqueue(entry(2, 'a'));
  await queue.enqueue(entry(3, 'b'));
  expect(order).toEqual([3]);
  blocked = false;
  await Promise.all([first, second]);
  expect(order).toEqual([3, 1, 2]);
});

it('a refusal is kept as dead and lets the next one pass', async () => {
  const queue = await openQueue();
  queue.register('m', send);
  await expect(queue.enqueue(entry(1, 's', { bad: true }))).rejects.toThrow('not allowed');
  await queue.enqueue(entry(2));
  expect(order).toEqual([2]);
  expect(queue.dead).toMatchObject([{ id: 'c:1', error: 'not allowed' }]);
  await queue.discard('c:1');
  expect(queue.dead).toEqual([]);
});

it('survives a reload, is shown again, and never sends what another user queued', async () => {
  online = false;
  const before = await openQueue();
  before.register('m', send);
  void before.enqueue(entry(1)).catch(() => {});
  await vi.waitFor(() => expect(before.waiting).toBe(1));
  before.close();
  online = true;

  const other = await openQueue('bob');
  other.register('m', send);
  await other.drain();
  expect(order).toEqual([]);

  const after = await openQueue();
  const restored: unknown[] = [];
  after.register('m', send, (again, outcome) => {
    restored.push(again.vars);
    void outcome.then(() => restored.push('done'));
  });
  await vi.waitFor(() => expect(restored).toEqual([{ n: 1 }, 'done']));
  expect(order).toEqual([1]);
});

it('refuses more than it may hold, and forgets all on logout', async () => {
  online = false;
  const queue = await openQueue('ada', { entriesMax: 2 });
  queue.register('m', send);
  const held = [1, 2].map((n) => queue.enqueue(entry(n)).catch((error: Error) => error.message));
  await expect(queue.enqueue(entry(3))).rejects.toThrow('queue_full');
  await queue.clear();
  expect(await Promise.all(held)).toEqual(['The queue was cleared.', 'The queue was cleared.']);
  online = true;
  await queue.drain();
  expect(order).toEqual([]);
});

it('a queued mutation is shown at once and confirmed after the return', async () => {
  const shown = new Map<string, unknown>([['["rows"]', [{ id: 1, v: 'server' }]]]);
  const overlay = new Overlay({
    hashOf: (key) => JSON.stringify(key),
    find: () => [...shown.keys()],
    read: (hash) => shown.get(hash),
    show: (hash, data) => shown.set(hash, data),
    batch: (run) => run(),
  });
  const queue = await openQueue();
  const confirmed: unknown[] = [];
  const mutations = new Mutations(
    overlay,
    async (_patch, position) => {
      confirmed.push(position);
      return 'synced';
    },
    queue,
  );
  const mutation = {
    mutationKey: ['rows', 'set'],
    mutationFn: send,
    offline: 'queue' as const,
    scope: 'rows:1',
    apply: (store: any, vars: { n: number }) =>
      store.update(['rows'], (rows: any[]) => rows.map((row) => ({ ...row, v: `mine${vars.n}` }))),
  };
  mutations.register(mutation);
  online = false;
  const phases: MutationPhase[] = [];
  const done = mutations.run(mutation, { n: 4 }, (phase) => phases.push(phase));
  expect(shown.get('["rows"]')).toEqual([{ id: 1, v: 'mine4' }]);
  await vi.waitFor(() => expect(queue.waiting).toBe(1));
  overlay.rebase('["rows"]', [{ id: 1, v: 'pushed' }]);
  expect(shown.get('["rows"]')).toEqual([{ id: 1, v: 'mine4' }]);
  online = true;
  await done;
  await vi.waitFor(() => expect(phases).toEqual(['queued', 'acknowledged', 'synced']));
  expect(confirmed).toEqual(['e:1']);
  expect(shown.get('["rows"]')).toEqual([{ id: 1, v: 'pushed' }]);
});
