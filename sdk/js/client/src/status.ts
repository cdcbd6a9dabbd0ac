import type { State } from './state.js';

/** What a screen shows about the connection. A new object whenever, and only when, it changes. */
export interface ConnectionStatus {
  readonly state:
    | 'idle' /** nothing subscribed */
    | 'connecting'
    | 'connected'
    | 'reconnecting' /** lost; the next attempt is at `nextRetryAt` or under way */
    | 'offline' /** paused, or the browser says that there is no network */
    | 'failed' /** the attempts are used up; `retry()` starts again */
    | 'closed';
  /** The same in five words. */
  readonly simple: 'connecting' | 'connected' | 'disconnected' | 'reconnecting' | 'error';
  /** Failed attempts in a row. */
  readonly attempt: number;
  /** When the next attempt begins, milliseconds since 1970; null while none is scheduled. */
  readonly nextRetryAt: number | null;
  /** Why the connection was last lost; null while connected. */
  readonly error: string | null;
}

export function statusOf(s: State): ConnectionStatus {
  const { attempt, nextRetryAt, error } = s;
  const status = (
    state: ConnectionStatus['state'],
    simple: ConnectionStatus['simple'],
  ): ConnectionStatus => ({ state, simple, attempt, nextRetryAt, error });
  switch (s.phase) {
    case 'idle':
      return status('idle', 'disconnected');
    case 'open':
      return { ...status('connected', 'connected'), attempt: 0 };
    case 'waiting':
      return s.offline ? status('offline', 'disconnected') : status('reconnecting', 'reconnecting');
    case 'token':
    case 'opening':
      return attempt === 0
        ? status('connecting', 'connecting')
        : status('reconnecting', 'reconnecting');
    case 'paused':
      return status('offline', 'disconnected');
    case 'failed':
      return status('failed', 'error');
    case 'closed':
      return status('closed', 'disconnected');
  }
}

export function sameStatus(a: ConnectionStatus, b: ConnectionStatus): boolean {
  return (
    a.state === b.state &&
    a.attempt === b.attempt &&
    a.nextRetryAt === b.nextRetryAt &&
    a.error === b.error
  );
}
