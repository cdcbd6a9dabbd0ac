import { beforeEach, expect, it, vi } from 'vitest';
import { createPoller, type PollerOptions } from '../src/poll.js';
import type { EntityEvent } from '../src/entities.js';
import type { ConnectionStatus } from '../src/status.js';

interface Row {
  id: number;
  v?: string;
}
let rows: Row[];
let asked: number;
let events: EntityEvent[];
let fail = false;
const status = new Set<() => void>();
const client = {
  status: { simple: 'disconnected' } as ConnectionStatus,
  onStatus(listener: (status: ConnectionStatus) => void) {
    const run = () => listener(client.status);
    status.add(run);
    return () => status.delete(run);
  },
};

beforeEach(() => {
  vi.useFakeTimers();
  rows = [{ id: 1, v: 'a' }];
  asked = 0;
  events = [];
  fail = false;
  client.status = { simple: 'disconnected' } as ConnectionStatus;
  return () => vi.useRealTimers();
});

const start = (options: Partial<PollerOptions> = {}) =>
  createPoller({
    entities: {
      projects: {
        everyMs: 1_000,
        fetch: async () => {
          asked++;
          if (fail) throw new Error('down');
          return structuredClone(rows);
        },
      },
    },
    adaptive: { minMs: 1_000, maxMs: 8_000, grow: 2 },
    onEvent: (event) => events.push(event),
    environment: { random: () => 0.5, now: () => Date.now() },
    ...options,
  });
const kinds = () => events.map((each) => `${each.action} ${each.data?.['id'] ?? each.old?.['id']}`);

it('reports differences only, by key and content, each with an id of its own', async () => {
  const poller = start();
  await vi.advanceTimersByTimeAsync(0);
  expect(kinds()).toEqual([]);
  rows = [{ id: 2, v: 'new' }];
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kinds()).toEqual(['insert 2', 'delete 1']);
  rows = [{ id: 2, v: 'changed' }];
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kinds().at(-1)).toBe('update 2');
  expect(events.at(-1)).toMatchObject({ entity: 'projects', old: { v: 'new' } });
  expect(new Set(events.map((each) => each.id)).size).toBe(events.length);
  poller.close();
});

it('asks more rarely while nothing changes, at once as often after a change', async () => {
  const poller = start();
  await vi.advanceTimersByTimeAsync(0);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(poller.intervalOf('projects')).toBe(2_000);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(poller.intervalOf('projects')).toBe(8_000);
  rows = [{ id: 1, v: 'b' }];
  while (events.length === 0) await vi.advanceTimersByTimeAsync(100);
  expect(poller.intervalOf('projects')).toBe(1_000);
  poller.close();
  const before = asked;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toBe(before);
});

it('rests while connected, and asks at once when the connection is gone', async () => {
  client.status = { simple: 'connected' } as ConnectionStatus;
  const poller = start({ client });
  await vi.advanceTimersByTimeAsync(10_000);
  expect([asked, poller.intervalOf('projects')]).toEqual([0, null]);
  client.status = { simple: 'reconnecting' } as ConnectionStatus;
  status.forEach((run) => run());
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toBe(1);
  client.status = { simple: 'connected' } as ConnectionStatus;
  status.forEach((run) => run());
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked).toBe(1);
  poller.close();
});

it('does not find again what was pushed meanwhile', async () => {
  const poller = start();
  await vi.advanceTimersByTimeAsync(0);
  rows = [{ id: 1, v: 'pushed' }];
  poller.note({
    type: 'change',
    entity: 'projects',
    action: 'update',
    data: { id: 1, v: 'pushed' },
    old: null,
    timestamp: '',
    id: 'e:7',
  });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kinds()).toEqual([]);
  poller.close();
});

it('goes on after failures, ever more rarely, and says so', async () => {
  fail = true;
  const onError = vi.fn();
  const poller = start({ onError });
  await vi.advanceTimersByTimeAsync(7_500);
  expect(onError).toHaveBeenCalledTimes(3);
  fail = false;
  await vi.advanceTimersByTimeAsync(8_000);
  rows = [{ id: 9 }];
  await vi.advanceTimersByTimeAsync(8_000);
  expect(kinds()).toContain('insert 9');
  poller.close();
});
