import { describe, expect, it } from 'vitest';
import { statusOf } from '../src/status.js';
import type { Fate, Transport } from '../src/state.js';
import { Driver } from './driver.js';

/** The transport of the next attempt, which is begun. */
function next(d: Driver): Transport {
  if (d.state.phase === 'waiting') d.timer('retry');
  d.do({ type: 'token', token: 't' });
  return d.of('connect')[0]!.transport;
}

/** Loses attempt after attempt, each as said; the transports that were tried. */
function tried(d: Driver, fates: readonly (Fate | undefined)[]): Transport[] {
  return fates.map((fate) => {
    const transport = next(d);
    d.lose(fate);
    return transport;
  });
}

const begun = () => {
  const d = new Driver();
  d.subscribe('a', 'e:10');
  return d;
};

/** Serves by long polling, live at e:10, with the token as asked for. */
const polling = () => {
  const d = begun();
  tried(d, ['unfit', 'unfit']);
  expect(next(d)).toBe('longpoll');
  d.do({ type: 'opened', conn: d.state.conn });
  d.reply('a', { position: 'e:10', recovered: true });
  d.caughtUp('a', 'e:10');
  d.timer('stable');
  return d;
};
const answer = (d: Driver, conn: number) =>
  d.frame([null, '1', 'phoenix', 'phx_reply', { status: 'ok', response: {} }], conn);

describe('ladder', () => {
  it('I13 leaves a transport after three that did not last, and begins again below the last', () => {
    const quick = tried(begun(), Array(13).fill(undefined));
    expect(quick).toEqual(
      ['ws', 'sse', 'longpoll', 'poll', 'ws'].flatMap((t) => [t, t, t]).slice(0, 13),
    );
  });

  it('I13 leaves what is unfit, does not open or is silent from the start at once', () => {
    expect(tried(begun(), ['unfit', 'unfit', 'unfit', 'unfit', 'unfit'])).toEqual([
      'ws',
      'sse',
      'longpoll',
      'poll',
      'ws',
    ]);
    const d = begun();
    expect(next(d)).toBe('ws');
    d.timer('open');
    expect(next(d)).toBe('sse');
    d.do({ type: 'opened', conn: d.state.conn });
    d.timer('heartbeat');
    d.timer('silent');
    expect(next(d)).toBe('longpoll');
  });

  it('I13 tries what lasted again, and counts anew', () => {
    const d = begun();
    expect(tried(d, [undefined, undefined])).toEqual(['ws', 'ws']);
    expect(next(d)).toBe('ws');
    d.do({ type: 'opened', conn: d.state.conn });
    d.reply('a', { position: 'e:10', recovered: true });
    d.timer('stable');
    d.lose();
    expect(tried(d, [undefined, undefined, undefined, undefined])).toEqual([
      'ws',
      'ws',
      'ws',
      'sse',
    ]);
  });

  it('I13 uses only what it may', () => {
    const d = new Driver({ transports: ['sse', 'poll'] });
    d.subscribe('a');
    expect(tried(d, ['unfit', 'unfit', 'unfit'])).toEqual(['sse', 'poll', 'sse']);
    const one = new Driver({ transports: ['ws'] });
    one.subscribe('a');
    one.random = 1;
    const delays = [1, 2, 3, 4, 5].map(() => {
      tried(one, ['unfit']);
      return one.delay('retry');
    });
    // Nothing is below it: it backs off as ever.
    expect(delays).toEqual([500, 1000, 2000, 4000, 8000]);
  });

  it('I13 does not blame a transport for a token that could not be had', () => {
    const d = begun();
    for (let i = 0; i < 5; i++) {
      d.do({ type: 'token_failed', error: 'no' });
      d.timer('retry');
    }
    expect(next(d)).toBe('ws');
  });

  it('I6 steps down after the first window, and backs off again when that fails too', () => {
    const d = begun();
    d.random = 1;
    const delays = [undefined, undefined, undefined, 'unfit', 'down'].map((fate) => {
      tried(d, [fate as Fate | undefined]);
      return d.delay('retry');
    });
    expect(delays).toEqual([500, 1000, 500, 500, 8000]);
  });

  it('I14 goes back to the best when not even a plain request is served', () => {
    const d = begun();
    const fates = ['unfit', 'unfit', 'down', undefined, undefined, undefined, 'down'] as const;
    // Event streams may be cut where plain requests are not: long polling is asked first.
    expect(tried(d, [...fates, 'down'])).toEqual([
      'ws',
      'sse',
      'longpoll',
      'ws',
      'ws',
      'ws',
      'sse',
      'longpoll',
    ]);
    expect(next(d)).toBe('ws');
  });

  it('I14 begins with the best on another network', () => {
    const d = begun();
    tried(d, ['unfit', 'unfit']);
    d.do({ type: 'online' });
    d.do({ type: 'token', token: 't' });
    expect(d.of('connect')[0]!.transport).toBe('ws');
  });

  it('I15 tries better transports beside the one that serves, at growing intervals', () => {
    const d = polling();
    d.random = 1;
    const seen: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      const conn = d.state.conn;
      d.timer('probe');
      const probe = d.of('connect')[0]!;
      expect(probe.conn).not.toBe(conn);
      d.lose(undefined, probe.conn);
      seen.push(probe.transport, d.delay('probe'));
      expect(d.state).toMatchObject({ phase: 'open', conn, rung: 2 });
      expect(d.state.channels['a']!.phase).toBe('live');
    }
    expect(seen).toEqual(['ws', 60_000, 'sse', 120_000, 'ws', 240_000, 'sse', 480_000]);
  });

  it('I15 tries at once when the network or the page returns, one at a time', () => {
    const d = polling();
    d.do({ type: 'online' });
    expect(d.of('connect')).toHaveLength(1);
    d.do({ type: 'retry' });
    expect(d.of('connect')).toHaveLength(0);
    const { conn } = d.state.probe!;
    d.timer('probe');
    expect(d.of('disconnect')).toEqual([expect.objectContaining({ conn })]);
    expect(answer(d, conn)).toEqual([]);
    d.do({ type: 'retry' });
    expect(d.of('connect')).toHaveLength(1);
    d.do({ type: 'pause' });
    expect(d.of('disconnect')).toHaveLength(2);
    expect(d.state.probe).toBeNull();
  });

  it('I15 tries nothing while the best serves', () => {
    const d = new Driver().live();
    expect(d.delay('probe')).toBeUndefined();
    d.timer('probe');
    d.do({ type: 'retry' });
    expect(d.of('connect')).toHaveLength(0);
  });

  it('I16 takes over when it is answered, not when it opens, at the same positions', () => {
    const d = polling();
    const old = d.state.conn;
    d.timer('probe');
    const { conn } = d.of('connect')[0]!;
    d.do({ type: 'opened', conn });
    expect(d.of('send')).toEqual([expect.objectContaining({ conn })]);
    expect(d.state.conn).toBe(old);
    d.change('a', 'e:11');
    answer(d, conn);
    expect(d.of('disconnect')).toEqual([expect.objectContaining({ conn: old })]);
    const join = d.sent('phx_join')[0]!;
    expect([join.conn, (join.frame[4] as any).config.tidewire.since]).toEqual([conn, 'e:11']);
    expect(d.state).toMatchObject({ conn, rung: 0, phase: 'open' });
    // I1: what the old one still brings is of the past; the new one tells it.
    d.change('a', 'e:12', old);
    expect(d.effects).toEqual([]);
    d.reply('a', { position: 'e:12', recovered: true });
    d.change('a', 'e:12');
    d.caughtUp('a', 'e:12');
    expect(d.of('verdict')[0]!.verdict).toEqual({ recovered: true, reason: null });
    expect(statusOf(d.state)).toMatchObject({ state: 'connected', transport: 'ws' });
  });

  it('I16 leaves what took over and did not last after one time', () => {
    const d = polling();
    d.timer('probe');
    answer(d, d.of('connect')[0]!.conn);
    d.lose();
    expect(next(d)).toBe('sse');
  });

  it('I7 sends heartbeats where nothing else is asked', () => {
    const d = begun();
    const beats = (['ws', 'sse', 'longpoll', 'poll'] as const).map((transport) => {
      expect(next(d)).toBe(transport);
      d.do({ type: 'opened', conn: d.state.conn });
      const beats = d.delay('heartbeat') !== null;
      d.lose('unfit');
      return beats;
    });
    expect(beats).toEqual([true, true, false, false]);
  });

  it('says what changes come by', () => {
    const d = begun();
    const seen = Array.from({ length: 4 }, () => {
      next(d);
      const before = statusOf(d.state).transport;
      d.do({ type: 'opened', conn: d.state.conn });
      const { state, simple, transport } = statusOf(d.state);
      d.lose('unfit');
      return [before, transport, state, simple].join(' ');
    });
    expect(seen).toEqual([
      ' ws connected connected',
      ' sse connected connected',
      ' longpoll degraded connected',
      ' poll degraded reconnecting',
    ]);
  });
});
