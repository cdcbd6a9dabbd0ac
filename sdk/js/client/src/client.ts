import { defaultLimits, initialState, step } from './machine.js';
import { live, type LiveOptions, type LiveRows } from './live.js';
import {
  decodeFrame,
  type Binding,
  type Change,
  type ChangeEvent,
  type Verdict,
} from './protocol.js';
import type { Position } from './position.js';
import {
  readAnswer,
  selectPath,
  TidewireError,
  type SelectQuery,
  type SelectResult,
} from './rest.js';
import { rooms, type Room, type RoomHub, type RoomOptions } from './room.js';
import type { openStream as OpenStream } from './streams.js';
import type { ChannelPhase, Effect, Event, Fate, State, Transport } from './state.js';
import { writeInit, type WriteRequest, type WriteResult } from './write.js';
import { sameStatus, statusOf, type ConnectionStatus } from './status.js';

/** The part of the WebSocket API that is used; the browser's and npm `ws` both have it. */
export interface WebSocketLike {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

/** Clock, chance and timers, for tests and simulations. */
export interface Environment {
  now(): number;
  random(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
}

export interface ClientOptions {
  /** The server, e.g. `https://live.example.com`; a path before `/realtime/v1` is kept. */
  readonly url: string;
  /** The user's token, or where to get one. Called for every attempt and before expiry. */
  readonly accessToken?: string | (() => string | Promise<string>);
  /** The application's key; the access token serves where there is none. */
  readonly apikey?: string;
  /** Back-off: full jitter, 500 ms to 20 s, without end unless `attempts` says otherwise. */
  readonly reconnect?: { baseMs?: number; maxMs?: number; attempts?: number };
  /** 25 000 by default. */
  readonly heartbeatMs?: number;
  /** Release the connection after the page was hidden for so long; it resumes on return. */
  readonly pauseWhenHidden?: { afterMs: number } | false;
  /** For Node before 22: `import WebSocket from 'ws'`. */
  readonly WebSocket?: new (url: string) => WebSocketLike;
  /**
   * What may be used, best first: WebSocket, server-sent events, long polling, polling. All by
   * default; the first that passes serves, and better ones are tried again beside it. Empty: nothing
   * is opened.
   */
  readonly transports?: readonly Transport[];
  /** False: all transports but the WebSocket. */
  readonly websocket?: boolean;
  /**
   * The other transports, where code cannot be loaded later, as in a bundled worker:
   * `import { openStream } from '@tidewire/client/streams'`.
   */
  readonly openStream?: typeof OpenStream;
  readonly fetch?: typeof fetch;
  readonly environment?: Partial<Environment>;
}

/** What one subscription is doing. `refused`: the server said no (see `error`); it is retried. */
export type SubscriptionStatus = ChannelPhase | 'closed';

export interface SubscribeOptions<Row> {
  readonly table: string;
  /** `public` by default. */
  readonly schema?: string;
  /** Every event by default. */
  readonly event?: ChangeEvent;
  /** As in PostgREST: `workspace_name=eq.Northwind,status=in.(open,new)`. */
  readonly filter?: string;
  /** Deliver what happened after this position first. */
  readonly since?: Position | null;
  /** Each committed change once, in order. */
  readonly onChange?: (change: Change<Row>) => void;
  /** After each reconnect, and once after a start with `since`. */
  readonly onVerdict?: (verdict: Verdict) => void;
  readonly onStatus?: (status: SubscriptionStatus, error: string | null) => void;
}

export interface Subscription {
  /** Nothing is delivered after this returns. */
  unsubscribe(): void;
  /** Everything at or before it has been delivered; keep it to resume in another session. */
  readonly position: Position | null;
  readonly status: SubscriptionStatus;
}

export interface Client {
  /** A stable object while nothing changes: fit for `useSyncExternalStore`. */
  readonly status: ConnectionStatus;
  /** Calls back on each change of status; returns how to stop. */
  onStatus(listener: (status: ConnectionStatus) => void): () => void;
  subscribe<Row = Record<string, unknown>>(options: SubscribeOptions<Row>): Subscription;
  /** Reads a table once. Errors: TidewireError; a 401 is retried once with a fresh token. */
  select<Row = Record<string, unknown>>(
    table: string,
    query?: SelectQuery & { signal?: AbortSignal },
  ): Promise<SelectResult<Row>>;
  /** Writes once. Errors: TidewireError; status 0 says that it is unknown whether it happened. */
  write<Row = Record<string, unknown>>(
    request: WriteRequest & { signal?: AbortSignal },
  ): Promise<WriteResult<Row>>;
  /** Any request to the server with the user's token. Errors: TidewireError, status 0. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Reads a table and keeps the rows true: snapshot and stream meet without a gap. */
  live<Row extends object = Record<string, unknown>>(
    table: string,
    options?: LiveOptions<Row>,
  ): LiveRows<Row>;
  /** Enters a room: presence and broadcast. Entrances to one name share one membership. */
  room(name: string, options?: RoomOptions): Room;
  /** Lets the connection go until `resume()`, which misses nothing. */
  pause(): void;
  resume(): void;
  /** Tries at once instead of waiting; also after the attempts were used up. */
  retry(): void;
  /** Ends everything; the client cannot be used again. */
  close(): void;
}

/** Makes a client. It connects when something is subscribed. */
export function createClient(options: ClientOptions): Client {
  return new TidewireClient(options);
}

interface Handlers extends SubscribeOptions<any> {
  position: Position | null;
  status: SubscriptionStatus;
}

class TidewireClient implements Client {
  status: ConnectionStatus;
  #options: ClientOptions;
  #env: Environment;
  /** The server's address without a slash at its end. */
  #base: string;
  #state: State;
  /** By their number; null: it is still being loaded. */
  #sockets = new Map<number, WebSocketLike | null>();
  #timers = new Map<string, unknown>();
  #handlers = new Map<string, Handlers>();
  #listeners = new Set<(status: ConnectionStatus) => void>();
  #queue: Event[] = [];
  #busy = false;
  #tokenAsked = 0;
  #rooms: RoomHub;
  #gone = new AbortController();

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/$/, '');
    this.#env = {
      now: Date.now,
      random: Math.random,
      setTimeout: (run, ms) => setTimeout(run, ms),
      clearTimeout: (timer) => clearTimeout(timer as number),
      ...options.environment,
    };
    const { baseMs, maxMs, attempts } = options.reconnect ?? {};
    const transports = (options.transports ?? defaultLimits.transports).filter(
      (each) => each !== 'ws' || options.websocket !== false,
    );
    this.#state = initialState({
      transports: transports.length > 0 ? transports : undefined,
      retryBaseMs: baseMs,
      retryMaxMs: maxMs,
      attemptsMax: attempts,
      heartbeatMs: options.heartbeatMs,
    });
    this.status = statusOf(this.#state);
    this.#rooms = rooms((event) => this.#dispatch(event), this.#env);
    if (transports.length === 0) this.pause();
    this.#watchBrowser();
  }

  onStatus(listener: (status: ConnectionStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  subscribe<Row>(options: SubscribeOptions<Row>): Subscription {
    const { table, schema = 'public', event = '*', filter, since = null } = options;
    // The first subscription to a table has the same topic in every client, so that the server
    // encodes a frame once for all of them.
    let id = `${schema}.${table}`;
    for (let n = 2; this.#handlers.has(id); n++) id = `${schema}.${table}.${n}`;
    const handlers: Handlers = { ...options, position: since, status: 'waiting' };
    const binding: Binding = { event, schema, table, ...(filter ? { filter } : {}) };
    this.#handlers.set(id, handlers);
    this.#dispatch({ type: 'subscribe', id, binding, since });
    const position = () => this.#state.channels[id]?.position;
    return {
      unsubscribe: () => {
        if (this.#handlers.get(id) !== handlers) return;
        handlers.position = position() ?? handlers.position;
        handlers.status = 'closed';
        this.#handlers.delete(id);
        this.#dispatch({ type: 'unsubscribe', id });
      },
      get position() {
        return handlers.status === 'closed' ? handlers.position : (position() ?? null);
      },
      get status() {
        return handlers.status;
      },
    };
  }

  async select<Row>(
    table: string,
    query: SelectQuery & { signal?: AbortSignal } = {},
  ): Promise<SelectResult<Row>> {
    const { signal = null } = query;
    return readAnswer<Row>(await this.request(selectPath(table, query), { signal }));
  }

  async write<Row>(write: WriteRequest & { signal?: AbortSignal }): Promise<WriteResult<Row>> {
    const { path, init } = writeInit(write);
    const { signal = null } = write;
    return readAnswer<Row>(await this.request(path, { ...init, signal }));
  }

  async request(path: string, init: RequestInit = {}): Promise<Response> {
    const send = this.#options.fetch ?? fetch;
    for (let attempt = 1; ; attempt++) {
      const token = await this.#token();
      const apikey = this.#options.apikey ?? token;
      const headers = { Accept: 'application/json', apikey, Authorization: `Bearer ${token}` };
      let answer: Response;
      try {
        answer = await send(this.#base + path, {
          ...init,
          headers: { ...headers, ...init.headers },
        });
      } catch (error) {
        if (init.signal?.aborted) throw error;
        throw new TidewireError(0, 'The server cannot be reached.');
      }
      if (answer.status === 401 && attempt === 1) continue;
      return answer;
    }
  }

  live<Row extends object>(table: string, options: LiveOptions<Row> = {}): LiveRows<Row> {
    return live<Row>(this, this.#env, table, options);
  }

  room(name: string, options: RoomOptions = {}): Room {
    return this.#rooms.enter(name, options);
  }

  pause(): void {
    this.#dispatch({ type: 'pause' });
  }
  resume(): void {
    this.#dispatch({ type: 'resume' });
  }
  retry(): void {
    this.#dispatch({ type: 'retry' });
  }
  close(): void {
    this.#gone.abort();
    this.#dispatch({ type: 'close' });
    this.#rooms.close();
    for (const handlers of this.#handlers.values()) handlers.status = 'closed';
    this.#handlers.clear();
  }

  /** One event at a time: an event raised by an effect waits for its turn. */
  #dispatch(event: Event): void {
    this.#queue.push(event);
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      const env = { now: this.#env.now(), random: this.#env.random() };
      const [state, effects] = step(this.#state, next, env);
      this.#state = state;
      for (const effect of effects) this.#perform(effect);
      const status = statusOf(state);
      if (!sameStatus(status, this.status)) {
        this.status = status;
        for (const listener of [...this.#listeners]) guard(() => listener(status));
      }
    }
    this.#busy = false;
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'token':
        return this.#askToken();
      case 'connect':
        return this.#connect(effect.conn, effect.transport, effect.token);
      case 'disconnect':
        return this.#disconnect(effect.conn, effect.code, effect.reason);
      case 'send':
        // A socket that is closing throws or drops; its `lost` event follows either way.
        return guard(() => this.#sockets.get(effect.conn)?.send(JSON.stringify(effect.frame)));
      case 'timer':
        return this.#setTimer(effect.name, effect.ms);
      case 'change':
        return guard(() => this.#handlers.get(effect.id)?.onChange?.(effect.change));
      case 'verdict':
        return guard(() => this.#handlers.get(effect.id)?.onVerdict?.(effect.verdict));
      case 'channel': {
        const handlers = this.#handlers.get(effect.id);
        if (!handlers) return guard(() => this.#rooms.perform(effect));
        handlers.status = effect.phase;
        return guard(() => handlers.onStatus?.(effect.phase, effect.error));
      }
      default:
        return guard(() => this.#rooms.perform(effect));
    }
  }

  async #token(): Promise<string> {
    const { accessToken, apikey } = this.#options;
    const token = typeof accessToken === 'function' ? await accessToken() : accessToken;
    return token ?? apikey ?? '';
  }

  #askToken(): void {
    const asked = ++this.#tokenAsked;
    this.#token().then(
      (token) => asked === this.#tokenAsked && this.#dispatch({ type: 'token', token }),
      (error: unknown) =>
        asked === this.#tokenAsked &&
        this.#dispatch({ type: 'token_failed', error: String(error) }),
    );
  }

  #connect(conn: number, transport: Transport, token: string): void {
    const { fetch: send, apikey, WebSocket: given } = this.#options;
    const base = this.#base;
    const key = apikey ?? token;
    const lost = (code: number, reason: unknown, fate?: Fate) =>
      this.#dispatch({ type: 'lost', conn, code, reason: String(reason), ...(fate && { fate }) });
    const attach = (socket: WebSocketLike) => {
      this.#sockets.set(conn, socket);
      socket.onopen = () => this.#dispatch({ type: 'opened', conn });
      socket.onclose = (event: { code: number; reason?: unknown; fate?: Fate }) =>
        lost(event.code, event.reason ?? '', event.fate);
      socket.onerror = () => {};
      socket.onmessage = ({ data }: { data: unknown }) => {
        const frame = decodeFrame(data);
        if (frame) this.#dispatch({ type: 'frame', conn, frame });
      };
    };
    if (transport === 'ws') {
      const Socket = given ?? globalThis.WebSocket;
      if (!Socket) return lost(1006, 'No WebSocket here.', 'unfit');
      try {
        const query = `apikey=${encodeURIComponent(key)}&vsn=2.0.0`;
        attach(new Socket(`${base.replace(/^http/, 'ws')}/realtime/v1/websocket?${query}`));
      } catch (error) {
        lost(1006, error);
      }
      return;
    }
    this.#sockets.set(conn, null);
    const options = { base, key, fetch: send ?? ((...ask) => fetch(...ask)), env: this.#env };
    const { openStream } = this.#options;
    (openStream ? Promise.resolve({ openStream }) : import('./streams.js')).then(
      // It may have been given up while the code was on its way.
      (streams) => this.#sockets.has(conn) && attach(streams.openStream(transport, options)),
      (error: unknown) => lost(1006, error, 'down'),
    );
  }

  #disconnect(conn: number, code: number, reason: string): void {
    const socket = this.#sockets.get(conn);
    this.#sockets.delete(conn);
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    guard(() => socket.close(code, reason.slice(0, 60)));
  }

  #setTimer(name: string, ms: number | null): void {
    if (this.#timers.has(name)) this.#env.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
    if (ms === null) return;
    const run = () => {
      this.#timers.delete(name);
      this.#dispatch({ type: 'timer', name });
    };
    this.#timers.set(name, this.#env.setTimeout(run, ms));
  }

  #watchBrowser(): void {
    if (typeof document === 'undefined') return;
    const on = (target: EventTarget, name: string, run: () => void) =>
      target.addEventListener(name, run, { signal: this.#gone.signal });
    for (const type of ['online', 'offline'] as const) {
      on(window, type, () => this.#dispatch({ type }));
    }
    const pause = this.#options.pauseWhenHidden;
    let timer: unknown;
    let released = false;
    on(document, 'visibilitychange', () => {
      this.#env.clearTimeout(timer);
      if (document.visibilityState === 'hidden') {
        if (!pause) return;
        timer = this.#env.setTimeout(() => {
          // A pause that the application asked for is its own to end.
          released = this.#state.phase !== 'paused';
          this.pause();
        }, pause.afterMs);
      } else if (released) {
        released = false;
        this.resume();
      } else {
        // Timers may have slept with the page: probe, or try, now.
        this.#dispatch({ type: this.#state.phase === 'open' ? 'online' : 'retry' });
      }
    });
  }
}

/** An error of the application's own callback is reported, and does not stop the machine. */
function guard(run: () => void): void {
  try {
    run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
