/**
 * The client as a pure state machine: `step(state, event, env) → [state, effects]`.
 * It opens nothing, waits for nothing and reads no clock; client.ts does what the effects say.
 *
 * Connection
 *
 *   idle ──subscribe──▶ token ──token──▶ opening ──opened──▶ open
 *    ▲                    ▲ ▲               │ lost, timeout    │ lost, silent
 *    │ nothing subscribed │ └──timer, online, retry──┐         │
 *    └────────────────────┼───────────────── waiting ◀─────────┘
 *                         │                    │ attempts used up
 *                 resume, retry ◀── paused, failed ◀┘      any ──close──▶ closed (end)
 *
 * Which transport a connection is by is ladder.ts'.
 *
 * Channel (one per subscription; all share the connection)
 *
 *   waiting ──open──▶ joining ──reply ok──▶ live ◀──caught_up── catching-up
 *      ▲                │   └──reply ok, recovered: true──────────▲
 *      │ lost           │ refused, timeout, phx_error, phx_close
 *      └─ any           ▼
 *                    refused ──timer──▶ joining
 *
 * Invariants; machine.test.ts has a test for each, by number.
 *
 *  I1  Events of any socket but the current one change nothing.
 *  I2  Within an epoch a subscription's delivered offsets rise strictly: nothing twice, nothing
 *      out of order.
 *  I3  Once a subscription has been live, a later join asks `since` its position, and ends in
 *      exactly one verdict: `recovered: true` after the last missed change was delivered, or
 *      `recovered: false` with the reason. A server without positions gives `unsupported`.
 *  I4  While catching up the position moves only with delivered changes and `caught_up`; a loss in
 *      the midst of it resumes where delivery ended.
 *  I5  A watermark moves only live channels, forwards, and within their epoch.
 *  I6  The delay before attempt n is uniform in [0, min(max, base · 2^(n-1))), or in the server's
 *      window on the first attempt if that is larger, or in the first window on a step down. After
 *      `attemptsMax` it is `failed`, and tries once a minute.
 *  I7  A heartbeat that nothing answers within `answerMs` ends the connection. Polls have none: each
 *      answer is one.
 *  I8  Each attempt uses a token asked for that attempt; a changed token reaches every joined
 *      channel; a token is asked for again before it expires.
 *  I9  Nothing subscribed: nothing is opened or retried. After `unsubscribe` nothing more is
 *      delivered to that subscription.
 * I10  `closed` is terminal and silent. `paused` holds no socket and no timer, and loses nothing:
 *      resuming is a reconnect.
 * I11  A refused subscription is tried again with growing delays and does not disturb the others.
 * I12  A message of a room is sent only while the room is joined on the current socket, and its
 *      fate is told: `pushed` with or without a ref. Rooms have no verdicts and no positions.
 * I13  A transport that does not open, is silent from the start or is told to be unfit is left at
 *      once, others after three connections in a row that did not last; one that lasted is tried
 *      again. Below the last is the first.
 * I14  A request that no server answered says nothing of transports: the next attempt is by the best.
 * I15  While a lower transport serves, a better one is tried beside it, with growing delays, and when
 *      the network or the page returns. A try that fails changes nothing.
 * I16  A try that is answered takes over: the old connection ends, every channel joins anew at its
 *      position. All else that is said of a reconnect (I1 to I4, I12) holds.
 */
import { join, onChannelFrame, onJoinTimer, onWatermark, push, suspend } from './channel.js';
import { beats, descend, endProbe, planProbe, probe, quickMax, transportOf } from './ladder.js';
import { asObject, asText, expiryOf, type Frame } from './protocol.js';
import {
  drop,
  backOff,
  patch,
  send,
  setTimer,
  type Channel,
  type Draft,
  type Effect,
  type Env,
  type Event,
  type Fate,
  type Limits,
  type State,
} from './state.js';

const stableMs = 5_000;
const failedRetryMs = 60_000;
const tokenLeadMs = 60_000;
const tokenRetryMs = 5_000;
const tokenCheckMinMs = 30_000;
const tokenCheckMaxMs = 86_400_000;

export const defaultLimits: Limits = {
  transports: ['ws', 'sse', 'longpoll', 'poll'],
  retryBaseMs: 500,
  retryMaxMs: 20_000,
  attemptsMax: Infinity,
  heartbeatMs: 25_000,
  probeBaseMs: 30_000,
  answerMs: 10_000,
};

export function initialState(
  limits: { [Name in keyof Limits]?: Limits[Name] | undefined } = {},
): State {
  const told = Object.entries(limits).filter(([, limit]) => limit !== undefined);
  return {
    limits: { ...defaultLimits, ...Object.fromEntries(told) },
    phase: 'idle',
    conn: 0,
    conns: 0,
    rung: 0,
    quick: 0,
    lasted: false,
    probe: null,
    probes: 0,
    attempt: 0,
    nextRetryAt: null,
    everOpen: false,
    offline: false,
    ref: 0,
    token: null,
    heard: true,
    jitterHintMs: 0,
    channels: {},
    error: null,
  };
}

/** The state after `event`, and what is to be done about it, in order. */
export function step(state: State, event: Event, env: Env): [State, readonly Effect[]] {
  if (state.phase === 'closed') return [state, []];
  const draft: Draft = { state, effects: [], env };
  handle(draft, event);
  return [draft.state, draft.effects];
}

function handle(draft: Draft, event: Event): void {
  const { phase, conn } = draft.state;
  if ('conn' in event && event.conn === draft.state.probe?.conn) return onProbe(draft, event);
  switch (event.type) {
    case 'subscribe':
      return subscribe(draft, event.id, { binding: event.binding, position: event.since });
    case 'enter':
      return subscribe(draft, event.id, { room: event.room });
    case 'push':
      return push(draft, event);
    case 'unsubscribe':
      return unsubscribe(draft, event.id);
    case 'token':
      return onToken(draft, event.token);
    case 'token_failed':
      if (phase === 'token') fail(draft, event.error);
      else if (phase === 'open') setTimer(draft, 'token', tokenRetryMs);
      return;
    case 'opened':
      if (event.conn === conn && phase === 'opening') onOpened(draft);
      return;
    case 'frame':
      if (event.conn === conn && phase === 'open') onFrame(draft, event.frame);
      return;
    case 'lost':
      if (event.conn === conn && (phase === 'open' || phase === 'opening')) {
        fail(draft, event.reason || `The connection was closed (${event.code}).`, event.fate);
      }
      return;
    case 'timer':
      return onTimer(draft, event.name);
    case 'online':
    case 'offline':
      patch(draft, { offline: event.type === 'offline' });
      if (phase === 'open') {
        beat(draft);
        if (event.type === 'online') probe(draft);
      } else if (event.type === 'online' && (phase === 'waiting' || phase === 'failed')) {
        // Another network, perhaps: what passed on the last one says little.
        patch(draft, { rung: 0, quick: 0 });
        begin(draft);
      }
      return;
    case 'pause':
      if (phase !== 'paused') rest(draft, 'paused', 1000, 'paused');
      return;
    case 'resume':
      if (phase === 'paused') begin(draft);
      return;
    case 'retry':
      if (phase === 'waiting' || phase === 'failed') begin(draft);
      else if (phase === 'open') probe(draft);
      return;
    case 'close':
      rest(draft, 'closed', 1000, 'closed by the application');
      return;
  }
}

function subscribe(draft: Draft, id: string, what: Partial<Channel>): void {
  const channel: Channel = {
    id,
    binding: null,
    room: null,
    phase: 'waiting' as const,
    joinRef: null,
    position: null,
    askedSince: false,
    promised: false,
    attempt: 0,
    error: null,
    ...what,
  };
  patch(draft, { channels: { ...draft.state.channels, [id]: channel } });
  if (draft.state.phase === 'open') join(draft, id);
  else if (draft.state.phase === 'idle') begin(draft);
}

function unsubscribe(draft: Draft, id: string): void {
  const { [id]: channel, ...channels } = draft.state.channels;
  if (!channel) return;
  patch(draft, { channels });
  setTimer(draft, 'join:' + id, null);
  if (draft.state.phase === 'open' && channel.joinRef !== null) {
    send(draft, channel.joinRef, 'realtime:' + id, 'phx_leave', {});
  }
  if (draft.state.phase === 'waiting' && Object.keys(channels).length === 0) {
    setTimer(draft, 'retry', null);
    patch(draft, { phase: 'idle', attempt: 0, nextRetryAt: null });
  }
}

/** Starts an attempt, if anything is subscribed, with a token asked for it. */
function begin(draft: Draft): void {
  setTimer(draft, 'retry', null);
  const wanted = Object.keys(draft.state.channels).length > 0;
  patch(draft, { phase: wanted ? 'token' : 'idle', nextRetryAt: null });
  if (!wanted) return;
  draft.effects.push({ type: 'token' });
  setTimer(draft, 'open', draft.state.limits.answerMs);
}

function onToken(draft: Draft, token: string): void {
  const { phase, token: before, channels } = draft.state;
  patch(draft, { token });
  const expiry = expiryOf(token);
  if (expiry !== null) {
    const left = expiry - draft.env.now;
    const wait = Math.min(left - Math.min(tokenLeadMs, left / 5), tokenCheckMaxMs);
    const floor = token === before ? tokenCheckMinMs : 1_000;
    setTimer(draft, 'token', Math.max(wait, floor));
  }
  if (phase === 'token') {
    const conn = draft.state.conns + 1;
    patch(draft, { phase: 'opening', conn, conns: conn });
    draft.effects.push({ type: 'connect', conn, transport: transportOf(draft), token });
    setTimer(draft, 'open', draft.state.limits.answerMs);
  } else if (phase === 'open' && token !== before) {
    for (const { id, joinRef } of Object.values(channels)) {
      if (joinRef === null) continue;
      send(draft, joinRef, 'realtime:' + id, 'access_token', { access_token: token });
    }
  }
}

function onOpened(draft: Draft): void {
  const heartbeatMs = beats(transportOf(draft)) ? draft.state.limits.heartbeatMs : null;
  patch(draft, { phase: 'open', everOpen: true, error: null, heard: false });
  setTimer(draft, 'open', null);
  setTimer(draft, 'stable', stableMs);
  setTimer(draft, 'heartbeat', heartbeatMs);
  planProbe(draft);
  for (const id of Object.keys(draft.state.channels)) join(draft, id);
}

/** News of the better transport that is being tried. */
function onProbe(draft: Draft, event: Event & { conn: number }): void {
  // Whether it carries anything shows when it is answered.
  if (event.type === 'opened') return heartbeat(draft, event.conn);
  if (event.type === 'lost') {
    patch(draft, { probe: null });
    return planProbe(draft);
  }
  // It is answered: it takes over.
  const { conn, rung } = draft.state.probe!;
  drop(draft, draft.state.conn);
  suspend(draft);
  setTimer(draft, 'silent', null);
  // If it does not last, once is enough to leave it again.
  patch(draft, { conn, rung, probe: null, quick: quickMax - 1, lasted: false });
  onOpened(draft);
}

function onFrame(draft: Draft, frame: Frame): void {
  if (!draft.state.heard) patch(draft, { heard: true });
  const [, , topic, event, payload] = frame;
  if (topic !== 'phoenix') return onChannelFrame(draft, frame);
  const extra = asObject(asObject(payload['response'])['tidewire']);
  const position = asText(extra['position']);
  if (event === 'phx_reply' && position !== null) onWatermark(draft, position);
}

function onTimer(draft: Draft, name: string): void {
  const { phase, heard, limits } = draft.state;
  if (name.startsWith('join:')) return onJoinTimer(draft, name.slice(5));
  switch (name) {
    case 'retry':
      if (phase === 'waiting' || phase === 'failed') begin(draft);
      return;
    case 'open':
      if (phase === 'token' || phase === 'opening') {
        fail(draft, 'Connecting took too long.', 'unfit');
      }
      return;
    case 'stable':
      if (phase !== 'open') return;
      if (!heard) return setTimer(draft, 'stable', stableMs);
      patch(draft, { attempt: 0, quick: 0, lasted: true });
      if (draft.state.rung === 0) patch(draft, { probes: 0 });
      return;
    case 'probe':
      if (phase !== 'open') return;
      if (!draft.state.probe) return probe(draft);
      endProbe(draft);
      return planProbe(draft);
    case 'heartbeat':
      if (phase !== 'open') return;
      setTimer(draft, 'heartbeat', limits.heartbeatMs);
      return beat(draft);
    case 'silent':
      if (phase === 'open' && !heard) fail(draft, 'The server fell silent.', 'unfit');
      return;
    case 'token':
      if (phase === 'open') draft.effects.push({ type: 'token' });
      return;
  }
}

function heartbeat(draft: Draft, conn: number): void {
  send(draft, null, 'phoenix', 'heartbeat', {}, conn);
}

function beat(draft: Draft): void {
  heartbeat(draft, draft.state.conn);
  patch(draft, { heard: false });
  setTimer(draft, 'silent', draft.state.limits.answerMs);
}

/** The attempt or the connection failed: back off and try again, if anything is subscribed. */
function fail(draft: Draft, error: string, fate?: Fate): void {
  const { limits, jitterHintMs, channels } = draft.state;
  const lower = draft.state.phase !== 'token' && descend(draft, fate);
  const attempt = draft.state.attempt + 1;
  rest(draft, 'waiting', 3000, error);
  if (Object.keys(channels).length === 0) {
    patch(draft, { phase: 'idle', attempt: 0 });
    return;
  }
  if (attempt > limits.attemptsMax) {
    patch(draft, { phase: 'failed', attempt, error, nextRetryAt: draft.env.now + failedRetryMs });
    setTimer(draft, 'retry', failedRetryMs);
    return;
  }
  const window = backOff(limits.retryBaseMs, limits.retryMaxMs, lower ? 0 : attempt - 1);
  const delay = draft.env.random * (attempt === 1 ? Math.max(window, jitterHintMs) : window);
  patch(draft, { attempt, error, nextRetryAt: draft.env.now + delay });
  setTimer(draft, 'retry', delay);
}

/** Leaves the current connection for good, whatever state it is in. */
function rest(draft: Draft, phase: 'waiting' | 'paused' | 'closed', code: number, reason: string) {
  for (const name of ['open', 'stable', 'heartbeat', 'silent', 'token', 'retry', 'probe']) {
    setTimer(draft, name, null);
  }
  endProbe(draft);
  drop(draft, draft.state.conn, code, reason);
  suspend(draft);
  const attempt = phase === 'waiting' ? draft.state.attempt : 0;
  patch(draft, { phase, conn: 0, attempt, nextRetryAt: null });
}
