import type { ReactNode } from 'react';
import { timeOf, useNow } from '@tidewire/react';
import type { EntityName, Rows } from './entities.js';

export interface View<Row> {
  readonly title: string;
  readonly one: string;
  readonly staffOnly: boolean;
  readonly order: string;
  /** The filters that make sense: a column and its values. */
  readonly filter: { readonly column: keyof Row & string; readonly values: readonly string[] };
  readonly name: (row: Row) => string;
  readonly line: (row: Row) => ReactNode;
  readonly side: (row: Row) => ReactNode;
  readonly status: (row: Row) => string;
  readonly empty: string;
}

type Views = { readonly [Name in EntityName]: View<Rows[Name]> };

const money = new Intl.NumberFormat('en-GB', { style: 'currency', currency: 'EUR' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

export function Ago({ at }: { at: string | null }): ReactNode {
  const now = useNow(10_000);
  const time = at === null ? null : timeOf(at);
  if (time === null) return 'never';
  const minutes = Math.floor((now - time) / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ago`;
  return day.format(time);
}

export const views: Views = {
  applications: {
    title: 'Applications',
    one: 'application',
    staffOnly: false,
    order: 'updated_at.desc,id',
    filter: { column: 'status', values: ['submitted', 'shortlisted', 'accepted', 'declined'] },
    name: (row) => row.volunteer_name,
    line: (row) => (row.note ? `${row.project_title} · “${row.note}”` : row.project_title),
    side: (row) => <Ago at={row.updated_at} />,
    status: (row) => row.status,
    empty: 'New applications appear here the moment they are sent.',
  },
  projects: {
    title: 'Projects',
    one: 'project',
    staffOnly: false,
    order: 'starts_on,id',
    filter: { column: 'status', values: ['open', 'full', 'running', 'done'] },
    name: (row) => row.title,
    line: (row) => <Places taken={row.taken} spots={row.spots} />,
    side: (row) => `from ${day.format(new Date(row.starts_on))}`,
    status: (row) => row.status,
    empty: 'No project has this status now.',
  },
  volunteers: {
    title: 'Volunteers',
    one: 'volunteer',
    staffOnly: true,
    order: 'hours.desc,id',
    filter: { column: 'status', values: ['available', 'engaged', 'away'] },
    name: (row) => row.name,
    line: (row) => `${row.city} · ${row.skills}`,
    side: (row) => `${row.hours} h given`,
    status: (row) => row.status,
    empty: 'Nobody has this status now.',
  },
  payments: {
    title: 'Payments',
    one: 'payment',
    staffOnly: false,
    order: 'updated_at.desc,id',
    filter: { column: 'status', values: ['pending', 'approved', 'paid', 'rejected'] },
    name: (row) => row.purpose,
    line: (row) => <Ago at={row.updated_at} />,
    side: (row) => money.format(row.amount_cents / 100),
    status: (row) => row.status,
    empty: 'Nothing waits for approval.',
  },
  organizations: {
    title: 'Organizations',
    one: 'organization',
    staffOnly: false,
    order: 'name',
    filter: { column: 'status', values: ['active', 'in review', 'paused'] },
    name: (row) => row.name,
    line: (row) => row.focus,
    side: (row) => row.city,
    status: (row) => row.status,
    empty: 'No organization has this status now.',
  },
  vettingQueue: {
    title: 'Vetting',
    one: 'check',
    staffOnly: true,
    order: 'waiting_since,id',
    filter: { column: 'step', values: ['identity', 'references', 'interview', 'cleared'] },
    name: (row) => row.volunteer_name,
    line: (row) => (row.assigned_to ? `with ${row.assigned_to}` : 'nobody assigned'),
    side: (row) => (
      <>
        since <Ago at={row.waiting_since} />
      </>
    ),
    status: (row) => row.step,
    empty: 'The queue is empty.',
  },
  adminUsers: {
    title: 'Team',
    one: 'person',
    staffOnly: true,
    order: 'name',
    filter: { column: 'role', values: ['administrator', 'reviewer', 'finance'] },
    name: (row) => row.name,
    line: (row) => row.email,
    side: (row) => (
      <>
        seen <Ago at={row.last_seen_at} />
      </>
    ),
    status: (row) => row.role,
    empty: 'Nobody has this role.',
  },
};

function Places({ taken, spots }: { taken: number; spots: number }): ReactNode {
  return (
    <span className="places">
      <meter min={0} max={spots} value={taken} aria-label="Places taken" />
      {taken} of {spots} places
    </span>
  );
}
