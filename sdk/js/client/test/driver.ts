import { initialState, step } from '../src/machine.js';
import type { Frame } from '../src/protocol.js';
import type { Effect, Event, Fate, Limits } from '../src/state.js';

/** Drives the machine and remembers what it asked for. */
export class Driver {
  state;
  effects: Effect[] = [];
  now = 1_000_000;
  random = 0.5;
  constructor(limits: Partial<Limits> = {}) {
    this.state = initialState(limits);
  }
  do(event: Event): Effect[] {
    const [state, effects] = step(this.state, event, { now: this.now, random: this.random });
    this.state = state;
    this.effects = [...effects];
    return this.effects;
  }
  of<T extends Effect['type']>(type: T): Extract<Effect, { type: T }>[] {
    return this.effects.filter((e): e is Extract<Effect, { type: T }> => e.type === type);
  }
  subscribe(id: string, since: string | null = null) {
    const binding = { event: '*' as const, schema: 'public', table: id };
    return this.do({ type: 'subscribe', id, binding, since });
  }
  frame(frame: Frame, conn = this.state.conn) {
    return this.do({ type: 'frame', conn, frame });
  }
  open(token = 't') {
    this.do({ type: 'token', token });
    return this.do({ type: 'opened', conn: this.state.conn });
  }
  reply(id: string, tidewire?: Record<string, unknown>, status = 'ok', reason?: string) {
    const ref = this.state.channels[id]!.joinRef;
    const response = status === 'ok' ? { postgres_changes: [], tidewire } : { reason };
    return this.frame([ref, ref, 'realtime:' + id, 'phx_reply', { status, response }]);
  }
  change(id: string, position: string | null, conn = this.state.conn) {
    const data = { type: 'INSERT', schema: 'public', table: id, record: { position } };
    const payload = { ids: [1], data, ...(position && { position }) };
    return this.frame([null, null, 'realtime:' + id, 'postgres_changes', payload], conn);
  }
  caughtUp(id: string, position: string) {
    const joinRef = this.state.channels[id]!.joinRef;
    const payload = { extension: 'tidewire', status: 'ok', message: 'caught_up', position };
    return this.frame([joinRef, null, 'realtime:' + id, 'system', payload]);
  }
  lose(fate?: Fate, conn = this.state.conn) {
    return this.do({ type: 'lost', conn, code: 1006, reason: '', ...(fate && { fate }) });
  }
  timer(name: string) {
    return this.do({ type: 'timer', name });
  }
  /** The delay of the timer that was set last under the name; null when it was cleared. */
  delay(name: string): number | null | undefined {
    return this.of('timer').findLast((e) => e.name === name)?.ms;
  }
  live(id = 'a', position = 'e:10') {
    this.subscribe(id);
    this.open();
    this.reply(id, { position, recovered: null, reason: null });
    return this;
  }
  reopen() {
    this.lose();
    this.do({ type: 'timer', name: 'retry' });
    return this.open();
  }
  sent(event: string) {
    return this.of('send').filter((e) => e.frame[3] === event);
  }
}
