import { useEffect, useRef, useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useAgo, useSession } from '../hooks.js';
import { formatCount, formatShare, timeOf, type Metrics } from '../model.js';
import { Notice } from './notice.js';

type Column = Extract<keyof Metrics, `${string}_mtd`>;

const tiles: { column: Column; label: string; of?: Column; ofLabel?: string; bad?: true }[] = [
  { column: 'emails_sent_mtd', label: 'Emails sent' },
  { column: 'opens_mtd', label: 'Opens', of: 'emails_sent_mtd', ofLabel: 'sent' },
  { column: 'replies_mtd', label: 'Replies', of: 'emails_sent_mtd', ofLabel: 'sent' },
  {
    column: 'positive_replies_mtd',
    label: 'Positive replies',
    of: 'replies_mtd',
    ofLabel: 'replies',
  },
  {
    column: 'unsubscribed_mtd',
    label: 'Unsubscribed',
    of: 'emails_sent_mtd',
    ofLabel: 'sent',
    bad: true,
  },
  { column: 'bounced_mtd', label: 'Bounced', of: 'emails_sent_mtd', ofLabel: 'sent', bad: true },
];

/** "3.5 % of sent"; "this month" where there is nothing to compare with. */
function shareOf(row: Metrics, { column, of, ofLabel }: (typeof tiles)[number]): string {
  const share = of ? formatShare(row[column] ?? 0, row[of] ?? 0) : '';
  return share ? `${share} of ${ofLabel}` : 'this month';
}

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
          {tiles.map((tile) => (
            <div className={tile.bad ? 'tile tile-bad' : 'tile'} key={tile.column}>
              <dt>{tile.label}</dt>
              <dd>
                {isPending ? (
                  <span className="skeleton skeleton-number" />
                ) : (
                  <Count value={row[tile.column] ?? 0} name={tile.column} />
                )}
                <span className="tile-share">{isPending ? '\u00a0' : shareOf(row, tile)}</span>
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
