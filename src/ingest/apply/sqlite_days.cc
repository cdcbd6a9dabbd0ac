#include "ingest/apply/sqlite_days.h"

#include "ingest/apply/sqlite_effects.h"

namespace tw::ingest {

using sqlite::QuoteIdentifier;
using sqlite::Statement;

namespace {

constexpr std::string_view kSchema = R"sql(
create table if not exists tidewire_sealed(
  source text not null,
  tenant text not null,
  day text not null, -- those before it are sealed
  primary key(source, tenant)
) without rowid;

create table if not exists tidewire_day_target(
  source text not null,
  tenant text not null,
  metric text not null,
  day text not null,
  total integer not null,
  sign integer not null,
  at text not null,
  primary key(source, tenant, metric, day)
) without rowid;

create table if not exists tidewire_tenant_zone(
  source text not null,
  tenant text not null,
  zone text not null,
  primary key(source, tenant)
) without rowid;
)sql";

constexpr char kFactColumns[] =
    "select id, source, tenant, kind, bucket_day, contribution, occurred_at, first_seen, "
    "merged_into from tidewire_fact ";

WallTime TimeOf(const Statement& row, int column) {
  return WallTime(std::chrono::microseconds(row.ColumnInt(column)));
}

// The place of a name in its index: scope, then namespace and value, each after its length.
std::string CursorOf(int64_t scope, std::string_view name_space, std::string_view value) {
  return std::to_string(scope) + ' ' + std::to_string(name_space.size()) + ' ' +
         std::string(name_space) + std::string(value);
}

}  // namespace

Result<std::unique_ptr<SqliteDays>> SqliteDays::Create(
    sqlite::Database& database, std::span<const std::shared_ptr<const Source>> sources) {
  TW_RETURN_IF_ERROR(database.Execute(std::string(kSchema)));
  return std::unique_ptr<SqliteDays>(new SqliteDays(database, sources));
}

Result<Statement*> SqliteDays::Get(const std::string& sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) return &found->second;
  TW_ASSIGN_OR_RETURN(Statement statement, database_.Prepare(sql));
  return &statements_.emplace(sql, std::move(statement)).first->second;
}

Result<std::vector<SealedTenant>> SqliteDays::SealedTenants() {
  TW_ASSIGN_OR_RETURN(Statement * read, Get("select source, tenant, day from tidewire_sealed"));
  std::vector<SealedTenant> sealed;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) return sealed;
    sealed.push_back({std::string(read->ColumnText(0)), std::string(read->ColumnText(1)),
                      std::string(read->ColumnText(2))});
  }
}

Status SqliteDays::Seal(const SealedTenant& sealed) {
  TW_ASSIGN_OR_RETURN(Statement * write,
                      Get("insert or replace into tidewire_sealed values (?1, ?2, ?3)"));
  write->BindText(1, sealed.source);
  write->BindText(2, sealed.tenant);
  write->BindText(3, sealed.day);
  return write->Run();
}

Result<std::vector<DayTarget>> SqliteDays::DayTargets() {
  TW_ASSIGN_OR_RETURN(Statement * read, Get("select source, tenant, metric, day, total, sign "
                                            "from tidewire_day_target"));
  std::vector<DayTarget> targets;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) return targets;
    targets.push_back({.source = std::string(read->ColumnText(0)),
                       .tenant = std::string(read->ColumnText(1)),
                       .metric = std::string(read->ColumnText(2)),
                       .day = std::string(read->ColumnText(3)),
                       .total = read->ColumnInt(4),
                       .sign = read->ColumnInt(5)});
  }
}

Status SqliteDays::WriteTarget(const DayTarget& target, WallTime at) {
  const bool remove = target.sign == 0;
  TW_ASSIGN_OR_RETURN(Statement * write,
                      Get(remove ? "delete from tidewire_day_target "
                                   "where source = ?1 and tenant = ?2 and metric = ?3 and day = ?4"
                                 : "insert or replace into tidewire_day_target "
                                   "values (?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  const std::string written = FormatTimestampMs(at);
  write->BindText(1, target.source);
  write->BindText(2, target.tenant);
  write->BindText(3, target.metric);
  write->BindText(4, target.day);
  if (!remove) {
    write->BindInt(5, target.total);
    write->BindInt(6, target.sign);
    write->BindText(7, written);
  }
  return write->Run();
}

Status SqliteDays::RemoveTargets(std::string_view source, std::string_view tenant,
                                 std::string_view day) {
  TW_ASSIGN_OR_RETURN(Statement * write, Get("delete from tidewire_day_target "
                                             "where source = ?1 and tenant = ?2 and day < ?3"));
  write->BindText(1, source);
  write->BindText(2, tenant);
  write->BindText(3, day);
  return write->Run();
}

Result<std::vector<ZonedTenant>> SqliteDays::Zones() {
  TW_ASSIGN_OR_RETURN(Statement * read,
                      Get("select source, tenant, zone from tidewire_tenant_zone"));
  std::vector<ZonedTenant> zones;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) return zones;
    zones.push_back({std::string(read->ColumnText(0)), std::string(read->ColumnText(1)),
                     std::string(read->ColumnText(2))});
  }
}

Status SqliteDays::WriteZone(const ZonedTenant& zoned) {
  TW_ASSIGN_OR_RETURN(Statement * write,
                      Get("insert or replace into tidewire_tenant_zone values (?1, ?2, ?3)"));
  write->BindText(1, zoned.source);
  write->BindText(2, zoned.tenant);
  write->BindText(3, zoned.zone);
  return write->Run();
}

Result<std::vector<PlacedFact>> SqliteDays::ReadFacts(const std::string& sql, int64_t id, int max) {
  TW_ASSIGN_OR_RETURN(Statement * read, Get(sql));
  read->BindInt(1, id);
  read->BindInt(2, max);
  std::vector<PlacedFact> facts;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) return facts;
    facts.push_back({.id = read->ColumnInt(0),
                     .source = std::string(read->ColumnText(1)),
                     .tenant = std::string(read->ColumnText(2)),
                     .kind = std::string(read->ColumnText(3)),
                     .bucket_day = std::string(read->ColumnText(4)),
                     .contribution = std::string(read->ColumnText(5)),
                     .occurred_at = TimeOf(*read, 6),
                     .first_seen = TimeOf(*read, 7),
                     .merged_into = read->ColumnInt(8)});
  }
}

Result<std::vector<PlacedFact>> SqliteDays::FactsAfter(int64_t id, int max) {
  return ReadFacts(std::string(kFactColumns) + "where id > ?1 order by id limit ?2", id, max);
}

Result<std::vector<PlacedFact>> SqliteDays::FactsBefore(int64_t id, int max) {
  return ReadFacts(std::string(kFactColumns) + "where id < ?1 order by id desc limit ?2", id, max);
}

Status SqliteDays::MoveFact(int64_t id, std::string_view bucket_day) {
  TW_ASSIGN_OR_RETURN(Statement * write,
                      Get("update tidewire_fact set bucket_day = ?2 where id = ?1"));
  write->BindInt(1, id);
  write->BindText(2, bucket_day);
  return write->Run();
}

Status SqliteDays::RemoveFact(int64_t id) {
  TW_ASSIGN_OR_RETURN(Statement * write,
                      Get("delete from tidewire_fact "
                          "where id = ?1 and id < (select max(id) from tidewire_fact)"));
  write->BindInt(1, id);
  return write->Run();
}

Result<int64_t> SqliteDays::SweepAliases(std::string& cursor, int max) {
  int64_t scope = -1;
  std::string_view name_space;
  std::string_view value;
  if (!cursor.empty()) {
    const std::string_view text = cursor;
    const size_t first = text.find(' ');
    const size_t second = text.find(' ', first + 1);
    scope = *ParseInt64(text.substr(0, first));
    const auto size = static_cast<size_t>(*ParseInt64(text.substr(first + 1, second - first - 1)));
    name_space = text.substr(second + 1, size);
    value = text.substr(second + 1 + size);
  }
  TW_ASSIGN_OR_RETURN(
      Statement * read,
      Get("select scope, namespace, value, "
          "not exists (select 1 from tidewire_fact where id = fact_id) from tidewire_fact_alias "
          "where (scope, namespace, value) > (?1, ?2, ?3) order by scope, namespace, value "
          "limit ?4"));
  read->BindInt(1, scope);
  read->BindText(2, name_space);
  read->BindBlob(3, value);
  read->BindInt(4, max);
  struct Name {
    int64_t scope;
    std::string name_space;
    std::string value;
  };
  std::vector<Name> gone;
  std::string last;
  int seen = 0;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read->Step());
    if (!row) break;
    ++seen;
    last = CursorOf(read->ColumnInt(0), read->ColumnText(1), read->ColumnBlob(2));
    if (read->ColumnInt(3) == 0) continue;
    gone.push_back(
        {read->ColumnInt(0), std::string(read->ColumnText(1)), std::string(read->ColumnBlob(2))});
  }
  TW_ASSIGN_OR_RETURN(Statement * remove,
                      Get("delete from tidewire_fact_alias "
                          "where scope = ?1 and namespace = ?2 and value = ?3"));
  for (const Name& name : gone) {
    remove->BindInt(1, name.scope);
    remove->BindText(2, name.name_space);
    remove->BindBlob(3, name.value);
    TW_RETURN_IF_ERROR(remove->Run());
  }
  cursor = seen < max ? std::string() : last;
  return static_cast<int64_t>(gone.size());
}

Result<bool> SqliteDays::Folding() {
  TW_ASSIGN_OR_RETURN(const int64_t rows,
                      database_.QueryInt("select count(*) from tidewire_ingest_state "
                                         "where key = 'folding' and value <> 0"));
  return rows > 0;
}

Status SqliteDays::SetFolding(bool folding) {
  TW_ASSIGN_OR_RETURN(Statement * write,
                      Get("insert or replace into tidewire_ingest_state values ('folding', ?1)"));
  write->BindInt(1, folding ? 1 : 0);
  return write->Run();
}

Result<DayCount> SqliteDays::ReadDay(uint16_t source, std::span<const Value> key,
                                     std::string_view metric, std::string_view day) {
  const CounterPlan& plan = *sources_[source]->counters;
  std::string sql = "select n, adjusted from " + QuoteIdentifier(plan.day_table) + " where ";
  for (const ColumnBinding& column : plan.day_key)
    sql += QuoteIdentifier(column.column) + " = ? and ";
  TW_ASSIGN_OR_RETURN(Statement * read, Get(sql + "metric = ? and local_day = ?"));
  BindValues(*read, 1, key);
  const int next = static_cast<int>(key.size()) + 1;
  read->BindText(next, metric);
  read->BindText(next + 1, day);
  TW_ASSIGN_OR_RETURN(const bool row, read->Step());
  if (!row) return DayCount{};
  const DayCount count{read->ColumnInt(0), read->ColumnInt(1)};
  read->Reset();
  return count;
}

Result<DayCount> SqliteDays::SumDays(uint16_t source, std::span<const Value> key,
                                     std::string_view metric, std::string_view from,
                                     std::string_view to) {
  const CounterPlan& plan = *sources_[source]->counters;
  std::string sql = "select coalesce(sum(n), 0), coalesce(sum(adjusted), 0) from " +
                    QuoteIdentifier(plan.day_table) + " where ";
  for (const ColumnBinding& column : plan.day_key)
    sql += QuoteIdentifier(column.column) + " = ? and ";
  TW_ASSIGN_OR_RETURN(Statement * read, Get(sql + "metric = ? and local_day between ? and ?"));
  BindValues(*read, 1, key);
  const int next = static_cast<int>(key.size()) + 1;
  read->BindText(next, metric);
  read->BindText(next + 1, from);
  read->BindText(next + 2, to);
  TW_RETURN_IF_ERROR(read->Step());
  const DayCount count{read->ColumnInt(0), read->ColumnInt(1)};
  read->Reset();
  return count;
}

Status SqliteDays::WriteAdjusted(uint16_t source, std::span<const Value> key,
                                 std::string_view metric, std::string_view day, int64_t adjusted) {
  const CounterPlan& plan = *sources_[source]->counters;
  std::string columns;
  std::string values;
  for (const ColumnBinding& column : plan.day_key) {
    columns += QuoteIdentifier(column.column) + ", ";
    values += "?, ";
  }
  TW_ASSIGN_OR_RETURN(
      Statement * write,
      Get("insert into " + QuoteIdentifier(plan.day_table) + "(" + columns +
          "metric, local_day, n, adjusted) values (" + values + "?, ?, 0, ?) on conflict(" +
          columns + "metric, local_day) do update set adjusted = excluded.adjusted"));
  BindValues(*write, 1, key);
  const int next = static_cast<int>(key.size()) + 1;
  write->BindText(next, metric);
  write->BindText(next + 1, day);
  write->BindInt(next + 2, adjusted);
  return write->Run();
}

}  // namespace tw::ingest
