import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { initialState, step } from '../src/machine.js';
import type { Effect, Env, Event, Limits } from '../src/state.js';
import { Driver } from './driver.js';
import { queue, World } from './world.js';

// What the machine does, step by step, for the machine in C++ to do the same: sdk/vectors. Runs by
// hand for each invariant, and random ones. `TIDEWIRE_UPDATE_VECTORS=1` writes them anew.

const path = fileURLToPath(new URL('../../../vectors/client.json', import.meta.url));
/** Only what both have: one transport, no rooms. */
const limits: Partial<Limits> = { transports: ['ws'], attemptsMax: 1_000_000 };

interface Step {
  readonly event: Event;
  readonly env: Env;
  readonly effects: readonly unknown[];
}
interface Vector {
  readonly name: string;
  readonly limits: Partial<Limits>;
  readonly steps: readonly Step[];
}

/** Without what is a client's own: its name, and the transports. */
function plain(effect: Effect): unknown[] {
  if (effect.type === 'timer' && effect.name === 'probe') return [];
  if (effect.type === 'connect')
    return [{ type: 'connect', conn: effect.conn, token: effect.token }];
  if (effect.type === 'send' && effect.frame[3] === 'phx_join') {
    const { version: _own, ...payload } = effect.frame[4];
    return [{ ...effect, frame: [...effect.frame.slice(0, 4), payload] }];
  }
  return [JSON.parse(JSON.stringify(effect))];
}

const jwt = (exp: number) => `x.${btoa(JSON.stringify({ exp })).replace(/=+$/, '')}.y`;

/** Runs by hand: the invariants' own tests, told again. */
const runs: Record<string, (d: Driver) => void> = {
  'subscribe, live, changes, watermark, leave': (d) => {
    d.live();
    for (const offset of [9, 10, 11, 11, 13, 12]) d.change('a', `e:${offset}`);
    const beat = (position: string) =>
      d.frame([
        null,
        '9',
        'phoenix',
        'phx_reply',
        { status: 'ok', response: { tidewire: { position } } },
      ]);
    ['e:15', 'e:12', 'f:99', 'e:999999999999999999999'].forEach(beat);
    d.change('a', 'f:1');
    d.subscribe('b', 'f:0');
    d.do({ type: 'unsubscribe', id: 'a' });
    d.change('a', 'f:2');
  },
  'resume, recovered and not, cut in the midst': (d) => {
    d.live('a', 'e:10').reopen();
    d.reply('a', { position: 'e:20', recovered: true, reason: null });
    d.change('a', 'e:15');
    d.reopen();
    d.reply('a', { position: 'e:20', recovered: true, reason: null });
    d.change('a', 'e:16');
    d.caughtUp('a', 'e:20');
    for (const reason of ['expired', 'too_many', undefined]) {
      d.reopen();
      d.reply('a', { position: 'f:3', recovered: false, ...(reason && { reason }) });
    }
    d.reopen();
    d.reply('a');
    d.change('a', null);
  },
  'back-off, the server window, attempts used up': (d) => {
    d.live();
    for (let i = 0; i < 8; i++) {
      d.lose();
      d.timer('retry');
      d.do({ type: 'token', token: 't' });
    }
    d.do({ type: 'opened', conn: d.state.conn });
    d.reply('a', { position: 'e:1', recovered: true, reconnect_jitter_max_ms: 8000 });
    d.timer('stable');
    d.lose();
    d.timer('retry');
    d.do({ type: 'token_failed', error: 'no' });
    d.do({ type: 'retry' });
  },
  'silence, openings and joins that are not answered': (d) => {
    d.subscribe('a');
    d.timer('open');
    d.timer('retry');
    d.do({ type: 'token', token: 't' });
    d.timer('open');
    d.timer('retry');
    d.open();
    d.timer('stable');
    d.timer('join:a');
    d.timer('join:a');
    d.reply('a', { position: 'e:1' });
    d.timer('heartbeat');
    d.frame([null, '9', 'phoenix', 'phx_reply', { status: 'ok', response: {} }]);
    d.timer('silent');
    d.timer('heartbeat');
    d.timer('silent');
  },
  'tokens: before they expire, changed, refused': (d) => {
    d.subscribe('a');
    d.do({ type: 'token', token: jwt((d.now + 600_000) / 1000) });
    d.do({ type: 'opened', conn: d.state.conn });
    d.reply('a', { position: 'e:1' });
    d.timer('token');
    d.do({ type: 'token', token: jwt((d.now + 900_000) / 1000) });
    d.do({ type: 'token', token: jwt((d.now + 900_000) / 1000) });
    d.do({ type: 'token', token: jwt((d.now - 1_000) / 1000) });
    d.do({ type: 'token', token: 'x.%%%.y' });
    d.do({ type: 'token_failed', error: 'later' });
    d.subscribe('b');
    d.reply('b', undefined, 'error', 'InvalidJWTExpiration: Token has expired');
    d.do({ type: 'token', token: 'next' });
    d.timer('join:b');
    d.frame([null, null, 'realtime:a', 'phx_error', {}]);
    d.frame([null, null, 'realtime:a', 'system', { status: 'error', message: 'x' }]);
  },
  'pause, resume, close': (d) => {
    d.live('a', 'e:10');
    d.do({ type: 'pause' });
    d.timer('heartbeat');
    d.do({ type: 'resume' });
    d.open();
    const payload = { extension: 'postgres_changes', status: 'error', message: 'no such table' };
    d.frame([null, null, 'realtime:a', 'system', payload]);
    d.frame([null, null, 'realtime:a', 'system', { ...payload, status: 'ok' }]);
    d.frame([null, null, 'realtime:a', 'system', payload]);
    d.frame([null, null, 'realtime:other', 'phx_close', {}]);
    d.do({ type: 'close' });
    d.do({ type: 'retry' });
  },
};

function made(): Vector[] {
  const vectors: Vector[] = [];
  for (const [name, run] of Object.entries(runs)) {
    const steps: Step[] = [];
    const d = new Driver(limits);
    const perform = d.do.bind(d);
    d.do = (event) => {
      const env = { now: d.now, random: d.random };
      const effects = perform(event);
      steps.push({ event, env, effects: effects.flatMap(plain) });
      return effects;
    };
    run(d);
    vectors.push({ name, limits, steps });
  }
  for (let seed = 1; seed <= 5; seed++) {
    const steps: Step[] = [];
    queue.length = 0;
    const world = new World(seed, limits, (event, env, effects) => {
      if (steps.length < 120) steps.push({ event, env, effects: effects.flatMap(plain) });
    });
    world.run(220);
    vectors.push({ name: `random ${seed}`, limits, steps });
  }
  return JSON.parse(JSON.stringify(vectors)) as Vector[];
}

it('does what the shared vectors say', () => {
  if (process.env['TIDEWIRE_UPDATE_VECTORS']) {
    const text = made().map((vector) => {
      const { steps, ...rest } = vector;
      const lines = steps.map((each) => `    ${JSON.stringify(each)}`).join(',\n');
      return `  ${JSON.stringify(rest).slice(0, -1)},"steps":[\n${lines}\n  ]}`;
    });
    writeFileSync(path, `[\n${text.join(',\n')}\n]\n`);
  }
  const kept = JSON.parse(readFileSync(path, 'utf8')) as Vector[];
  expect(kept.map(({ name }) => name)).toEqual(made().map(({ name }) => name));
  for (const vector of kept) {
    let state = initialState(vector.limits);
    vector.steps.forEach(({ event, env, effects }, at) => {
      const [next, done] = step(state, event, env);
      state = next;
      const seen = JSON.parse(JSON.stringify(done.flatMap(plain)));
      expect(seen, `${vector.name}, step ${at}`).toEqual(effects);
    });
  }
});
