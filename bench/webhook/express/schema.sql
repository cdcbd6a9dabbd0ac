-- The tables of the outreach mirror as its hand-written handler uses them.
create table webhook_delivery_log (
  id bigserial primary key,
  event_type text not null,
  workspace_name text,
  payload jsonb not null,
  success boolean,
  processing_time_ms integer,
  created_at timestamptz not null default now()
);

create table client_metrics (
  workspace_name text not null,
  metric_type text not null,
  metric_date date not null,
  emails_sent_mtd integer not null default 0,
  manual_emails_sent_mtd integer not null default 0,
  opens_mtd integer not null default 0,
  replies_mtd integer not null default 0,
  positive_replies_mtd integer not null default 0,
  unsubscribed_mtd integer not null default 0,
  bounced_mtd integer not null default 0,
  updated_at timestamptz,
  primary key (workspace_name, metric_type, metric_date)
);

create table client_leads (
  id bigserial primary key,
  workspace_name text not null,
  lead_email text not null,
  bison_lead_id bigint,
  first_name text,
  last_name text,
  title text,
  company text,
  custom_variables jsonb,
  pipeline_stage text,
  updated_at timestamptz not null default now(),
  unique (workspace_name, lead_email)
);

create table webhook_health (
  workspace_name text primary key,
  last_webhook_at timestamptz,
  webhook_count_24h integer not null default 0,
  health_status text
);

insert into client_metrics (workspace_name, metric_type, metric_date)
select workspace, 'mtd', date_trunc('month', now())::date
from unnest(array['Northwind', 'Contoso']) as workspace;
