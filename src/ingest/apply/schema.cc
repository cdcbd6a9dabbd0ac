#include "ingest/apply/schema.h"

namespace tw::ingest {

namespace {

// Columns that databases of earlier versions lack.
Status AddColumns(sqlite::Database& database) {
  TW_ASSIGN_OR_RETURN(const int64_t has_id,
                      database.QueryInt("select count(*) from pragma_table_info("
                                        "'tidewire_dead_letter') where name = 'signed_id'"));
  if (has_id > 0) return {};
  return database.Execute(
      "alter table tidewire_dead_letter add column signed_id text not null default ''");
}

}  // namespace

Status CreateApplySchema(sqlite::Database& database) {
  const Status created = database.Execute(R"sql(
create table if not exists tidewire_ingest_state(
  key text primary key,
  value integer not null
) without rowid;

create table if not exists tidewire_fact(
  id integer primary key,
  source text not null,
  tenant text not null,
  kind text not null,
  match_hash blob not null,
  occurred_at integer not null,
  time_quality integer not null,
  bucket_day text not null,
  contribution text not null,
  channels text not null,
  config_version text not null,
  merged_into integer not null default 0,
  mark text not null default '',
  first_channel text not null,
  first_seen integer not null
);
create index if not exists tidewire_fact_match
  on tidewire_fact(match_hash, occurred_at); -- the hash covers source, tenant and kind

create table if not exists tidewire_fact_scope(
  id integer primary key,
  source text not null,
  tenant text not null,
  kind text not null,
  unique(source, tenant, kind)
);

create table if not exists tidewire_fact_alias(
  scope integer not null,
  namespace text not null,
  value blob not null,
  fact_id integer not null,
  primary key(scope, namespace, value)
) without rowid;

create table if not exists tidewire_row_state(
  table_name text not null,
  row_key text not null,
  at integer not null,
  rank integer not null,
  sequence integer not null,
  older text not null,
  stage text,
  terminal text not null,
  terminal_at integer not null,
  terminal_rank integer not null,
  terminal_sequence integer not null,
  primary key(table_name, row_key)
) without rowid;

create table if not exists tidewire_delivery_count(
  source text not null,
  tenant text not null,
  bucket integer not null,
  deliveries integer not null,
  last_at integer not null,
  primary key(source, tenant, bucket)
) without rowid;
create index if not exists tidewire_delivery_count_bucket on tidewire_delivery_count(bucket);

create table if not exists tidewire_parked(
  id integer primary key,
  source text not null,
  tenant_key text not null,
  sequence integer not null,
  event_index integer not null,
  event_type text not null,
  channel text not null,
  signed_id text not null,
  received_at integer not null,
  event text not null
);
create index if not exists tidewire_parked_tenant
  on tidewire_parked(source, tenant_key, sequence, event_index);

create table if not exists tidewire_dead_letter(
  id integer primary key,
  source text not null,
  sequence integer not null,
  event_index integer not null,
  event_type text not null,
  reason text not null,
  error text not null,
  config_version text not null,
  received_at integer not null,
  event text not null
);
create index if not exists tidewire_dead_letter_sequence on tidewire_dead_letter(sequence);

)sql");
  TW_RETURN_IF_ERROR(created);
  return AddColumns(database);
}

}  // namespace tw::ingest
