import { expect, it } from 'vitest';
import { initialState, step } from '../src/machine.js';
import type { Frame, Verdict } from '../src/protocol.js';
import type { Effect, Event } from '../src/state.js';

/** Small and fast; the same seed gives the same run everywhere. */
function generator(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

interface Wire {
  conn: number;
  frame: Frame;
}

/**
 * A server with a log, a network that cuts, delays, duplicates and mixes sockets, and the machine.
 * What the application saw is compared with the log.
 */
class World {
  readonly random: () => number;
  state = initialState({ attemptsMax: Infinity });
  epoch = 1;
  /** The log of the current epoch: offset i + 1; true if it concerns the subscription. */
  log: boolean[] = [];
  trimmed = 0;
  timers = new Set<string>();
  /** Frames under way to the client; of one socket always in order. */
  wires: Wire[] = [];
  serverConn = 0;
  joined: { conn: number; joinRef: string } | null = null;
  /** What the application saw. */
  seen: (string | Verdict)[] = [];
  /** Positions of all changes ever committed, in order. */
  committed: string[] = [];

  constructor(seed: number) {
    this.random = generator(seed);
  }

  chance(p: number): boolean {
    return this.random() < p;
  }

  dispatch(event: Event): void {
    const [state, effects] = step(this.state, event, { now: 0, random: this.random() });
    this.state = state;
    for (const effect of effects) this.perform(effect);
  }

  perform(effect: Effect): void {
    if (effect.type === 'timer') {
      if (effect.ms === null) this.timers.delete(effect.name);
      else this.timers.add(effect.name);
    } else if (effect.type === 'token') {
      queue.push(() => this.dispatch({ type: 'token', token: 't' }));
    } else if (effect.type === 'connect') {
      this.serverConn = effect.conn;
      this.joined = null;
      if (this.chance(0.85)) queue.push(() => this.dispatch({ type: 'opened', conn: effect.conn }));
    } else if (effect.type === 'disconnect') {
      this.joined = null;
    } else if (effect.type === 'send') {
      this.serve(effect.frame);
    } else if (effect.type === 'change') {
      this.seen.push(effect.change.position!);
    } else if (effect.type === 'verdict') {
      this.seen.push(effect.verdict);
    }
  }

  head(): string {
    return `${this.epoch}:${this.log.length}`;
  }

  toClient(frame: Frame, conn = this.serverConn): void {
    this.wires.push({ conn, frame });
  }

  change(offset: number): Frame {
    const data = { type: 'INSERT', schema: 'public', table: 't', record: {} };
    const payload = { ids: [1], data, position: `${this.epoch}:${offset}` };
    return [null, null, 'realtime:t', 'postgres_changes', payload];
  }

  serve([joinRef, ref, topic, event, payload]: Frame): void {
    if (this.chance(0.05)) return; // The socket died under it.
    if (event === 'heartbeat') {
      const response = { tidewire: { position: this.head() } };
      this.toClient([null, ref, topic, 'phx_reply', { status: 'ok', response }]);
    }
    if (event !== 'phx_join') return;
    if (this.chance(0.1)) {
      this.toClient([
        joinRef,
        ref,
        topic,
        'phx_reply',
        { status: 'error', response: { reason: 'Busy' } },
      ]);
      return;
    }
    const since = (payload as any).config.tidewire.since as string | undefined;
    let recovered: boolean | null = null;
    let reason: string | null = null;
    let from = this.log.length;
    if (since) {
      const [epoch, offset] = since.split(':').map(Number) as [number, number];
      recovered = epoch === this.epoch && offset >= this.trimmed;
      if (recovered) from = offset;
      else reason = epoch === this.epoch ? 'expired' : 'epoch_changed';
    }
    const response = {
      postgres_changes: [],
      tidewire: { position: this.head(), recovered, reason },
    };
    this.toClient([joinRef, ref, topic, 'phx_reply', { status: 'ok', response }]);
    if (recovered) {
      // A server may send a little too much: what is known already must not be seen twice.
      if (this.chance(0.3)) from = Math.max(this.trimmed, from - 3);
      for (let o = from + 1; o <= this.log.length; o++) {
        if (this.log[o - 1]) this.toClient(this.change(o));
      }
      const done = {
        extension: 'tidewire',
        status: 'ok',
        message: 'caught_up',
        position: this.head(),
      };
      this.toClient([joinRef, null, topic, 'system', done]);
    }
    this.joined = { conn: this.serverConn, joinRef: joinRef! };
  }

  commit(): void {
    const concerns = this.chance(0.7);
    this.log.push(concerns);
    if (!concerns) return;
    this.committed.push(this.head());
    if (!this.joined) return;
    const frame = this.change(this.log.length);
    this.toClient(frame);
    if (this.chance(0.1)) this.toClient(frame);
  }

  /** One frame arrives: any socket's next one, so that old sockets' frames come late. */
  arrive(): void {
    if (this.wires.length === 0) return;
    const conns = [...new Set(this.wires.map((wire) => wire.conn))];
    const conn = conns[Math.floor(this.random() * conns.length)]!;
    const index = this.wires.findIndex((wire) => wire.conn === conn);
    const [wire] = this.wires.splice(index, 1);
    this.dispatch({ type: 'frame', conn: wire!.conn, frame: wire!.frame });
  }

  cut(): void {
    const conn = this.state.conn;
    this.joined = null;
    // What was under way is lost, or arrives much later.
    if (this.chance(0.5)) this.wires = this.wires.filter((wire) => wire.conn !== conn);
    this.dispatch({ type: 'lost', conn, code: 1006, reason: '' });
  }

  fire(except: (name: string) => boolean = () => false): void {
    const names = [...this.timers].filter((name) => !except(name));
    if (names.length === 0) return;
    const name = names[Math.floor(this.random() * names.length)]!;
    this.timers.delete(name);
    this.dispatch({ type: 'timer', name });
  }

  restart(): void {
    this.cut();
    if (this.chance(0.5)) return;
    this.epoch++;
    this.log = [];
    this.trimmed = 0;
  }

  run(steps: number): void {
    this.dispatch({
      type: 'subscribe',
      id: 't',
      binding: { event: '*', schema: 'public', table: 't' },
      since: null,
    });
    for (let i = 0; i < steps; i++) {
      while (queue.length > 0) queue.shift()!();
      const roll = this.random();
      if (roll < 0.4) this.arrive();
      else if (roll < 0.75) this.commit();
      else if (roll < 0.9) this.fire();
      else if (roll < 0.97) this.cut();
      else if (roll < 0.98) this.trimmed = Math.floor(this.random() * (this.log.length + 1));
      else if (roll < 0.985) this.restart();
      else this.dispatch({ type: this.chance(0.5) ? 'pause' : 'resume' });
    }
    // The network heals: everything must settle.
    this.dispatch({ type: 'resume' });
    for (let i = 0; i < 5_000 && !this.settled(); i++) {
      while (queue.length > 0) queue.shift()!();
      if (this.wires.length > 0) this.arrive();
      else this.fire((name) => name === 'heartbeat' || name === 'silent' || name === 'token');
    }
  }

  settled(): boolean {
    return (
      this.state.channels['t']!.phase === 'live' && this.wires.length === 0 && queue.length === 0
    );
  }
}

const queue: (() => void)[] = [];

const base = Number(process.env['TIDEWIRE_SEED'] ?? Date.now() % 1_000_000);
const runs = Number(process.env['TIDEWIRE_RUNS'] ?? 400);

it(`every change exactly once and in order, or an honest verdict (seeds ${base}…)`, () => {
  let changes = 0;
  let recoveries = 0;
  let refusals = 0;
  for (let seed = base; seed < base + runs; seed++) {
    queue.length = 0;
    const world = new World(seed);
    world.run(600);
    expect(world.settled(), `settles, seed ${seed}`).toBe(true);
    // Between two `recovered: false` the application must have seen a contiguous run of the log.
    const index = new Map(world.committed.map((position, i) => [position, i]));
    let last: number | null = null;
    for (const item of world.seen) {
      if (typeof item !== 'string') {
        if (item.recovered) recoveries++;
        else {
          refusals++;
          last = null;
        }
        continue;
      }
      changes++;
      const at = index.get(item)!;
      if (last !== null) expect(at, `next after ${last}, seed ${seed}: ${item}`).toBe(last + 1);
      last = at;
    }
    // And nothing is missing at the end.
    if (last !== null) expect(last, `complete, seed ${seed}`).toBe(world.committed.length - 1);
  }
  console.log(
    `seeds ${base}..${base + runs - 1}: ${changes} changes, ${recoveries} recoveries, ${refusals} refusals`,
  );
  expect(changes).toBeGreaterThan(1000);
  expect(recoveries).toBeGreaterThan(100);
  expect(refusals).toBeGreaterThan(10);
});
