import type { Environment } from './client.js';
import { asObject, isObject, type RoomConfig } from './protocol.js';
import type { Effect, Event } from './state.js';

type State = Record<string, unknown>;

/** Somebody who is in a room. */
export interface Member<T = State> {
  /** The presence key: several connections of one person share it. */
  readonly key: string;
  /** What the newest of the connections tracks. */
  readonly state: T;
  readonly connections: number;
  readonly self: boolean;
}

export interface RoomOptions {
  /** Who one is; a random key when missing, nobody when empty. The first entrance decides. */
  readonly key?: string;
  /** Guarded by the server's channel policies. */
  readonly private?: boolean;
}

/** `offline`: not joined now, so nothing was sent. `error`: the server refused it. */
export type SendOutcome = 'ok' | 'error' | 'offline';

/** What became of a message, and what the server said to it. */
export interface Answer {
  readonly outcome: SendOutcome;
  readonly response?: unknown;
}

/** A place where clients meet: who is there, and messages that are not kept. */
export interface Room {
  readonly name: string;
  readonly key: string;
  readonly joined: boolean;
  /** Who is there, by key. A new array whenever, and only when, it changes. */
  readonly members: readonly Member[];
  /** Calls back when `members` or `joined` changes. */
  onChange(listener: () => void): () => void;
  /** Messages named `event`, or all with `*`. */
  onBroadcast(event: string, listener: (payload: any, event: string) => void): () => void;
  /** Sends to everybody else; resolves when the server has taken it, or not. */
  send(event: string, payload?: State): Promise<SendOutcome>;
  /** The server's messages that are neither broadcasts nor presence. */
  onMessage(listener: (event: string, payload: State) => void): () => void;
  /** Says something to the server, which answers. */
  ask(event: string, payload: State): Promise<Answer>;
  /** Says what others see of oneself, now and after each reconnect; null: nothing any more. */
  track(state: State | null): void;
  /** This entrance is over; the last one leaves the room. */
  leave(): void;
}

/** The server closes a room to a client that tracks more often. */
const tracksMax = 4;
const tracksWindowMs = 30_000;
const answerMs = 10_000;

interface Meta extends State {
  phx_ref?: string;
}

export interface RoomHub {
  enter(name: string, options: RoomOptions): Room;
  perform(effect: Effect): void;
  close(): void;
}

/** The rooms of one client; entrances to the same name share one membership. */
export function rooms(dispatch: (event: Event) => void, env: Environment): RoomHub {
  const open = new Map<string, Shared>();
  const waiting = new Map<string | number, (answer: Answer) => void>();
  let tags = 0;

  const push = (id: string, event: string, payload: State) =>
    new Promise<Answer>((resolve) => {
      const tag = ++tags;
      const timer = env.setTimeout(() => finish({ outcome: 'error' }), answerMs);
      const finish = (answer: Answer) => {
        env.clearTimeout(timer);
        resolve(answer);
      };
      waiting.set(tag, finish);
      dispatch({ type: 'push', id, event, payload, tag });
    });

  return {
    enter(name, options) {
      let shared = open.get(name);
      if (!shared) {
        const key = options.key ?? env.random().toString(36).slice(2);
        const config: RoomConfig = { key, private: options.private ?? false };
        shared = new Shared(name, config, push, env);
        open.set(name, shared);
        dispatch({ type: 'enter', id: name, room: config });
      }
      const entrance = shared.enter();
      return {
        ...entrance,
        leave() {
          entrance.leave();
          if (shared.entrances > 0 || open.get(name) !== shared) return;
          open.delete(name);
          dispatch({ type: 'unsubscribe', id: name });
        },
        get joined() {
          return shared.joined;
        },
        get members() {
          return shared.members;
        },
      };
    },
    perform(effect) {
      if (effect.type === 'room') open.get(effect.id)?.receive(effect.event, effect.payload);
      else if (effect.type === 'channel') open.get(effect.id)?.setJoined(effect.phase === 'live');
      else if (effect.type === 'answered') {
        waiting.get(effect.ref)?.({
          outcome: effect.ok ? 'ok' : 'error',
          response: effect.response,
        });
        waiting.delete(effect.ref);
      } else if (effect.type === 'pushed') {
        const finish = waiting.get(effect.tag);
        waiting.delete(effect.tag);
        if (effect.ref === null) finish?.({ outcome: 'offline' });
        else if (finish) waiting.set(effect.ref, finish);
      }
    },
    close() {
      for (const finish of waiting.values()) finish({ outcome: 'offline' });
      waiting.clear();
      open.clear();
    },
  };
}

class Shared {
  members: readonly Member[] = [];
  joined = false;
  entrances = 0;
  #metas = new Map<string, Meta[]>();
  #state: State | null = null;
  #tracked: number[] = [];
  #timer: unknown;
  #changes = new Set<() => void>();
  #broadcasts = new Set<{ event: string; listener: (payload: any, event: string) => void }>();
  #messages = new Set<(event: string, payload: State) => void>();

  constructor(
    readonly name: string,
    readonly config: RoomConfig,
    readonly push: (id: string, event: string, payload: State) => Promise<Answer>,
    readonly env: Environment,
  ) {}

  enter(): Omit<Room, 'joined' | 'members'> {
    this.entrances++;
    const undo = new Set<() => void>();
    const keep = <T>(set: Set<T>, item: T) => {
      set.add(item);
      const remove = () => {
        set.delete(item);
        undo.delete(remove);
      };
      undo.add(remove);
      return remove;
    };
    let left = false;
    return {
      name: this.name,
      key: this.config.key,
      onChange: (listener) => keep(this.#changes, () => listener()),
      onBroadcast: (event, listener) => keep(this.#broadcasts, { event, listener }),
      onMessage: (listener) => keep(this.#messages, listener),
      ask: (event, payload) => this.push(this.name, event, payload),
      send: async (event, payload = {}) =>
        (await this.push(this.name, 'broadcast', { type: 'broadcast', event, payload })).outcome,
      track: (state) => this.#track(state),
      leave: () => {
        if (left) return;
        left = true;
        this.entrances--;
        for (const remove of [...undo]) remove();
        if (this.entrances === 0) this.env.clearTimeout(this.#timer);
      },
    };
  }

  setJoined(joined: boolean): void {
    if (joined === this.joined) return;
    this.joined = joined;
    if (joined && this.#state) this.#sendTrack();
    if (!joined) this.#metas.clear();
    this.#publish();
  }

  receive(event: string, payload: State): void {
    if (event === 'broadcast') {
      const name = String(payload['event']);
      for (const each of [...this.#broadcasts]) {
        if (each.event === '*' || each.event === name) each.listener(payload['payload'], name);
      }
      return;
    }
    if (event === 'presence_state') {
      this.#metas = new Map(Object.entries(payload).map(([key, value]) => [key, metasOf(value)]));
    } else if (event !== 'presence_diff') {
      for (const listener of [...this.#messages]) listener(event, payload);
      return;
    } else {
      // Leaves first, by ref: an update is a leave of the old meta and a join of the new one.
      for (const [key, value] of Object.entries(payload['leaves'] ?? {})) this.#drop(key, value);
      for (const [key, value] of Object.entries(payload['joins'] ?? {})) {
        this.#drop(key, value);
        this.#metas.set(key, [...(this.#metas.get(key) ?? []), ...metasOf(value)]);
      }
    }
    this.#publish();
  }

  #drop(key: string, value: unknown): void {
    const gone = new Set(metasOf(value).map((meta) => meta.phx_ref));
    const rest = (this.#metas.get(key) ?? []).filter((meta) => !gone.has(meta.phx_ref));
    if (rest.length > 0) this.#metas.set(key, rest);
    else this.#metas.delete(key);
  }

  #publish(): void {
    this.members = [...this.#metas].map(([key, metas]) => {
      const { phx_ref: _ref, phx_ref_prev: _prev, ...state } = metas[metas.length - 1] ?? {};
      return { key, state, connections: metas.length, self: key === this.config.key };
    });
    for (const listener of [...this.#changes]) listener();
  }

  #track(state: State | null): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    this.#state = state;
    if (this.joined) this.#sendTrack();
  }

  /** Now, or as soon as the server's rate allows; only the newest state is sent then. */
  #sendTrack(): void {
    const now = this.env.now();
    this.#tracked = this.#tracked.filter((at) => now - at < tracksWindowMs);
    this.env.clearTimeout(this.#timer);
    if (this.#tracked.length >= tracksMax) {
      const wait = this.#tracked[0]! + tracksWindowMs - now;
      this.#timer = this.env.setTimeout(() => this.joined && this.#sendTrack(), wait);
      return;
    }
    this.#tracked.push(now);
    const state = this.#state;
    void this.push(this.name, 'presence', {
      type: 'presence',
      ...(state ? { event: 'track', payload: state } : { event: 'untrack' }),
    });
  }
}

function metasOf(value: unknown): Meta[] {
  const metas = asObject(value)['metas'];
  return Array.isArray(metas) ? (metas.filter(isObject) as Meta[]) : [];
}
