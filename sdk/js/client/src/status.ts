import { beats } from './ladder.js';
import type { State, Transport } from './state.js';

/** What a screen shows about the connection. A new object whenever, and only when, it changes. */
export interface ConnectionStatus {
  readonly state:
    | 'idle' /** nothing subscribed */
    | 'connecting'
    | 'connected'
    | 'degraded' /** what changes arrives, but later: by long polling or polling */
    | 'reconnecting' /** lost; the next attempt is at `nextRetryAt` or under way */
    | 'offline' /** paused, or the browser says that there is no network */
    | 'failed' /** the attempts are used up; it tries once a minute, and at `retry()` */
    | 'closed';
  /** The same in five words. */
  readonly simple: 'connecting' | 'connected' | 'disconnected' | 'reconnecting' | 'error';
  /** What changes arrive by; null while nothing is connected. */
  readonly transport: Transport | null;
  /** Failed attempts in a row. */
  readonly attempt: number;
  /** When the next attempt begins, milliseconds since 1970; null while none is scheduled. */
  readonly nextRetryAt: number | null;
  /** Why the connection was last lost; null while connected. */
  readonly error: string | null;
}

const simpleOf: Record<ConnectionStatus['state'], ConnectionStatus['simple']> = {
  idle: 'disconnected',
  connecting: 'connecting',
  connected: 'connected',
  degraded: 'connected',
  reconnecting: 'reconnecting',
  offline: 'disconnected',
  failed: 'error',
  closed: 'disconnected',
};

export function statusOf(s: State): ConnectionStatus {
  const state = stateOf(s);
  const open = s.phase === 'open';
  const transport = open ? s.limits.transports[s.rung]! : null;
  // Polling tells late, so that other fallbacks do not rest for it.
  const simple = transport === 'poll' ? 'reconnecting' : simpleOf[state];
  const { nextRetryAt, error } = s;
  return { state, simple, transport, attempt: open ? 0 : s.attempt, nextRetryAt, error };
}

function stateOf(s: State): ConnectionStatus['state'] {
  switch (s.phase) {
    case 'open':
      return beats(s.limits.transports[s.rung]!) ? 'connected' : 'degraded';
    case 'paused':
      return 'offline';
    case 'waiting':
    case 'token':
    case 'opening':
      if (s.phase === 'waiting' && s.offline) return 'offline';
      // Used up: it has failed until it succeeds.
      if (s.attempt > s.limits.attemptsMax) return 'failed';
      return s.attempt === 0 ? 'connecting' : 'reconnecting';
    default:
      return s.phase;
  }
}

export function sameStatus(a: ConnectionStatus, b: ConnectionStatus): boolean {
  return (Object.keys(a) as (keyof ConnectionStatus)[]).every((key) => a[key] === b[key]);
}
