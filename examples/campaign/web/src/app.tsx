import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { ConnectionStatus, FreshnessBar, useNotify } from '@tidewire/components';
import { sourceLabels, timeOf, useAutoRefreshOnSync, useTidewire } from '@tidewire/react';
import type { ReactNode } from 'react';
import { readAds, readDonations, readSms, sourceKeys, sources, type DemoUser } from './model.js';

const dollars = new Intl.NumberFormat('en-US', {
  style: 'currency',
  currency: 'USD',
  maximumFractionDigits: 0,
});
const whole = new Intl.NumberFormat('en-US');
const day = new Intl.DateTimeFormat('en-US', { month: 'short', day: 'numeric' });

export function App(props: {
  user: DemoUser;
  users: readonly DemoUser[];
  onUser: (user: DemoUser) => void;
}): ReactNode {
  const { user, users, onUser } = props;
  const client = useTidewire();
  const notify = useNotify();
  const organizationId = user.organization_id;
  // Existing queries with reads of their own: they are refreshed when their source was synced.
  const ads = useQuery({ queryKey: ['meta', organizationId], queryFn: () => readAds(client) });
  const donations = useQuery({
    queryKey: ['donations', organizationId],
    queryFn: () => readDonations(client),
  });
  const sms = useQuery({ queryKey: ['sms', organizationId], queryFn: () => readSms(client) });
  const { refresh, isRefreshing } = useAutoRefreshOnSync({
    organizationId,
    map: sourceKeys,
    onRefresh: ({ sources: synced }) => {
      for (const source of synced) {
        const label = sourceLabels[source] ?? source;
        notify({ kind: 'info', tone: 'good', title: `${label} data updated`, durationMs: 3_000 });
      }
    },
    onSync: ({ source, last_sync_status }) => {
      if (last_sync_status === 'success') return;
      const label = sourceLabels[source] ?? source;
      notify({ kind: 'info', tone: 'bad', title: `${label} could not be synced` });
    },
  });
  const peak = Math.max(1, ...(ads.data?.days.map((each) => each.spend) ?? []));
  return (
    <div className="shell">
      <header className="top">
        <div className="brand">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="9" />
            <path d="M8 22V13M14 22V9M20 22v-7M26 22H6" />
          </svg>
          <h1>Ballot</h1>
        </div>
        <select
          aria-label="Organization"
          value={user.sub}
          onChange={(event) => onUser(users.find((each) => each.sub === event.target.value)!)}
        >
          {users.map((each) => (
            <option key={each.sub} value={each.sub}>
              {each.name}
            </option>
          ))}
        </select>
        <ConnectionStatus />
      </header>
      <h2>{user.name}</h2>
      <FreshnessBar
        organizationId={organizationId}
        sources={sources}
        onRefresh={() => refresh()}
        isRefreshing={isRefreshing}
      />
      <div className="grid">
        <Card title="Raised" query={donations} wide>
          {(data) => (
            <>
              <p className="figure" data-testid="raised">
                {dollars.format(data.amount)}
              </p>
              <p className="muted">
                {whole.format(data.count)} donations, {whole.format(data.recurring)} of them
                recurring
              </p>
              <ul className="gifts">
                {data.latest.map((gift) => (
                  <li key={gift.receipt_id}>
                    <span>{dollars.format(Number(gift.amount ?? 0))}</span>
                    <span className="muted">
                      {gift.paid_at ? day.format(timeOf(gift.paid_at) ?? 0) : ''}
                      {(gift.recurring ?? 0) > 0 ? ' · monthly' : ''}
                    </span>
                  </li>
                ))}
              </ul>
              {data.count === 0 ? <p className="muted">The first donation appears here.</p> : null}
            </>
          )}
        </Card>
        <Card title="Meta Ads" query={ads}>
          {(data) => (
            <>
              <p className="figure" data-testid="spend">
                {dollars.format(data.spend)}
              </p>
              <p className="muted">
                {whole.format(data.clicks)} clicks, {whole.format(data.impressions)} views
              </p>
              <ol className="bars" aria-label="Spend by day">
                {data.days.map((each) => (
                  <li key={each.day} title={`${each.day}: ${dollars.format(each.spend)}`}>
                    <span style={{ height: `${(100 * each.spend) / peak}%` }} />
                    <span className="tw-hidden">
                      {each.day}: {dollars.format(each.spend)}
                    </span>
                  </li>
                ))}
              </ol>
            </>
          )}
        </Card>
        <Card title="SMS" query={sms}>
          {(data) => (
            <>
              <p className="figure" data-testid="sms">
                {whole.format(data.sent)}
              </p>
              <p className="muted">
                sent, {whole.format(data.failed)} not delivered, {dollars.format(data.cost)}
              </p>
            </>
          )}
        </Card>
      </div>
    </div>
  );
}

function Card<T>(props: {
  title: string;
  query: UseQueryResult<T>;
  wide?: boolean;
  children: (data: T) => ReactNode;
}): ReactNode {
  const { title, query, wide = false, children } = props;
  return (
    <section className="card" data-wide={wide} aria-label={title} aria-busy={query.isFetching}>
      <h3>{title}</h3>
      {query.data !== undefined ? children(query.data) : null}
      {query.isPending ? <span className="skeleton" /> : null}
      {query.isError && query.data === undefined ? (
        <div role="alert">
          <p className="problem">{query.error.message}</p>
          <button type="button" className="tw-button" onClick={() => void query.refetch()}>
            Try again
          </button>
        </div>
      ) : null}
    </section>
  );
}
