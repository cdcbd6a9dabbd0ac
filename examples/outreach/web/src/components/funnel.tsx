import { useEffect, useState } from 'react';
import { useRealtimeQuery, type NamedSyncState } from '@tidewire/react';
import type { Api } from '../api.js';
import { useSession } from '../hooks.js';
import { formatCount, stages, type StageId } from '../model.js';

declare module '@tidewire/client/queries' {
  interface Register {
    api: Api;
  }
}

const words: Record<NamedSyncState['state'], string> = {
  live: 'Live',
  'catching-up': 'Catching up',
  polling: 'Polling',
  offline: 'Paused',
};

const money = new Intl.NumberFormat('en-US', {
  style: 'currency',
  currency: 'USD',
  notation: 'compact',
  maximumFractionDigits: 1,
});

/** How long a stage that has changed stays lit, milliseconds. */
const litMs = 2_000;

/**
 * Leads and their value by stage: the server's query `leads.by_stage`, whose differences are pushed as
 * leads move. Nothing is counted here.
 */
export function Funnel() {
  const { user } = useSession();
  const [lit, setLit] = useState<ReadonlySet<string | null>>(new Set());
  const { data, sync, isPending, isError, refetch } = useRealtimeQuery({
    query: 'leads.by_stage',
    args: { workspace: user.name },
    onDiff: ({ inserted, updated }) =>
      setLit(
        new Set(
          [...inserted, ...updated.map((each) => each.after)].map((row) => row.pipeline_stage),
        ),
      ),
  });
  useEffect(() => {
    if (lit.size === 0) return;
    const timer = setTimeout(() => setLit(new Set()), litMs);
    return () => clearTimeout(timer);
  }, [lit]);

  const of = (id: StageId) => data?.find((row) => row.pipeline_stage === id);
  const most = Math.max(1, ...(data ?? []).map((row) => Number(row.leads)));
  const total = (data ?? []).reduce((sum, row) => sum + Number(row.leads), 0);

  const valued = (data ?? []).some((row) => Number(row.value) > 0);

  return (
    <section className="panel" aria-labelledby="funnel-title" aria-busy={isPending}>
      <div className="panel-head">
        <h2 id="funnel-title">Funnel</h2>
        {data && (
          <span
            className={`health sync-${sync.state}`}
            data-testid="funnel-sync"
            data-state={sync.state}
            data-position={sync.position ?? ''}
            data-verdict={sync.verdict ? (sync.verdict.reason ?? 'recovered') : ''}
            title={sync.asOf ? `True as of ${new Date(sync.asOf).toLocaleTimeString()}` : undefined}
          >
            {words[sync.state]}
          </span>
        )}
      </div>
      {isError && !data && (
        <p className="panel-empty">
          It could not be read.{' '}
          <button type="button" className="link" onClick={() => void refetch()}>
            Try again
          </button>
        </p>
      )}
      {isPending && <span className="skeleton skeleton-funnel" />}
      {data && total === 0 && <p className="panel-empty">No leads yet.</p>}
      {data && total > 0 && (
        <ul className={valued ? 'funnel' : 'funnel funnel-plain'}>
          {stages.map(({ id, label }) => {
            const row = of(id);
            const leads = Number(row?.leads ?? 0);
            const value = Number(row?.value ?? 0);
            return (
              <li
                key={id}
                className={`funnel-row stage-${id}${lit.has(id) ? ' funnel-lit' : ''}`}
                data-testid={`funnel-${id}`}
                data-leads={leads}
              >
                <span className="funnel-label">{label}</span>
                <span className="funnel-track" aria-hidden="true">
                  <span style={{ inlineSize: `${(100 * leads) / most}%` }} />
                </span>
                <span className="funnel-count">{formatCount(leads)}</span>
                {valued && (
                  <span className="funnel-value">{value > 0 ? money.format(value) : ''}</span>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
