import { comparePositions, laterPosition } from './position.js';
import { asObject, asText, decodeChange, type Frame, type Verdict } from './protocol.js';
import {
  backOff,
  patch,
  patchChannel,
  send,
  setTimer,
  type Channel,
  type Draft,
  type Event,
} from './state.js';

/** One subscription's life; the table and the invariants are in machine.ts. */

const topicPrefix = 'realtime:';

export function join(draft: Draft, id: string): void {
  const channel = draft.state.channels[id]!;
  const token = draft.state.token;
  const ref = send(draft, null, topicPrefix + id, 'phx_join', {
    config: configOf(channel),
    ...(token === null ? {} : { access_token: token }),
    version: 'tidewire-js/0.1.0',
  });
  patchChannel(draft, id, {
    phase: 'joining',
    joinRef: ref,
    askedSince: channel.position !== null,
  });
  setTimer(draft, 'join:' + id, draft.state.limits.answerMs);
}

function configOf({ room, binding, position }: Channel): Record<string, unknown> {
  return {
    broadcast: { ack: room !== null, self: false },
    presence: { key: room?.key ?? '', enabled: !!room?.key },
    postgres_changes: binding ? [binding] : [],
    private: room?.private ?? false,
    ...(binding && {
      tidewire: { positions: true, leave: true, ...(position !== null && { since: position }) },
    }),
  };
}

/** Sends a message in a room, if it is joined. */
export function push(draft: Draft, event: Event & { type: 'push' }): void {
  const channel = draft.state.channels[event.id];
  const ready = channel?.phase === 'live' && draft.state.phase === 'open';
  const ref = ready
    ? send(draft, channel.joinRef, topicPrefix + event.id, event.event, event.payload)
    : null;
  draft.effects.push({ type: 'pushed', tag: event.tag, ref });
}

/** Its answer did not come in time, or its wait after a refusal is over. */
export function onJoinTimer(draft: Draft, id: string): void {
  const channel = draft.state.channels[id];
  if (draft.state.phase !== 'open') return;
  if (channel?.phase === 'joining') refuse(draft, channel, 'The server did not answer in time.');
  else if (channel?.phase === 'refused') join(draft, id);
}

/** The socket is gone: what was live waits for the next one. */
export function suspend(draft: Draft): void {
  for (const channel of Object.values(draft.state.channels)) {
    setTimer(draft, 'join:' + channel.id, null);
    patchChannel(draft, channel.id, { phase: 'waiting', joinRef: null });
  }
}

export function onChannelFrame(draft: Draft, frame: Frame): void {
  const [joinRef, ref, topic, event, payload] = frame;
  if (!topic.startsWith(topicPrefix)) return;
  const channel = draft.state.channels[topic.slice(topicPrefix.length)];
  if (!channel || channel.joinRef === null) return;
  if (joinRef !== null && joinRef !== channel.joinRef) return;
  if (event === 'postgres_changes') onChange(draft, channel, payload);
  else if (event === 'phx_reply') {
    if (ref === channel.joinRef && channel.phase === 'joining') onReply(draft, channel, payload);
    else if (ref !== null && channel.room) {
      const { status, response } = payload;
      draft.effects.push({ type: 'answered', ref, ok: status === 'ok', response });
    }
  } else if (event === 'system') onSystem(draft, channel, payload);
  else if (event === 'phx_error' || event === 'phx_close') {
    refuse(draft, channel, asText(payload['reason']) ?? channel.error ?? 'The channel was closed.');
  } else if (channel.room && channel.phase === 'live') {
    draft.effects.push({ type: 'room', id: channel.id, event, payload });
  }
}

/** The heartbeat's answer: everything up to `position` that concerns live channels was sent. */
export function onWatermark(draft: Draft, position: string): void {
  for (const channel of Object.values(draft.state.channels)) {
    if (channel.phase !== 'live' || channel.position === null) continue;
    const order = comparePositions(channel.position, position);
    if (order !== null && order < 0) patchChannel(draft, channel.id, { position });
  }
}

function onReply(draft: Draft, channel: Channel, payload: Record<string, unknown>): void {
  const response = asObject(payload['response']);
  if (payload['status'] !== 'ok') {
    refuse(draft, channel, asText(response['reason']) ?? 'The server refused the subscription.');
    return;
  }
  const extra = asObject(response['tidewire']);
  const hint = extra['reconnect_jitter_max_ms'];
  if (typeof hint === 'number' && hint >= 0) patch(draft, { jitterHintMs: hint });
  setTimer(draft, 'join:' + channel.id, null);
  const settled = { attempt: 0, error: null };
  if (channel.askedSince && extra['recovered'] === true) {
    // The position stays where it is: the missed changes are still to come.
    patchChannel(draft, channel.id, { ...settled, phase: 'catching-up' });
    return;
  }
  const position = asText(extra['position']);
  const gap = channel.askedSince || channel.promised;
  if (gap) {
    const reason = (asText(extra['reason']) ?? 'unsupported') as 'unsupported';
    emitVerdict(draft, channel.id, { recovered: false, reason });
  }
  const promised = channel.binding !== null;
  patchChannel(draft, channel.id, { ...settled, phase: 'live', position, promised });
}

function onChange(draft: Draft, channel: Channel, payload: Record<string, unknown>): void {
  if (channel.phase !== 'live' && channel.phase !== 'catching-up') return;
  const change = decodeChange(payload);
  if (!change) return;
  if (change.position !== null) {
    if (channel.position !== null) {
      const order = comparePositions(change.position, channel.position);
      if (order !== null && order <= 0) return;
      if (order === null) {
        emitVerdict(draft, channel.id, { recovered: false, reason: 'epoch_changed' });
      }
    }
    patchChannel(draft, channel.id, { position: change.position });
  }
  draft.effects.push({ type: 'change', id: channel.id, change });
}

function onSystem(draft: Draft, channel: Channel, payload: Record<string, unknown>): void {
  const message = asText(payload['message']);
  if (payload['status'] === 'error') {
    patchChannel(draft, channel.id, { error: message ?? 'The server reported an error.' });
    return;
  }
  if (payload['extension'] === 'tidewire' && message === 'caught_up') {
    if (channel.phase !== 'catching-up') return;
    const reached = asText(payload['position']);
    emitVerdict(draft, channel.id, { recovered: true, reason: null });
    patchChannel(draft, channel.id, {
      phase: 'live',
      promised: true,
      position: reached === null ? channel.position : laterPosition(channel.position, reached),
    });
  } else if (payload['extension'] === 'postgres_changes' && channel.error !== null) {
    patchChannel(draft, channel.id, { error: null });
  }
}

/** The server will not have it now: wait, with a fresh token, and join again. */
function refuse(draft: Draft, channel: Channel, error: string): void {
  const attempt = channel.attempt + 1;
  const window = backOff(1000, draft.state.limits.retryMaxMs, attempt);
  patchChannel(draft, channel.id, { phase: 'refused', joinRef: null, attempt, error });
  setTimer(draft, 'join:' + channel.id, window * (0.5 + draft.env.random / 2));
  if (/token|jwt|auth/i.test(error)) draft.effects.push({ type: 'token' });
}

function emitVerdict(draft: Draft, id: string, verdict: Verdict): void {
  draft.effects.push({ type: 'verdict', id, verdict });
}
