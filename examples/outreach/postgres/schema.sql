-- The outreach example on a PostgreSQL database of your own: run it once, with psql.
-- The tables are those of ../schema.sql; what is added are their rights.
do $$ begin
  if to_regrole('anon') is null then create role anon nologin; end if;
  if to_regrole('authenticated') is null then create role authenticated nologin; end if;
  if to_regrole('service_role') is null then create role service_role nologin bypassrls; end if;
end $$;
create schema if not exists auth;
create or replace function auth.jwt() returns jsonb language sql stable as
  $$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;

create table client_registry(
  bison_workspace_id bigint primary key,
  workspace_name text not null unique,
  is_active boolean not null default true,
  timezone text not null default 'America/New_York',
  bison_api_key text -- a secret: no role may read this table
);

create table client_leads(
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
create index on client_leads(workspace_name, pipeline_stage);

create table client_metrics(
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

create table client_metrics_daily(
  workspace_name text not null,
  metric text not null,
  local_day date not null,
  n bigint not null default 0,
  adjusted bigint not null default 0,
  primary key(workspace_name, metric, local_day)
);

create table webhook_health(
  workspace_id bigint,
  workspace_name text not null primary key,
  last_webhook_at timestamptz,
  last_poll_at timestamptz,
  webhook_count_24h bigint not null default 0,
  poll_count_24h bigint not null default 0,
  health_status text not null default 'healthy'
);

create table webhook_delivery_log(
  id bigint primary key, -- the inbox sequence
  source text not null,
  workspace_name text,
  event_type text,
  status text not null, -- ok, duplicate, ignored:type, parked:tenant, dead:reason
  received_at timestamptz not null,
  applied_at timestamptz not null,
  duration_ms double precision not null,
  config_version text not null,
  error text,
  body text
);
create index on webhook_delivery_log(source, received_at);

-- The scheduled work. Set is_active to false to stop a job.
create table scheduled_jobs(
  job_name text primary key,
  job_type text,
  schedule text,
  is_active boolean not null default true,
  endpoint text,
  last_run_at timestamptz,
  last_status text,
  last_error text,
  next_run_at timestamptz
);

-- Old images make it possible to tell a client that a row has left its view.
alter table client_leads replica identity full;
alter table client_metrics replica identity full;
alter table webhook_health replica identity full;

grant usage on schema public, auth to authenticated, service_role;
grant select on client_leads, client_metrics, webhook_health to authenticated;
grant insert, update, delete on client_leads to authenticated; -- screens move leads along
grant select, insert, update, delete on client_leads, client_metrics, webhook_health
  to service_role;
alter table client_registry enable row level security; -- and no policy: no client reads it
alter table client_leads enable row level security;
alter table client_metrics enable row level security;
alter table webhook_health enable row level security;
create policy own_workspace on client_leads to authenticated
  using (workspace_id = (auth.jwt() ->> 'workspace_id')::bigint);
create policy own_workspace on client_metrics for select to authenticated
  using (workspace_id = (auth.jwt() ->> 'workspace_id')::bigint);
create policy own_workspace on webhook_health for select to authenticated
  using (workspace_id = (auth.jwt() ->> 'workspace_id')::bigint);

insert into client_registry(bison_workspace_id, workspace_name, timezone, bison_api_key) values
  (37, 'Northwind', 'America/New_York', 'demo-key-37'),
  (38, 'Contoso', 'America/New_York', 'demo-key-38');
-- Polling is off until there is a platform to poll: start ../fake-platform.mjs, then
-- `tidewire jobs resume outreach.fallback --config …`.
insert into scheduled_jobs(job_name, is_active) values
  ('outreach.fallback', false), ('outreach.consistency', false), ('daily_catch_all', false);
