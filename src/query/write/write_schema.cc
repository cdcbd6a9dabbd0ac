#include "query/write/write_schema.h"

namespace tw::query {

Status CreatePostgresWriteSchema(postgres::Connection& connection) {
  TW_ASSIGN_OR_RETURN(const auto known,
                      connection.Query("select to_regclass('tidewire.mutation')"));
  if (!known.IsNull(0, 0)) return {};
  // One at a time: "if not exists" alone lets two makers collide.
  return connection.Execute(R"sql(
select pg_advisory_xact_lock(hashtext('tidewire.mutation'));
create schema if not exists tidewire;
create table if not exists tidewire.mutation(
  id text primary key,
  at timestamptz not null default now(),
  caller text not null,
  status integer,
  response text,
  position text
);
create index if not exists mutation_at on tidewire.mutation(at);
)sql");
}

Result<postgres::Rows> TrimPostgresMutations(postgres::Connection& connection) {
  return connection.Query(
      "delete from tidewire.mutation where at < greatest(now() - interval '7 days',"
      " (select at from tidewire.mutation order by at desc offset 100000 limit 1))");
}

}  // namespace tw::query
