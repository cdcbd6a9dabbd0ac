import { useQuery } from '@tanstack/react-query';
import { useAgo, useSession } from '../hooks.js';
import { formatCount, timeOf } from '../model.js';

const words: Record<string, string> = {
  healthy: 'Healthy',
  warning: 'Late',
  critical: 'Silent',
};

/** Whether the outreach platform still delivers its webhooks. */
export function HealthCard() {
  const { options, user } = useSession();
  const { data, isPending, isError, refetch } = useQuery(options.health);
  const row = data?.find((each) => each.workspace_name === user.name) ?? data?.[0];
  const last = timeOf(row?.last_webhook_at);
  const ago = useAgo(last);
  const status = row?.health_status ?? 'unknown';
  return (
    <section className="panel" aria-labelledby="health-title" aria-busy={isPending}>
      <div className="panel-head">
        <h2 id="health-title">Webhooks</h2>
        {row && (
          <span className={`health health-${status}`} data-testid="health" data-status={status}>
            {words[status] ?? status}
          </span>
        )}
      </div>
      {isPending && <span className="skeleton" />}
      {isError && !data && (
        <p className="panel-empty">
          Their state could not be read.{' '}
          <button type="button" className="link" onClick={() => void refetch()}>
            Try again
          </button>
        </p>
      )}
      {data && !row && <p className="panel-empty">None has arrived yet.</p>}
      {row && (
        <dl className="facts">
          <div>
            <dt>Last received</dt>
            <dd>{ago === 'now' ? 'just now' : last === null ? 'never' : `${ago} ago`}</dd>
          </div>
          <div>
            <dt>In 24 hours</dt>
            <dd data-testid="webhook-count">{formatCount(row.webhook_count_24h)}</dd>
          </div>
        </dl>
      )}
    </section>
  );
}
