import { count, createTableHook, sum } from '@tidewire/react/hooks';

export interface Customer {
  id: number;
  name: string;
  email: string;
  address: string;
  tier: string;
}
export interface Job {
  id: number;
  customer_id: number;
  title: string;
  status: string;
  technician: string | null;
  scheduled_at: string;
}
export interface Invoice {
  id: number;
  customer_id: number;
  number: string;
  amount_cents: number;
  status: string;
  due_on: string;
}
export interface Message {
  id: string;
  customer_id: number;
  sender: 'customer' | 'office';
  body: string;
  created_at: string;
  read_at: string | null;
}
export interface Loyalty {
  id: number;
  customer_id: number;
  points: number;
  reason: string;
  created_at: string;
}

// One hook per table: which columns travel, what is derived of the rows, and what is worth a name.
export const useCustomerProfile = createTableHook<Customer>()('customers', {
  columns: ['id', 'name', 'email', 'address', 'tier'],
  rows: true,
});

export const useJobs = createTableHook<Job>()('jobs', { order: 'scheduled_at.desc', rows: true });

export const useInvoices = createTableHook<Invoice>()('invoices', {
  order: 'due_on.desc',
  rows: true,
  derive: {
    dueCents: sum<Invoice>('amount_cents', (invoice) => invoice.status !== 'paid'),
  },
  on: {
    paid: ({ record, oldRecord }) => record?.status === 'paid' && oldRecord?.status !== 'paid',
  },
});

export const useMessages = createTableHook<Message>()('messages', {
  order: 'created_at,id',
  derive: {
    unreadCount: count<Message>((message) => message.sender === 'office' && !message.read_at),
  },
  on: {
    new: ({ type, record }) => type === 'INSERT' && record?.sender === 'office',
    read: ({ record, oldRecord }) => !!record?.read_at && !oldRecord?.read_at,
    deleted: ({ type }) => type === 'DELETE',
  },
});

export const useLoyaltyTransactions = createTableHook<Loyalty>()('loyalty_transactions', {
  order: 'created_at.desc,id.desc',
  derive: { totalPoints: sum<Loyalty>('points') },
  on: {
    earned: ({ type, record }) => type === 'INSERT' && (record?.points ?? 0) > 0,
    redeemed: ({ type, record }) => type === 'INSERT' && (record?.points ?? 0) < 0,
  },
});
