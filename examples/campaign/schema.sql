-- The tables of campaign dashboards (mission S0). Types are Postgres' names; SQLite keeps them as
-- said.
create table if not exists organizations(
  id uuid not null primary key,
  name text not null unique,
  is_active boolean not null default 1,
  timezone text not null default 'America/New_York'
);

-- One row per organization and outside system. The value is a secret: no role may read this table.
create table if not exists org_credentials(
  organization_id uuid not null,
  source text not null,
  secret_ref text not null,
  primary key(organization_id, source)
);

-- Which organization an advertising account or a donation form belongs to.
create table if not exists org_ad_accounts(
  ad_account_id text not null primary key,
  organization_id uuid not null
);
create table if not exists org_forms(
  form text not null primary key,
  organization_id uuid not null
);

create table if not exists meta_ad_metrics(
  organization_id uuid not null,
  ad_id text not null,
  date date not null,
  spend numeric,
  impressions bigint,
  clicks bigint,
  primary key(organization_id, ad_id, date)
);

create table if not exists sms_messages(
  organization_id uuid not null,
  message_id text not null,
  status text,
  cost numeric,
  updated_at timestamptz,
  primary key(organization_id, message_id)
);

create table if not exists donations(
  organization_id uuid not null,
  receipt_id text not null,
  amount numeric,
  donor_email text,
  recurring bigint,
  paid_at timestamptz,
  primary key(organization_id, receipt_id)
);

-- How old each organization's data is, by source. Written in the transaction of the data itself: who
-- sees the row sees the data.
create table if not exists data_freshness(
  organization_id uuid not null,
  source text not null,
  last_synced_at timestamptz,
  last_sync_status text,
  last_error text,
  rows_changed bigint,
  next_due_at timestamptz,
  sync_id text,
  primary key(organization_id, source)
);

-- The scheduled work: what there is, and whether it runs. Set is_active to 0 to stop a job.
create table if not exists scheduled_jobs(
  job_name text not null primary key,
  job_type text,
  schedule text,
  is_active boolean not null default 1,
  endpoint text,
  last_run_at timestamptz,
  last_status text,
  last_error text,
  next_run_at timestamptz
);

create table if not exists webhook_delivery_log(
  id bigint not null primary key, -- the inbox sequence
  source text not null,
  organization text,
  event_type text,
  status text not null,
  received_at timestamptz not null,
  applied_at timestamptz not null,
  duration_ms double precision not null,
  config_version text not null,
  error text,
  body text
);
create index if not exists webhook_delivery_log_received
  on webhook_delivery_log(source, received_at);
