import { type ReactNode } from 'react';
import { ConnectionStatus, MultiSubscriptionStatus, useNotify } from '@tidewire/components';
import { useAllUpdates } from '@tidewire/react/hooks';
import { date, money, points, time } from './format.js';
import { Conversation } from './messages.js';
import type { DemoUser } from './session.js';
import {
  useCustomerProfile,
  useInvoices,
  useJobs,
  useLoyaltyTransactions,
  useMessages,
} from './tables.js';

/** What one customer sees of their house, their invoices and their points. */
export function Portal({ user, customerId }: { user: DemoUser; customerId: number }): ReactNode {
  const notify = useNotify();
  const where = { customer_id: customerId };
  const profile = useCustomerProfile({ where: { id: customerId } });
  const jobs = useJobs({
    where,
    onUpdate: (job, old) => {
      if (old?.status === job.status) return;
      notify({ kind: 'job', title: `${job.title}: ${job.status}`, text: job.technician ?? '' });
    },
    onInsert: (job) => notify({ kind: 'job', title: `New appointment: ${job.title}` }),
  });
  const invoices = useInvoices({
    where,
    onInsert: (invoice) => notify({ kind: 'invoice', title: `New invoice ${invoice.number}` }),
    onEvent: {
      paid: ({ record }) =>
        notify({ kind: 'invoice', tone: 'good', title: `Invoice ${record?.number} is paid` }),
    },
  });
  const messages = useMessages({
    where,
    onEvent: {
      new: ({ record }) =>
        user.portal === 'customer' &&
        notify({ kind: 'message', title: 'The office wrote', text: record?.body ?? '' }),
    },
  });
  const loyalty = useLoyaltyTransactions({
    where,
    onEvent: {
      earned: ({ record }) =>
        notify({
          kind: 'loyalty',
          tone: 'good',
          title: `${points(record?.points ?? 0)} points`,
          text: record?.reason ?? '',
        }),
      redeemed: ({ record }) =>
        notify({ kind: 'loyalty', title: `${points(record?.points ?? 0)} points redeemed` }),
    },
  });
  const customer = profile.rows[0];
  const unread = messages.derived.unreadCount ?? 0;

  return (
    <main className="portal">
      <section className="hero">
        <p className="eyebrow">{customer ? `${customer.tier} member` : ' '}</p>
        <h2 data-testid="customer">{customer?.name ?? ' '}</h2>
        <p className="muted">{customer ? `${customer.address} · ${customer.email}` : ' '}</p>
        <dl className="figures">
          <div>
            <dt>Points</dt>
            <dd data-testid="points">{loyalty.derived.totalPoints ?? '–'}</dd>
          </div>
          <div>
            <dt>To pay</dt>
            <dd data-testid="due">{money(invoices.derived.dueCents ?? 0)}</dd>
          </div>
          <div>
            <dt>Unread</dt>
            <dd data-testid="unread-count">{unread}</dd>
          </div>
        </dl>
      </section>

      <section className="card" aria-labelledby="jobs-title">
        <h2 id="jobs-title">Appointments</h2>
        <List rows={jobs.rows} status={jobs.status} error={jobs.error} empty="No appointments yet.">
          {(job) => (
            <li key={job.id} data-testid="job" data-id={job.id}>
              <span className="when">
                <b>{date(job.scheduled_at)}</b>
                <span className="muted">{time(job.scheduled_at)}</span>
              </span>
              <span className="what">
                <b>{job.title}</b>
                <span className="muted">{job.technician ?? 'technician to be named'}</span>
              </span>
              <span className="pill" data-value={job.status}>
                {job.status}
              </span>
            </li>
          )}
        </List>
      </section>

      <section className="card" aria-labelledby="invoices-title">
        <h2 id="invoices-title">Invoices</h2>
        <List
          rows={invoices.rows}
          status={invoices.status}
          error={invoices.error}
          empty="Nothing to pay."
        >
          {(invoice) => (
            <li key={invoice.id} data-testid="invoice" data-id={invoice.id}>
              <span className="what">
                <b>{invoice.number}</b>
                <span className="muted">due {date(invoice.due_on)}</span>
              </span>
              <span className="amount">{money(invoice.amount_cents)}</span>
              <span className="pill" data-value={invoice.status}>
                {invoice.status}
              </span>
            </li>
          )}
        </List>
      </section>

      <Conversation
        me={user}
        customerId={customerId}
        messages={messages.rows}
        isLoading={messages.status === 'loading'}
      />

      <section className="card" aria-labelledby="loyalty-title">
        <h2 id="loyalty-title">Points</h2>
        <List
          rows={loyalty.rows.slice(0, 6)}
          status={loyalty.status}
          error={loyalty.error}
          empty="Your first service earns points."
        >
          {(entry) => (
            <li key={entry.id} data-testid="loyalty">
              <span className="what">
                <b>{entry.reason}</b>
                <span className="muted">{date(entry.created_at)}</span>
              </span>
              <span className="amount" data-negative={entry.points < 0}>
                {points(entry.points)}
              </span>
            </li>
          )}
        </List>
      </section>
      <Connection customerId={customerId} />
    </main>
  );
}

const names = {
  customers: 'Profile',
  jobs: 'Appointments',
  invoices: 'Invoices',
  messages: 'Messages',
  loyalty_transactions: 'Points',
};

/** All subscriptions at a glance; they share the page's one connection. */
function Connection({ customerId }: { customerId: number }): ReactNode {
  const where = { customer_id: customerId };
  const updates = useAllUpdates({
    customers: { where: { id: customerId } },
    jobs: { where },
    invoices: { where },
    messages: { where },
    loyalty_transactions: { where },
  });
  return (
    <section className="card" aria-labelledby="connection-title">
      <h2 id="connection-title">Connection</h2>
      <ConnectionStatus variant="card" />
      <MultiSubscriptionStatus updates={updates} labels={names} worstFirst />
    </section>
  );
}

function List<Row>(props: {
  rows: readonly Row[];
  status: string;
  error: Error | null;
  empty: string;
  children: (row: Row) => ReactNode;
}): ReactNode {
  const { rows, status, error, empty, children } = props;
  if (error && rows.length === 0) {
    return (
      <p className="problem" role="alert">
        {error.message} It is tried again by itself.
      </p>
    );
  }
  if (status === 'loading') {
    return (
      <ul className="items" aria-hidden="true">
        {[1, 2, 3].map((n) => (
          <li key={n}>
            <span className="skeleton" />
          </li>
        ))}
      </ul>
    );
  }
  if (rows.length === 0) return <p className="muted">{empty}</p>;
  return <ul className="items">{rows.map(children)}</ul>;
}
