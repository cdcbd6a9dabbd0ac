import { useEffect, useState, type ReactNode } from 'react';
import {
  useConnectionStatus,
  useNow,
  type AllUpdates,
  type UseConnectionStatus,
} from '@tidewire/react/hooks';

export type SimpleStatus = UseConnectionStatus['simple'];

export interface ConnectionLabels {
  readonly connecting: string;
  readonly connected: string;
  readonly disconnected: string;
  readonly reconnecting: string;
  readonly error: string;
  readonly retry: string;
  /** What is said beside a scheduled attempt. */
  readonly retryIn: (seconds: number) => string;
}

export const connectionLabels: ConnectionLabels = {
  connecting: 'Connecting…',
  connected: 'Live',
  disconnected: 'Offline',
  reconnecting: 'Reconnecting…',
  error: 'No connection',
  retry: 'Try again',
  retryIn: (seconds) => `Next attempt in ${seconds} s`,
};

export interface ConnectionStatusProps {
  /** A word in a pill, a dot with a word, or a card with all that is known. */
  readonly variant?: 'badge' | 'compact' | 'card';
  /** Trouble is shown only after so long, so that a short break does not flicker; 1 000. */
  readonly showAfterMs?: number;
  readonly labels?: Partial<ConnectionLabels>;
  readonly className?: string;
  /** Draws it another way; the announcements stay. */
  readonly children?: (status: UseConnectionStatus, shown: SimpleStatus) => ReactNode;
}

/** How the connection is. Its changes are announced to assistive technology, politely. */
export function ConnectionStatus({
  variant = 'badge',
  showAfterMs = 1_000,
  labels: own,
  className = '',
  children,
}: ConnectionStatusProps): ReactNode {
  const status = useConnectionStatus();
  const shown = useSteady(status.simple, showAfterMs);
  const labels = { ...connectionLabels, ...own };
  return (
    <div
      className={`tw-status tw-status-${variant} ${className}`}
      data-status={shown}
      data-transport={status.transport}
      data-testid="connection"
    >
      <span className="tw-dot" aria-hidden="true" />
      <span className="tw-status-word" role="status">
        {labels[shown]}
      </span>
      {children ? children(status, shown) : null}
      {!children && variant === 'card' ? <Details status={status} labels={labels} /> : null}
      {!children && shown !== 'connected' && shown !== 'connecting' && variant !== 'badge' ? (
        <button type="button" className="tw-button" onClick={status.retry}>
          {labels.retry}
        </button>
      ) : null}
    </div>
  );
}

const arrivals: Record<NonNullable<UseConnectionStatus['transport']>, string> = {
  ws: 'Changes arrive as they happen.',
  sse: 'Changes arrive as they happen, as an event stream.',
  longpoll: 'Changes arrive as they happen, by long polling.',
  poll: 'Changes arrive by polling, a little later.',
};

function Details(props: { status: UseConnectionStatus; labels: ConnectionLabels }): ReactNode {
  const { status, labels } = props;
  const now = useNow();
  const wait = status.nextRetryAt === null ? 0 : Math.ceil((status.nextRetryAt - now) / 1000);
  const lines = [
    status.transport && arrivals[status.transport],
    status.attempt > 0 ? `Attempt ${status.attempt}` : null,
    wait > 0 ? labels.retryIn(wait) : null,
    status.error,
  ].filter((line) => line !== null);
  return (
    <ul className="tw-status-details">
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

/** Good news at once, bad news only when it lasts. */
function useSteady(status: SimpleStatus, afterMs: number): SimpleStatus {
  const [shown, setShown] = useState(status);
  useEffect(() => {
    if (status === shown) return;
    const wait = status === 'connected' || shown !== 'connected' ? 0 : afterMs;
    const timer = setTimeout(() => setShown(status), wait);
    return () => clearTimeout(timer);
  }, [status, shown, afterMs]);
  return shown;
}

export interface MultiSubscriptionStatusProps {
  /** The result of `useAllUpdates`. */
  readonly updates: AllUpdates;
  readonly labels?: Readonly<Record<string, string>>;
  readonly worstFirst?: boolean;
  readonly className?: string;
}

const stateWords = {
  live: 'live',
  stale: 'catching up',
  loading: 'connecting',
  refused: 'refused',
  idle: 'off',
} as const;
const worst = ['refused', 'stale', 'loading', 'idle', 'live'] as const;

/** Each subscription's state, and how many are live; all of them share one connection. */
export function MultiSubscriptionStatus({
  updates,
  labels = {},
  worstFirst = false,
  className = '',
}: MultiSubscriptionStatusProps): ReactNode {
  const items = Object.entries(updates.items);
  if (worstFirst) {
    items.sort(([, a], [, b]) => worst.indexOf(a.status) - worst.indexOf(b.status));
  }
  return (
    <section className={`tw-multi ${className}`} aria-label="Live subscriptions">
      <p className="tw-multi-sum" role="status">
        <b>{updates.activeSubscriptions}</b> of {items.length} live
      </p>
      <ul>
        {items.map(([name, item]) => (
          <li key={name} data-status={item.status}>
            <span className="tw-dot" aria-hidden="true" />
            <span>{labels[name] ?? name}</span>
            <span className="tw-multi-state">
              {item.error ? item.error.message : stateWords[item.status]}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
