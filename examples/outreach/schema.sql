-- The tables that the outreach screens read. Types are Postgres' names; SQLite keeps them as said.
create table if not exists client_registry(
  bison_workspace_id bigint not null primary key,
  workspace_name text not null unique,
  is_active boolean not null default true,
  timezone text not null default 'America/New_York',
  bison_api_key text -- a secret: no role may read this table
);

create table if not exists client_leads(
  workspace_id bigint, -- what row policies compare with the reader's claim
  workspace_name text not null,
  lead_email text not null,
  bison_lead_id bigint,
  first_name text,
  last_name text,
  title text,
  company text,
  phone text,
  custom_variables jsonb,
  bison_conversation_url text,
  pipeline_stage text,
  pipeline_stage_before text,
  pipeline_position integer,
  lead_value numeric,
  notes text,
  tags jsonb,
  created_at timestamptz,
  updated_at timestamptz, -- of the newest event that changed the row
  primary key(workspace_name, lead_email)
);
create index if not exists client_leads_stage on client_leads(workspace_name, pipeline_stage);

create table if not exists client_metrics(
  workspace_id bigint,
  workspace_name text not null,
  metric_type text not null,
  metric_date date not null,
  emails_sent_mtd bigint not null default 0,
  manual_emails_sent_mtd bigint not null default 0,
  opens_mtd bigint not null default 0,
  replies_mtd bigint not null default 0,
  positive_replies_mtd bigint not null default 0,
  unsubscribed_mtd bigint not null default 0,
  bounced_mtd bigint not null default 0,
  updated_at timestamptz,
  update_source text,
  last_webhook_update_at timestamptz,
  last_poll_update_at timestamptz,
  primary key(workspace_name, metric_type, metric_date)
);

create table if not exists client_metrics_daily(
  workspace_name text not null,
  metric text not null,
  local_day date not null,
  n bigint not null default 0,
  adjusted bigint not null default 0,
  primary key(workspace_name, metric, local_day)
);

create table if not exists webhook_health(
  workspace_id bigint,
  workspace_name text not null primary key,
  last_webhook_at timestamptz,
  last_poll_at timestamptz,
  webhook_count_24h bigint not null default 0,
  poll_count_24h bigint not null default 0,
  health_status text not null default 'healthy'
);

create table if not exists webhook_delivery_log(
  id integer primary key, -- the inbox sequence, as SQLite's own row number: no index of its own
  source text not null,
  workspace_name text,
  event_type text,
  status text not null, -- ok, duplicate, ignored:type, parked:tenant, dead:reason
  delivery_id text, -- as the sender signed it
  received_at timestamptz not null,
  applied_at timestamptz not null,
  duration_ms double precision not null,
  config_version text not null,
  error text,
  body text
);
create index if not exists webhook_delivery_log_received
  on webhook_delivery_log(source, received_at);

-- The scheduled work. Set is_active to 0 to stop a job.
create table if not exists scheduled_jobs(
  job_name text not null primary key,
  job_type text,
  schedule text,
  is_active boolean not null default true,
  endpoint text,
  last_run_at timestamptz,
  last_status text,
  last_error text,
  next_run_at timestamptz
);
