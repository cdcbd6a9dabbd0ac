import { describe, expect, it } from 'vitest';
import { statusOf } from '../src/status.js';
import type { Event, Limits } from '../src/state.js';
import { Driver } from './driver.js';

const fresh = (limits?: Partial<Limits>) => new Driver(limits);
const since = (d: Driver) => (d.sent('phx_join')[0]!.frame[4] as any).config.tidewire.since;
const jwt = (exp: number, salt = '') =>
  `x.${btoa(JSON.stringify({ exp, salt })).replace(/=+$/, '')}.y`;

describe('machine', () => {
  it('goes from the first subscription to live, step by step', () => {
    const d = fresh();
    d.subscribe('a');
    expect(d.of('token')).toHaveLength(1);
    d.do({ type: 'token', token: 't1' });
    expect(d.of('connect')).toEqual([{ type: 'connect', conn: 1, transport: 'ws', token: 't1' }]);
    d.do({ type: 'opened', conn: 1 });
    const [, , topic, , payload] = d.sent('phx_join')[0]!.frame;
    expect(topic).toBe('realtime:a');
    expect(payload).toMatchObject({
      config: {
        postgres_changes: [{ event: '*', schema: 'public', table: 'a' }],
        tidewire: { positions: true, leave: true },
      },
      access_token: 't1',
    });
    d.reply('a', { position: 'e:10', recovered: null, reason: null });
    expect(d.of('verdict')).toEqual([]);
    expect(d.of('channel').at(-1)).toMatchObject({ phase: 'live' });
    expect(d.state.channels['a']!.position).toBe('e:10');
  });

  it('I1 ignores events of any socket but the current one', () => {
    const d = fresh().live();
    const old = d.state.conn;
    d.reopen();
    for (const event of [
      { type: 'opened', conn: old },
      { type: 'lost', conn: old, code: 1006, reason: '' },
      { type: 'frame', conn: old, frame: [null, null, 'realtime:a', 'postgres_changes', {}] },
    ] as Event[]) {
      const before = d.state;
      expect(d.do(event)).toEqual([]);
      expect(d.state).toBe(before);
    }
  });

  it('I2 delivers rising offsets only', () => {
    const d = fresh().live('a', 'e:10');
    const seen: string[] = [];
    for (const offset of [9, 10, 11, 11, 13, 12, 14]) {
      d.change('a', `e:${offset}`);
      seen.push(...d.of('change').map((e) => e.change.position!));
    }
    expect(seen).toEqual(['e:11', 'e:13', 'e:14']);
  });

  it('I2 announces a new epoch in mid-stream before its first change', () => {
    const d = fresh().live('a', 'e:10');
    d.change('a', 'f:1');
    expect(d.effects.filter((e) => e.type !== 'channel').map((e) => e.type)).toEqual([
      'verdict',
      'change',
    ]);
    expect(d.of('verdict')[0]!.verdict).toEqual({ recovered: false, reason: 'epoch_changed' });
  });

  it('I3 asks since its position and gives the verdict after the last missed change', () => {
    const d = fresh().live('a', 'e:10');
    d.change('a', 'e:12');
    d.reopen();
    expect(since(d)).toBe('e:12');
    d.reply('a', { position: 'e:20', recovered: true, reason: null });
    expect(d.of('verdict')).toEqual([]);
    d.change('a', 'e:15');
    expect(d.of('change')).toHaveLength(1);
    d.caughtUp('a', 'e:20');
    expect(d.of('verdict')[0]!.verdict).toEqual({ recovered: true, reason: null });
    expect(d.state.channels['a']).toMatchObject({ phase: 'live', position: 'e:20' });
  });

  it.each(['expired', 'epoch_changed', 'too_many', 'unknown_position'])(
    'I3 says that it was not recovered: %s',
    (reason) => {
      const d = fresh().live('a', 'e:10');
      d.reopen();
      d.reply('a', { position: 'f:3', recovered: false, reason });
      expect(d.of('verdict')).toEqual([
        { type: 'verdict', id: 'a', verdict: { recovered: false, reason } },
      ]);
      expect(d.state.channels['a']).toMatchObject({ phase: 'live', position: 'f:3' });
    },
  );

  it('I3 calls a gap a gap where the server keeps no positions', () => {
    const d = fresh();
    d.subscribe('a');
    d.open();
    d.reply('a');
    expect(d.of('verdict')).toEqual([]);
    d.change('a', null);
    expect(d.of('change')).toHaveLength(1);
    d.reopen();
    expect(since(d)).toBeUndefined();
    d.reply('a');
    expect(d.of('verdict')[0]!.verdict).toEqual({ recovered: false, reason: 'unsupported' });
  });

  it('I3 starts at a position given from outside, with a verdict', () => {
    const d = fresh();
    d.subscribe('a', 'e:5');
    d.open();
    expect(since(d)).toBe('e:5');
    d.reply('a', { position: 'e:9', recovered: true, reason: null });
    d.caughtUp('a', 'e:9');
    expect(d.of('verdict')).toHaveLength(1);
  });

  it('I4 resumes where delivery ended when catching up is cut', () => {
    const d = fresh().live('a', 'e:10');
    d.reopen();
    d.reply('a', { position: 'e:20', recovered: true, reason: null });
    d.change('a', 'e:14');
    d.reopen();
    expect(since(d)).toBe('e:14');
  });

  it('I5 moves live channels by the watermark, forwards and within the epoch', () => {
    const d = fresh().live('a', 'e:10');
    const beat = (position: string) =>
      d.frame([
        null,
        '9',
        'phoenix',
        'phx_reply',
        { status: 'ok', response: { tidewire: { position } } },
      ]);
    for (const [given, position] of [
      ['e:15', 'e:15'],
      ['e:12', 'e:15'],
      ['f:99', 'e:15'],
    ] as const) {
      beat(given);
      expect(d.state.channels['a']!.position).toBe(position);
    }
    d.reopen();
    beat('e:30');
    d.reply('a', { position: 'e:40', recovered: true, reason: null });
    beat('e:40');
    expect(d.state.channels['a']!.position).toBe('e:15');
  });

  it('I6 backs off with full jitter in a doubling window up to its limit', () => {
    const d = fresh({ transports: ['ws'], retryBaseMs: 500, retryMaxMs: 20_000 }).live();
    const delays: number[] = [];
    for (let i = 0; i < 8; i++) {
      d.lose();
      delays.push(d.of('timer').findLast((e) => e.name === 'retry')!.ms!);
      d.do({ type: 'timer', name: 'retry' });
      d.do({ type: 'token', token: 't' });
    }
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  it('I6 spreads over the window that the server asked for', () => {
    const d = fresh();
    d.subscribe('a');
    d.open();
    d.reply('a', { position: 'e:1', recovered: null, reconnect_jitter_max_ms: 8000 });
    d.lose();
    expect(d.of('timer').findLast((e) => e.name === 'retry')!.ms).toBe(4000);
  });

  it('I6 fails when the attempts are used up, and tries when asked or once a minute', () => {
    const d = fresh({ attemptsMax: 2 });
    d.subscribe('a');
    for (const event of [{ type: 'retry' }, { type: 'timer', name: 'retry' }] as const) {
      while (d.state.phase !== 'failed') {
        d.do({ type: 'token_failed', error: 'no' });
        if (d.state.phase === 'waiting') d.do({ type: 'timer', name: 'retry' });
      }
      expect(d.of('timer').findLast((e) => e.name === 'retry')!.ms).toBe(60_000);
      expect(statusOf(d.state).state).toBe('failed');
      d.do(event);
      expect(d.of('token')).toHaveLength(1);
      // It is said to have failed until it succeeds.
      expect(statusOf(d.state)).toMatchObject({ state: 'failed', simple: 'error' });
    }
    d.open();
    expect(statusOf(d.state)).toMatchObject({ state: 'connected', transport: 'ws' });
  });

  it('I6 counts attempts until the connection was stable', () => {
    const d = fresh().live();
    d.reopen();
    expect(d.state.attempt).toBe(1);
    // What has said nothing yet is not stable.
    d.do({ type: 'timer', name: 'stable' });
    expect(d.state.attempt).toBe(1);
    d.reply('a', { position: 'e:10', recovered: true });
    d.do({ type: 'timer', name: 'stable' });
    expect(d.state.attempt).toBe(0);
  });

  it('I7 ends a silent socket, and only a silent one', () => {
    const d = fresh().live();
    d.do({ type: 'timer', name: 'heartbeat' });
    expect(d.sent('heartbeat')).toHaveLength(1);
    d.frame([null, '2', 'phoenix', 'phx_reply', { status: 'ok', response: {} }]);
    d.do({ type: 'timer', name: 'silent' });
    expect(d.state.phase).toBe('open');
    d.do({ type: 'timer', name: 'heartbeat' });
    d.do({ type: 'timer', name: 'silent' });
    expect(d.state.phase).toBe('waiting');
    expect(d.of('disconnect')).toHaveLength(1);
  });

  it('I7 gives up on a socket that does not open', () => {
    const d = fresh();
    d.subscribe('a');
    d.do({ type: 'token', token: 't' });
    d.do({ type: 'timer', name: 'open' });
    expect(d.state).toMatchObject({ phase: 'waiting', attempt: 1 });
  });

  it('I8 asks for a token per attempt and before expiry, and pushes a changed one', () => {
    const d = fresh();
    d.subscribe('a');
    d.do({ type: 'token', token: jwt((d.now + 600_000) / 1000) });
    expect(d.of('timer').find((e) => e.name === 'token')!.ms).toBe(540_000);
    d.do({ type: 'opened', conn: d.state.conn });
    d.reply('a', { position: 'e:1' });
    d.do({ type: 'timer', name: 'token' });
    expect(d.of('token')).toHaveLength(1);
    const next = jwt((d.now + 900_000) / 1000, 'next');
    d.do({ type: 'token', token: next });
    expect(d.sent('access_token')[0]!.frame[4]).toEqual({ access_token: next });
    d.do({ type: 'token', token: next });
    expect(d.sent('access_token')).toHaveLength(0);
    expect(d.of('timer').find((e) => e.name === 'token')!.ms).toBeGreaterThanOrEqual(30_000);
    d.do({ type: 'token_failed', error: 'later' });
    expect(d.state.phase).toBe('open');
    d.lose();
    d.do({ type: 'timer', name: 'retry' });
    expect(d.of('token')).toHaveLength(1);
  });

  it('I9 opens nothing for nobody, and delivers nothing after unsubscribe', () => {
    const d = fresh().live();
    d.do({ type: 'unsubscribe', id: 'a' });
    expect(d.sent('phx_leave')).toHaveLength(1);
    d.change('a', 'e:11');
    expect(d.of('change')).toEqual([]);
    d.lose();
    expect(d.state.phase).toBe('idle');
    expect(d.of('timer').every((e) => e.ms === null)).toBe(true);
  });

  it('I9 ignores changes of an earlier binding until the new join is answered', () => {
    const d = fresh().live('a', 'e:10');
    d.do({ type: 'unsubscribe', id: 'a' });
    d.subscribe('a');
    d.change('a', 'e:11');
    expect(d.of('change')).toEqual([]);
  });

  it('I10 pauses without loss and closes for good', () => {
    const d = fresh().live('a', 'e:10');
    d.do({ type: 'pause' });
    expect(d.state.phase).toBe('paused');
    d.do({ type: 'timer', name: 'heartbeat' });
    expect(d.effects).toEqual([]);
    d.do({ type: 'resume' });
    d.open();
    expect(since(d)).toBe('e:10');
    d.do({ type: 'close' });
    for (const event of [{ type: 'retry' }, { type: 'online' }, { type: 'close' }] as Event[]) {
      expect(d.do(event)).toEqual([]);
    }
  });

  it('I11 retries a refused subscription with growing delays and leaves others alone', () => {
    const d = fresh().live('b', 'e:10');
    d.subscribe('a');
    d.random = 0;
    const delays: number[] = [];
    for (let i = 0; i < 3; i++) {
      d.reply('a', undefined, 'error', 'UnknownTable: no table a');
      expect(d.of('channel').at(-1)).toMatchObject({
        phase: 'refused',
        error: expect.stringContaining('UnknownTable'),
      });
      delays.push(d.of('timer').findLast((e) => e.name === 'join:a')!.ms!);
      d.do({ type: 'timer', name: 'join:a' });
    }
    expect(delays).toEqual([1000, 2000, 4000]);
    expect(d.state.channels['b']!.phase).toBe('live');
  });

  it('I11 takes a fresh token after a refused one', () => {
    const d = fresh();
    d.subscribe('a');
    d.open();
    d.reply('a', undefined, 'error', 'InvalidJWTExpiration: Token has expired');
    expect(d.of('token')).toHaveLength(1);
  });

  it('I11 treats silence and the end of a channel as refusals', () => {
    const d = fresh();
    d.subscribe('a');
    d.open();
    d.do({ type: 'timer', name: 'join:a' });
    expect(d.state.channels['a']!.phase).toBe('refused');
    d.do({ type: 'timer', name: 'join:a' });
    d.reply('a', { position: 'e:1' });
    const ref = d.state.channels['a']!.joinRef;
    d.frame(['77', '77', 'realtime:a', 'phx_close', {}]);
    expect(d.state.channels['a']!.phase).toBe('live');
    d.frame([ref, ref, 'realtime:a', 'phx_error', {}]);
    expect(d.state.channels['a']!.phase).toBe('refused');
  });

  it('retries at once when the network returns, and probes an open connection', () => {
    const d = fresh().live();
    d.do({ type: 'online' });
    expect(d.sent('heartbeat')).toHaveLength(1);
    d.lose();
    d.do({ type: 'online' });
    expect(d.state.phase).toBe('token');
  });
});
