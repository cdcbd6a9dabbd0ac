import type { Binding, Change, Frame, RoomConfig, Verdict } from './protocol.js';
import type { Position } from './position.js';

/** What the connection is doing; see machine.ts for the drawing. */
export type Phase =
  'idle' | 'token' | 'opening' | 'open' | 'waiting' | 'paused' | 'failed' | 'closed';

/** A way to the server, best first: WebSocket, server-sent events, long polling, polling. */
export type Transport = 'ws' | 'sse' | 'longpoll' | 'poll';

/**
 * What a loss says of the transport. `unfit`: it does not pass here. `down`: nothing, since no
 * server answered that could have served another one either.
 */
export type Fate = 'unfit' | 'down';

/** What one subscription is doing. */
export type ChannelPhase = 'waiting' | 'joining' | 'catching-up' | 'live' | 'refused';

export interface Channel {
  readonly id: string;
  /** The rows that it follows; null for a room. */
  readonly binding: Binding | null;
  /** How a room is joined; null for rows. */
  readonly room: RoomConfig | null;
  readonly phase: ChannelPhase;
  /** The ref of the current join; frames that carry another are of the past. */
  readonly joinRef: string | null;
  /** Everything at or before it has been delivered; null until the server names one. */
  readonly position: Position | null;
  /** `since` was sent with the current join. */
  readonly askedSince: boolean;
  /** It has been live, so that a gap from here on must be announced. */
  readonly promised: boolean;
  /** Refusals since it was last live. */
  readonly attempt: number;
  /** Why it was last refused. */
  readonly error: string | null;
}

export interface Limits {
  /** What may be used, best first; never empty. */
  readonly transports: readonly Transport[];
  /** The first back-off window, milliseconds. */
  readonly retryBaseMs: number;
  /** The largest back-off window, milliseconds. */
  readonly retryMaxMs: number;
  /** Failed attempts in a row after which the connection rests in `failed`. */
  readonly attemptsMax: number;
  /** Time between heartbeats, milliseconds. */
  readonly heartbeatMs: number;
  /** Time before a better transport is first tried again, milliseconds; it doubles. */
  readonly probeBaseMs: number;
  /** A heartbeat, an opening or a join without an answer for so long has failed, milliseconds. */
  readonly answerMs: number;
}

export interface State {
  readonly limits: Limits;
  readonly phase: Phase;
  /** The current connection's number, 0 for none; events of any other are ignored. */
  readonly conn: number;
  /** The last number that was given to a connection. */
  readonly conns: number;
  /** The place in `limits.transports` that is used, or tried next. */
  readonly rung: number;
  /** Connections by this transport in a row that did not last. */
  readonly quick: number;
  /** The current connection has lasted long enough to be called stable. */
  readonly lasted: boolean;
  /** A better transport being tried beside the current connection. */
  readonly probe: { readonly conn: number; readonly rung: number } | null;
  /** Better transports tried in vain since one was last stable. */
  readonly probes: number;
  /** Failed attempts since the connection was last stable. */
  readonly attempt: number;
  readonly nextRetryAt: number | null;
  readonly everOpen: boolean;
  /** The browser says that there is no network. A hint only: retries go on. */
  readonly offline: boolean;
  readonly ref: number;
  readonly token: string | null;
  /** Something arrived since the last heartbeat was sent. */
  readonly heard: boolean;
  /** The server's window for reconnecting, milliseconds; 0 when it gave none. */
  readonly jitterHintMs: number;
  readonly channels: Readonly<Record<string, Channel>>;
  readonly error: string | null;
}

export type Event =
  | { type: 'subscribe'; id: string; binding: Binding; since: Position | null }
  | { type: 'enter'; id: string; room: RoomConfig }
  /** Send a message in a room; `tag` is the caller's, and comes back in `pushed`. */
  | { type: 'push'; id: string; event: string; payload: Record<string, unknown>; tag: number }
  | { type: 'unsubscribe'; id: string }
  | { type: 'token'; token: string }
  | { type: 'token_failed'; error: string }
  | { type: 'opened'; conn: number }
  | { type: 'frame'; conn: number; frame: Frame }
  | { type: 'lost'; conn: number; code: number; reason: string; fate?: Fate }
  | { type: 'timer'; name: string }
  | { type: 'online' }
  | { type: 'offline' }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'retry' }
  | { type: 'close' };

export type Effect =
  /** Ask the application for a token; answer with `token` or `token_failed`. */
  | { type: 'token' }
  /** Open connection number `conn`; answer with `opened` and `lost`. */
  | { type: 'connect'; conn: number; transport: Transport; token: string }
  | { type: 'disconnect'; conn: number; code: number; reason: string }
  | { type: 'send'; conn: number; frame: Frame }
  /** Set the named timer, replacing one of that name; `ms` null clears it. */
  | { type: 'timer'; name: string; ms: number | null }
  | { type: 'change'; id: string; change: Change }
  | { type: 'verdict'; id: string; verdict: Verdict }
  | { type: 'channel'; id: string; phase: ChannelPhase; error: string | null }
  /** A message of a room: `broadcast`, `presence_state`, `presence_diff` or one of the server's. */
  | { type: 'room'; id: string; event: string; payload: Record<string, unknown> }
  /** What became of a `push`: sent with `ref`, or not sent (null). */
  | { type: 'pushed'; tag: number; ref: string | null }
  /** The server's answer to the push with `ref`. */
  | { type: 'answered'; ref: string; ok: boolean; response: unknown };

/** What the machine may know of the world at one step. */
export interface Env {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Uniform in [0, 1). */
  readonly random: number;
}

/** A window for back-off, milliseconds: it doubles with each failure, up to `maxMs`. */
export function backOff(baseMs: number, maxMs: number, doublings: number): number {
  return Math.min(maxMs, baseMs * 2 ** Math.min(doublings, 30));
}

/** A step under construction: the next state and the effects so far. */
export interface Draft {
  state: State;
  readonly effects: Effect[];
  readonly env: Env;
}

export function patch(draft: Draft, change: Partial<State>): void {
  draft.state = { ...draft.state, ...change };
}

/** Replaces parts of a channel; a new phase is told to its subscriber. */
export function patchChannel(draft: Draft, id: string, change: Partial<Channel>): Channel {
  const before = draft.state.channels[id]!;
  const after = { ...before, ...change };
  patch(draft, { channels: { ...draft.state.channels, [id]: after } });
  if (after.phase !== before.phase || after.error !== before.error) {
    draft.effects.push({ type: 'channel', id, phase: after.phase, error: after.error });
  }
  return after;
}

export function send(
  draft: Draft,
  joinRef: string | null,
  topic: string,
  event: string,
  payload: Record<string, unknown>,
  conn = draft.state.conn,
): string {
  const ref = String(draft.state.ref + 1);
  patch(draft, { ref: draft.state.ref + 1 });
  const frame: Frame = [event === 'phx_join' ? ref : joinRef, ref, topic, event, payload];
  draft.effects.push({ type: 'send', conn, frame });
  return ref;
}

/** Gives a connection up. */
export function drop(draft: Draft, conn: number, code = 1000, reason = ''): void {
  draft.effects.push({ type: 'disconnect', conn, code, reason });
}

export function setTimer(draft: Draft, name: string, ms: number | null): void {
  draft.effects.push({ type: 'timer', name, ms });
}
