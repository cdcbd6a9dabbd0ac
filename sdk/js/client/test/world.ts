import { initialState, step } from '../src/machine.js';
import type { Frame, Verdict } from '../src/protocol.js';
import type { Effect, Env, Event, Fate, Limits, Transport } from '../src/state.js';

/** Small and fast; the same seed gives the same run everywhere. */
export function generator(seed: number): () => number {
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
export class World {
  readonly random: () => number;
  state;
  epoch = 1;
  /** The log of the current epoch: offset i + 1; true if it concerns the subscription. */
  log: boolean[] = [];
  trimmed = 0;
  timers = new Set<string>();
  /** Frames under way to the client; of one socket always in order. */
  wires: Wire[] = [];
  /** The connections that the server has, with the join of the subscription, if it is joined. */
  served = new Map<number, { joinRef: string | null }>();
  /** What the network lets through. */
  passes = new Set<Transport>(['ws', 'sse', 'longpoll', 'poll']);
  /** Connections that served before another took over. */
  takeovers = 0;
  /** What the application saw. */
  seen: (string | Verdict)[] = [];
  /** Positions of all changes ever committed, in order. */
  committed: string[] = [];

  constructor(
    seed: number,
    limits: Partial<Limits> = {},
    /** Each step, as it was taken. */
    readonly onStep: (event: Event, env: Env, effects: readonly Effect[]) => void = () => {},
  ) {
    this.random = generator(seed);
    this.state = initialState(limits);
  }

  chance(p: number): boolean {
    return this.random() < p;
  }

  dispatch(event: Event): void {
    const before = this.state;
    const env = { now: 0, random: this.random() };
    const [state, effects] = step(before, event, env);
    this.state = state;
    this.onStep(event, env, effects);
    if (before.probe && state.conn === before.probe.conn) this.takeovers++;
    for (const effect of effects) this.perform(effect);
  }

  perform(effect: Effect): void {
    if (effect.type === 'timer') {
      if (effect.ms === null) this.timers.delete(effect.name);
      else this.timers.add(effect.name);
    } else if (effect.type === 'token') {
      queue.push(() => this.dispatch({ type: 'token', token: 't' }));
    } else if (effect.type === 'connect') {
      this.connect(effect.conn, effect.transport);
    } else if (effect.type === 'disconnect') {
      this.served.delete(effect.conn);
    } else if (effect.type === 'send') {
      if (this.served.has(effect.conn)) this.serve(effect.conn, effect.frame);
    } else if (effect.type === 'change') {
      this.seen.push(effect.change.position!);
    } else if (effect.type === 'verdict') {
      this.seen.push(effect.verdict);
    }
  }

  connect(conn: number, transport: Transport): void {
    if (!this.passes.has(transport)) {
      // It hangs, or is cut in one of the ways that are told apart.
      const fate = [undefined, 'unfit', 'down'][Math.floor(this.random() * 3)] as Fate | undefined;
      const lost = { type: 'lost', conn, code: 1006, reason: '', ...(fate && { fate }) } as const;
      if (this.chance(0.7)) queue.push(() => this.dispatch(lost));
    } else if (this.chance(0.85)) {
      this.served.set(conn, { joinRef: null });
      queue.push(() => this.dispatch({ type: 'opened', conn }));
    }
  }

  head(): string {
    return `${this.epoch}:${this.log.length}`;
  }

  toClient(conn: number, frame: Frame): void {
    this.wires.push({ conn, frame });
  }

  change(offset: number): Frame {
    const data = { type: 'INSERT', schema: 'public', table: 't', record: {} };
    const payload = { ids: [1], data, position: `${this.epoch}:${offset}` };
    return [null, null, 'realtime:t', 'postgres_changes', payload];
  }

  serve(conn: number, [joinRef, ref, topic, event, payload]: Frame): void {
    if (this.chance(0.05)) return; // The socket died under it.
    if (event === 'heartbeat') {
      const response = { tidewire: { position: this.head() } };
      this.toClient(conn, [null, ref, topic, 'phx_reply', { status: 'ok', response }]);
    }
    if (event !== 'phx_join') return;
    if (this.chance(0.1)) {
      this.toClient(conn, [
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
    this.toClient(conn, [joinRef, ref, topic, 'phx_reply', { status: 'ok', response }]);
    if (recovered) {
      // A server may send a little too much: what is known already must not be seen twice.
      if (this.chance(0.3)) from = Math.max(this.trimmed, from - 3);
      for (let o = from + 1; o <= this.log.length; o++) {
        if (this.log[o - 1]) this.toClient(conn, this.change(o));
      }
      const done = {
        extension: 'tidewire',
        status: 'ok',
        message: 'caught_up',
        position: this.head(),
      };
      this.toClient(conn, [joinRef, null, topic, 'system', done]);
    }
    this.served.get(conn)!.joinRef = joinRef!;
  }

  commit(): void {
    const concerns = this.chance(0.7);
    this.log.push(concerns);
    if (!concerns) return;
    this.committed.push(this.head());
    const frame = this.change(this.log.length);
    for (const [conn, { joinRef }] of this.served) {
      if (joinRef === null) continue;
      this.toClient(conn, frame);
      if (this.chance(0.1)) this.toClient(conn, frame);
    }
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
    const conn = this.state.probe && this.chance(0.3) ? this.state.probe.conn : this.state.conn;
    this.served.delete(conn);
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

  /** Another network: other transports pass. */
  block(): void {
    this.passes = new Set(transports.filter(() => this.chance(0.6)));
  }

  restart(): void {
    for (const conn of this.served.keys()) {
      queue.push(() => this.dispatch({ type: 'lost', conn, code: 1012, reason: '' }));
    }
    this.served.clear();
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
      else if (roll < 0.99) this.block();
      else this.dispatch({ type: this.chance(0.5) ? 'pause' : 'resume' });
    }
    // The network heals: everything must settle, by the best transport.
    this.passes = new Set(transports);
    this.dispatch({ type: 'resume' });
    for (let i = 0; i < 5_000 && !this.settled(); i++) {
      while (queue.length > 0) queue.shift()!();
      if (this.wires.length > 0) this.arrive();
      else this.fire((name) => name === 'heartbeat' || name === 'silent' || name === 'token');
    }
  }

  settled(): boolean {
    return (
      this.state.channels['t']!.phase === 'live' &&
      this.state.rung === 0 &&
      this.wires.length === 0 &&
      queue.length === 0
    );
  }
}

/** What happens as soon as the present step is over. */
export const queue: (() => void)[] = [];
const transports: readonly Transport[] = ['ws', 'sse', 'longpoll', 'poll'];
