import { beforeEach, expect, it, vi } from 'vitest';
import { initialState, step } from '../src/machine.js';
import { rooms, type RoomHub } from '../src/room.js';
import type { Effect, Event, State } from '../src/state.js';

/** A hub over the real machine, with the server's side spoken by the test. */
let state: State;
let effects: Effect[];
let hub: RoomHub;
const env = { now: 0, random: 0.5 };

function dispatch(event: Event) {
  const [next, done] = step(state, event, { now: Date.now(), random: env.random });
  state = next;
  effects.push(...done);
  for (const effect of done) {
    if (effect.type === 'token') dispatch({ type: 'token', token: 't' });
    hub.perform(effect);
  }
}
const sent = (event: string) =>
  effects.flatMap((each) => (each.type === 'send' && each.frame[3] === event ? [each.frame] : []));
const frame = (event: string, payload: object, ref: string | null = null) =>
  dispatch({
    type: 'frame',
    conn: state.conn,
    frame: [null, ref, 'realtime:desk', event, payload as Record<string, unknown>],
  });
const join = () => {
  dispatch({ type: 'opened', conn: state.conn });
  const ref = sent('phx_join').at(-1)![1]!;
  frame('phx_reply', { status: 'ok', response: {} }, ref);
};

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  state = initialState();
  effects = [];
  hub = rooms(dispatch, {
    now: () => Date.now(),
    random: () => env.random,
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer),
  });
  return () => vi.useRealTimers();
});

it('I12: joins with presence and acknowledgements, no positions, and no verdict ever', () => {
  hub.enter('desk', { key: 'ada', private: true });
  join();
  expect(sent('phx_join')[0]![4]['config']).toEqual({
    broadcast: { ack: true, self: false },
    presence: { key: 'ada', enabled: true },
    postgres_changes: [],
    private: true,
  });
  dispatch({ type: 'lost', conn: state.conn, code: 1006, reason: '' });
  dispatch({ type: 'timer', name: 'retry' });
  join();
  expect(effects.filter((each) => each.type === 'verdict')).toEqual([]);
});

it('I12: tells the fate of each message: taken, refused, never sent, never answered', async () => {
  const room = hub.enter('desk', {});
  expect(await room.send('moved')).toBe('offline');
  join();
  const taken = room.send('moved', { x: 1 });
  const [joinRef, ref, topic, , payload] = sent('broadcast').at(-1)!;
  expect([topic, payload]).toEqual([
    'realtime:desk',
    { type: 'broadcast', event: 'moved', payload: { x: 1 } },
  ]);
  expect(joinRef).toBe(sent('phx_join').at(-1)![1]);
  frame('phx_reply', { status: 'ok', response: {} }, ref);
  expect(await taken).toBe('ok');
  const refused = room.send('moved');
  frame('phx_reply', { status: 'error', response: {} }, sent('broadcast').at(-1)![1]);
  expect(await refused).toBe('error');
  const silent = room.send('moved');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await silent).toBe('error');
});

it('hears what it asked for', () => {
  const room = hub.enter('desk', {});
  join();
  const moved = vi.fn();
  const all = vi.fn();
  const stop = room.onBroadcast('moved', moved);
  room.onBroadcast('*', all);
  frame('broadcast', { type: 'broadcast', event: 'moved', payload: { x: 1 } });
  frame('broadcast', { type: 'broadcast', event: 'other', payload: {} });
  stop();
  frame('broadcast', { type: 'broadcast', event: 'moved', payload: { x: 2 } });
  expect(moved.mock.calls).toEqual([[{ x: 1 }, 'moved']]);
  expect(all).toHaveBeenCalledTimes(3);
});

it('keeps who is there by ref: updates, second connections, leaving', () => {
  const room = hub.enter('desk', { key: 'ada' });
  join();
  const names = () =>
    room.members.map((each) => `${each.key}:${each.state['n']}/${each.connections}`);
  frame('presence_state', { bob: { metas: [{ phx_ref: 'b1', n: 1 }] } });
  expect(names()).toEqual(['bob:1/1']);
  frame('presence_diff', {
    joins: { bob: { metas: [{ phx_ref: 'b2', n: 2 }] }, ada: { metas: [{ phx_ref: 'a1', n: 9 }] } },
    leaves: {},
  });
  expect(names()).toEqual(['bob:2/2', 'ada:9/1']);
  expect(room.members.find((each) => each.self)?.key).toBe('ada');
  // An update in one frame, then in two.
  frame('presence_diff', {
    joins: { bob: { metas: [{ phx_ref: 'b3', phx_ref_prev: 'b2', n: 3 }] } },
    leaves: { bob: { metas: [{ phx_ref: 'b2', n: 2 }] } },
  });
  expect(names()).toEqual(['bob:3/2', 'ada:9/1']);
  frame('presence_diff', { joins: {}, leaves: { bob: { metas: [{ phx_ref: 'b1' }] } } });
  frame('presence_diff', { joins: {}, leaves: { bob: { metas: [{ phx_ref: 'b3' }] } } });
  expect(names()).toEqual(['ada:9/1']);
  expect(Object.keys(room.members[0]!.state)).toEqual(['n']);
});

it('tracks again after a reconnect, and within the rate of the server', async () => {
  const room = hub.enter('desk', {});
  room.track({ n: 0 });
  join();
  expect(sent('presence')).toHaveLength(1);
  for (let n = 1; n <= 10; n++) room.track({ n });
  expect(sent('presence')).toHaveLength(4);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(sent('presence')).toHaveLength(5);
  expect(sent('presence').at(-1)![4]['payload']).toEqual({ n: 10 });
  dispatch({ type: 'lost', conn: state.conn, code: 1006, reason: '' });
  dispatch({ type: 'timer', name: 'retry' });
  join();
  expect(sent('presence').at(-1)![4]).toEqual({
    type: 'presence',
    event: 'track',
    payload: { n: 10 },
  });
});

it('shares one membership between entrances, and leaves with the last', () => {
  const one = hub.enter('desk', { key: 'ada' });
  const two = hub.enter('desk', {});
  join();
  expect(sent('phx_join')).toHaveLength(1);
  expect(two.key).toBe('ada');
  one.leave();
  one.leave();
  expect(sent('phx_leave')).toHaveLength(0);
  two.leave();
  expect(sent('phx_leave')).toHaveLength(1);
  expect(state.channels).toEqual({});
});
