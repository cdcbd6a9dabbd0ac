import { useEffect, useRef, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useAgo, useSession } from '../hooks.js';
import { formatCount, formatShare, timeOf, type Metrics } from '../model.js';
import { Notice } from './notice.js';

type Column = Extract<keyof Metrics, `${string}_mtd`>;

const tiles: { column: Column; label: string; share: (m: Metrics) => string }[] = [
  { column: 'emails_sent_mtd', label: 'Emails sent', share: () => '' },
  {
    column: 'opens_mtd',
    label: 'Opens',
    share: (m) => `${formatShare(m.opens_mtd ?? 0, m.emails_sent_mtd ?? 0)} of sent`,
  },
  {
    column: 'replies_mtd',
    label: 'Replies',
    share: (m) => `${formatShare(m.replies_mtd ?? 0, m.emails_sent_mtd ?? 0)} of sent`,
  },
  {
    column: 'positive_replies_mtd',
    label: 'Positive replies',
    share: (m) => `${formatShare(m.positive_replies_mtd ?? 0, m.replies_mtd ?? 0)} of replies`,
  },
  {
    column: 'unsubscribed_mtd',
    label: 'Unsubscribed',
    share: (m) => `${formatShare(m.unsubscribed_mtd ?? 0, m.emails_sent_mtd ?? 0)} of sent`,
  },
  {
    column: 'bounced_mtd',
    label: 'Bounced',
    share: (m) => `${formatShare(m.bounced_mtd ?? 0, m.emails_sent_mtd ?? 0)} of sent`,
  },
];

const none: Metrics = {
  workspace_name: '',
  metric_date: null,
  emails_sent_mtd: 0,
  opens_mtd: 0,
  replies_mtd: 0,
  positive_replies_mtd: 0,
  unsubscribed_mtd: 0,
  bounced_mtd: 0,
  updated_at: null,
  update_source: null,
};

/** The month's counters of the workspace. */
export function Counters() {
  const { options } = useSession();
  const { data, isPending, isError, error, refetch } = useQuery(options.metrics);
  const row = data?.[0] ?? none;
  const updated = timeOf(row.updated_at);
  const ago = useAgo(updated);
  const month = timeOf(row.metric_date) ?? Date.now();

  return (
    <section aria-labelledby="counters-title" aria-busy={isPending}>
      <div className="section-head">
        <h2 id="counters-title">
          {new Date(month).toLocaleDateString('en-US', { month: 'long', year: 'numeric' })}
        </h2>
        <p className="muted">
          Month to date
          {updated !== null && ` · updated ${ago === 'now' ? 'just now' : `${ago} ago`}`}
          {row.update_source && ` by ${row.update_source}`}
        </p>
      </div>
      {isError && !data ? (
        <Notice
          title="The counters could not be read"
          text={error.message}
          onRetry={() => void refetch()}
        />
      ) : (
        <dl className="tiles">
          {tiles.map(({ column, label, share }) => (
            <div className="tile" key={column}>
              <dt>{label}</dt>
              <dd>
                {isPending ? (
                  <span className="skeleton skeleton-number" />
                ) : (
                  <Count value={row[column] ?? 0} name={column} />
                )}
                <span className="tile-share">
                  {isPending ? '\u00a0' : share(row) || 'this month'}
                </span>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}

/** A number that shows for a moment by how much it has changed. */
function Count({ value, name }: { value: number; name: string }) {
  const before = useRef(value);
  const [delta, setDelta] = useState<{ by: number; at: number } | null>(null);
  useEffect(() => {
    const by = value - before.current;
    before.current = value;
    if (by === 0) return;
    setDelta((old) => ({ by: (old?.by ?? 0) + by, at: Date.now() }));
  }, [value]);
  useEffect(() => {
    if (!delta) return;
    const timer = setTimeout(() => setDelta(null), 2500);
    return () => clearTimeout(timer);
  }, [delta]);
  return (
    <span className="count" data-testid={`metric-${name}`} data-value={value}>
      {formatCount(value)}
      {delta && delta.by !== 0 && (
        <span className="delta" key={delta.at} aria-hidden="true">
          {delta.by > 0 ? `+${formatCount(delta.by)}` : `−${formatCount(-delta.by)}`}
        </span>
      )}
    </span>
  );
}
