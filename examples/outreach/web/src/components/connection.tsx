import type { ConnectionStatus } from '@tidewire/client';
import { useConnection, useFeed, useSecondsUntil, useSession } from '../hooks.js';

const words: Record<ConnectionStatus['state'], string> = {
  idle: 'Idle',
  connecting: 'Connecting',
  connected: 'Live',
  degraded: 'Live, by polling',
  reconnecting: 'Reconnecting',
  offline: 'Offline',
  failed: 'Disconnected',
  closed: 'Closed',
};

const verdictShownSeconds = 8;

/** What the connection is doing, which attempt this is, and when the next one begins. */
export function ConnectionBadge() {
  const { client } = useSession();
  const status = useConnection();
  const { verdict } = useFeed();
  const wait = useSecondsUntil(status.nextRetryAt);
  const verdictLeft = useSecondsUntil(verdict ? verdict.at + verdictShownSeconds * 1000 : null);

  let detail = '';
  if (status.state === 'reconnecting' || status.state === 'offline') {
    const parts = [status.attempt > 0 ? `attempt ${status.attempt}` : ''];
    if (wait !== null) parts.push(wait > 0 ? `next try in ${wait} s` : 'trying now');
    detail = parts.filter(Boolean).join(', ');
  } else if (status.state === 'failed') {
    detail = `after ${status.attempt} attempts`;
  } else if (status.state === 'connected' && verdict && verdictLeft) {
    detail = verdict.verdict.recovered ? 'caught up, nothing missed' : 'reloaded';
  }
  const waiting = status.nextRetryAt !== null || status.state === 'failed';

  return (
    <div className="connection">
      <div
        className={`badge badge-${status.state}`}
        role="status"
        data-testid="connection"
        data-state={status.state}
        data-transport={status.transport}
        data-attempt={status.attempt}
        title={status.error ?? undefined}
      >
        <span className="dot" aria-hidden="true" />
        <span className="badge-word">{words[status.state]}</span>
        {/* The countdown is for the eye; read aloud each second it would be noise. */}
        {detail && (
          <span
            className="badge-detail"
            aria-hidden={wait !== null}
            data-testid="connection-detail"
          >
            {detail}
          </span>
        )}
      </div>
      {waiting && (
        <button
          type="button"
          className="button button-small"
          onClick={() => client.retry()}
          data-testid="retry"
        >
          Retry now
        </button>
      )}
    </div>
  );
}
