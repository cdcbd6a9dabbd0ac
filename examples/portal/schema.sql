-- The tables of the CRM that the portal shows.
create table if not exists customers(
  id bigint not null primary key,
  portal_user_id uuid not null,
  name text not null,
  email text not null,
  address text not null,
  tier text not null default 'Silver',
  updated_at timestamptz not null
);

create table if not exists jobs(
  id bigint not null primary key,
  customer_id bigint not null,
  title text not null,
  status text not null, -- scheduled, on the way, in progress, done, cancelled
  technician text,
  scheduled_at timestamptz not null,
  updated_at timestamptz not null
);
create index if not exists jobs_customer on jobs(customer_id);

create table if not exists invoices(
  id bigint not null primary key,
  customer_id bigint not null,
  number text not null,
  amount_cents bigint not null,
  status text not null, -- open, paid, overdue
  due_on date not null,
  updated_at timestamptz not null
);
create index if not exists invoices_customer on invoices(customer_id);

create table if not exists messages(
  id text not null primary key,
  customer_id bigint not null,
  sender text not null, -- customer, office
  body text not null,
  created_at timestamptz not null,
  read_at timestamptz
);
create index if not exists messages_customer on messages(customer_id);

create table if not exists loyalty_transactions(
  id bigint not null primary key,
  customer_id bigint not null,
  points integer not null, -- earned: positive; redeemed: negative
  reason text not null,
  created_at timestamptz not null
);
create index if not exists loyalty_customer on loyalty_transactions(customer_id);
