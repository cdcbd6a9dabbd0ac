import { defineEntities } from '@tidewire/client';
import { createEntityHooks } from '@tidewire/react';

/** Every entity of the platform, one line each. A new one needs nothing else. */
export const entities = defineEntities({
  projects: { table: 'projects' },
  applications: { table: 'volunteer_applications' },
  volunteers: { table: 'volunteers' },
  payments: { table: 'payment_approvals' },
  organizations: { table: 'ngos' },
  adminUsers: { table: 'users' },
  vettingQueue: { table: 'vetting_queue' },
});

export interface Rows {
  projects: {
    id: number;
    ngo_id: number;
    title: string;
    status: string;
    spots: number;
    taken: number;
    starts_on: string;
    updated_at: string;
  };
  applications: {
    id: number;
    ngo_id: number;
    project_title: string;
    volunteer_name: string;
    status: string;
    note: string | null;
    created_at: string;
    updated_at: string;
  };
  volunteers: {
    id: number;
    name: string;
    city: string;
    skills: string;
    hours: number;
    status: string;
    updated_at: string;
  };
  payments: {
    id: number;
    ngo_id: number;
    purpose: string;
    amount_cents: number;
    status: string;
    updated_at: string;
  };
  organizations: {
    id: number;
    name: string;
    city: string;
    focus: string;
    status: string;
    updated_at: string;
  };
  adminUsers: {
    id: number;
    name: string;
    email: string;
    role: string;
    last_seen_at: string | null;
  };
  vettingQueue: {
    id: number;
    volunteer_name: string;
    step: string;
    assigned_to: string | null;
    waiting_since: string;
  };
}

export type EntityName = keyof Rows;

export const hooks = createEntityHooks<Rows>()(entities);
