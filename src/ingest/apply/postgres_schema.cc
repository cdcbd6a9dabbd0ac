#include "ingest/apply/postgres_schema.h"

namespace tw::ingest {
namespace {

// Names follow those of the embedded store without their prefix. What a payload says is bytea where
// equal bytes must stay equal, because a text cannot hold every byte. Every table has a primary
// key, so that a publication for all tables does no harm.
constexpr std::string_view kSchema = R"sql(
create schema if not exists tidewire;

create table if not exists tidewire.ingest_state(
  key text primary key,
  value bigint not null
);

create sequence if not exists tidewire.fact_id;
create table if not exists tidewire.fact(
  id bigint primary key,
  source text not null,
  tenant text not null,
  kind text not null,
  match_hash bytea not null,
  occurred_at bigint not null,
  time_quality smallint not null,
  bucket_day text not null,
  contribution text not null,
  channels text not null,
  config_version text not null,
  merged_into bigint not null default 0,
  mark text not null default '',
  first_channel text not null,
  first_seen bigint not null
);
create index if not exists fact_match on tidewire.fact(match_hash, occurred_at);

create table if not exists tidewire.fact_alias(
  source text not null,
  tenant text not null,
  kind text not null,
  namespace text not null,
  value bytea not null,
  fact_id bigint not null,
  primary key(value, namespace, kind, tenant, source)
);

create table if not exists tidewire.sealed(
  source text not null,
  tenant text not null,
  day text not null,
  primary key(source, tenant)
);

create table if not exists tidewire.day_target(
  source text not null,
  tenant text not null,
  metric text not null,
  day text not null,
  total bigint not null,
  sign bigint not null,
  at timestamptz not null,
  primary key(source, tenant, metric, day)
);

create table if not exists tidewire.tenant_zone(
  source text not null,
  tenant text not null,
  zone text not null,
  primary key(source, tenant)
);

create table if not exists tidewire.row_state(
  table_name text not null,
  row_key text not null,
  at bigint not null,
  rank bigint not null,
  sequence bigint not null,
  older text not null,
  stage text,
  terminal text not null,
  terminal_at bigint not null,
  terminal_rank bigint not null,
  terminal_sequence bigint not null,
  primary key(table_name, row_key)
);

create table if not exists tidewire.delivery_count(
  source text not null,
  tenant text not null,
  bucket bigint not null,
  deliveries bigint not null,
  last_at bigint not null,
  primary key(source, tenant, bucket)
);
create index if not exists delivery_count_bucket on tidewire.delivery_count(bucket);

create table if not exists tidewire.parked(
  id bigint generated always as identity primary key,
  source text not null,
  tenant_key bytea not null,
  sequence bigint not null,
  event_index bigint not null,
  event_type bytea not null,
  channel text not null,
  signed_id bytea not null,
  received_at bigint not null,
  event bytea not null
);
create index if not exists parked_tenant
  on tidewire.parked(source, tenant_key, sequence, event_index);

create table if not exists tidewire.dead_letter(
  id bigint generated always as identity primary key,
  source text not null,
  sequence bigint not null,
  event_index bigint not null,
  event_type bytea not null,
  reason text not null,
  error text not null,
  config_version text not null,
  received_at bigint not null,
  event bytea not null,
  signed_id bytea not null default ''
);
create index if not exists dead_letter_sequence on tidewire.dead_letter(sequence);

create table if not exists tidewire.state(
  key text primary key,
  value text not null
);

create table if not exists tidewire.seen(
  scope text not null,
  row_key text not null,
  pass bigint not null,
  swept boolean not null default false,
  primary key(scope, row_key)
);

create table if not exists tidewire.run(
  id text primary key,
  job text not null,
  source text not null,
  stream text not null,
  tenant text not null,
  purpose text not null,
  status text not null,
  error text,
  started_at timestamptz not null,
  ended_at timestamptz not null,
  records bigint not null,
  changed bigint not null
);
create index if not exists run_ended on tidewire.run(ended_at);
create index if not exists run_tenant on tidewire.run(source, tenant, ended_at);

create table if not exists tidewire.dead_record(
  source text not null,
  stream text not null,
  tenant text not null,
  record_id bytea not null,
  reason text not null,
  error text not null,
  config_version text not null,
  record bytea not null,
  at timestamptz not null,
  primary key(source, stream, tenant, record_id)
);

create table if not exists tidewire.request(
  id bigint generated always as identity primary key,
  verb text not null,
  argument text not null,
  asked_at timestamptz not null default now(),
  done_at timestamptz,
  result text
);
create index if not exists request_open on tidewire.request(id) where done_at is null;

create table if not exists tidewire.check(
  source text not null,
  name text not null,
  tenant text not null,
  metric text not null,
  status text not null,
  source_total bigint,
  mirror_total bigint,
  checked_at timestamptz not null,
  primary key(source, name, tenant, metric)
);

create table if not exists tidewire.alert(
  id bigint generated always as identity primary key,
  rule text not null,
  source text not null,
  tenant text not null,
  level text not null,
  text text not null,
  fired_at timestamptz not null,
  last_at timestamptz not null,
  count bigint not null default 1,
  resolved_at timestamptz
);
create unique index if not exists alert_open
  on tidewire.alert(rule, source, tenant) where resolved_at is null;

create table if not exists tidewire.job(
  job_name text primary key,
  job_type text,
  schedule text,
  endpoint text,
  is_active boolean not null default true,
  last_run_at timestamptz,
  last_status text,
  last_error text,
  next_run_at timestamptz
);
)sql";

}  // namespace

std::string PostgresApplySchemaSql() { return std::string(kSchema); }

Status CreatePostgresApplySchema(postgres::Connection& connection) {
  // The last table of the script stands for all: they are made in one transaction.
  TW_ASSIGN_OR_RETURN(const auto known,
                      connection.Query("select pg_catalog.to_regclass('tidewire.job') is not null"));
  if (known.Bool(0, 0)) return {};
  TW_ASSIGN_OR_RETURN(auto transaction, postgres::Transaction::Begin(connection));
  if (const Status made = connection.Execute(std::string(kSchema)); !made.ok()) {
    return Annotate(made.error(),
                    "cannot make the schema tidewire, where deliveries are accounted for (let an"
                    " owner of the database run: create schema tidewire authorization " +
                        postgres::QuoteIdentifier(connection.user()) + ")");
  }
  return transaction.Commit();
}

}  // namespace tw::ingest
