// SqliteEffects: tenants, facts and counters.
#include "base/check.h"
#include "ingest/apply/sqlite_effects.h"

namespace tw::ingest {

using sqlite::QuoteIdentifier;
using sqlite::Statement;

namespace {

// Of table tidewire_fact, in the order that ReadFact reads.
constexpr std::string_view kFactColumns =
    "f.id, f.tenant, f.kind, f.match_hash, f.occurred_at, f.time_quality, f.bucket_day, "
    "f.contribution, f.channels, f.config_version, f.merged_into, f.mark";

Fact ReadFact(const Statement& row) {
  Fact fact;
  fact.id = row.ColumnInt(0);
  fact.tenant = row.ColumnText(1);
  fact.kind = row.ColumnText(2);
  fact.match_hash = row.ColumnBlob(3);
  fact.occurred_at = WallTime(std::chrono::microseconds(row.ColumnInt(4)));
  fact.quality = static_cast<TimeQuality>(row.ColumnInt(5));
  fact.bucket_day = row.ColumnText(6);
  fact.contribution = row.ColumnText(7);
  fact.channels = row.ColumnText(8);
  fact.config_version = row.ColumnText(9);
  fact.merged_into = row.ColumnInt(10);
  fact.mark = row.ColumnText(11);
  return fact;
}

}  // namespace

Status SqliteEffects::PrepareFacts() {
  const std::string columns(kFactColumns);
  TW_ASSIGN_OR_RETURN(
      find_alias_,
      database_.Prepare("select " + columns +
                        " from tidewire_fact_alias a join tidewire_fact f on f.id = a.fact_id "
                        "where a.scope = ?1 and a.namespace = ?2 and a.value = ?3"));
  TW_ASSIGN_OR_RETURN(
      load_fact_, database_.Prepare("select " + columns + " from tidewire_fact f where id = ?1"));
  TW_ASSIGN_OR_RETURN(
      find_matches_,
      database_.Prepare("select " + columns +
                        " from tidewire_fact f where tenant = ?2 and kind = ?3 and "
                        "match_hash = ?4 and occurred_at between ?5 and ?6 and source = ?1 and "
                        "merged_into = 0 order by id"));
  TW_ASSIGN_OR_RETURN(
      insert_fact_,
      database_.Prepare("insert into tidewire_fact(source, tenant, kind, match_hash, occurred_at, "
                        "time_quality, bucket_day, contribution, channels, config_version, mark, "
                        "first_channel, first_seen) "
                        "values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?9, ?12)"));
  TW_ASSIGN_OR_RETURN(
      update_fact_,
      database_.Prepare("update tidewire_fact set occurred_at = ?2, time_quality = ?3, "
                        "bucket_day = ?4, contribution = ?5, channels = ?6, config_version = ?7, "
                        "merged_into = ?8, mark = ?9 where id = ?1"));
  TW_ASSIGN_OR_RETURN(insert_alias_,
                      database_.Prepare("insert into tidewire_fact_alias values (?1, ?2, ?3, ?4) "
                                        "on conflict do update "
                                        "set fact_id = excluded.fact_id"));
  TW_ASSIGN_OR_RETURN(find_scope_,
                      database_.Prepare("select id from tidewire_fact_scope "
                                        "where source = ?1 and tenant = ?2 and kind = ?3"));
  TW_ASSIGN_OR_RETURN(insert_scope_,
                      database_.Prepare("insert into tidewire_fact_scope(source, tenant, kind) "
                                        "values (?1, ?2, ?3)"));
  return {};
}

// Facts are named within a source, tenant and kind: one small number in the place of three texts
// keeps the largest of our indexes small.
Result<int64_t> SqliteEffects::ScopeOf(uint16_t source, std::string_view tenant,
                                       std::string_view kind) {
  std::string key = std::to_string(source);
  key.append(1, '\0').append(tenant).append(1, '\0').append(kind);
  if (const auto found = scopes_.find(key); found != scopes_.end()) return found->second;
  const auto bind = [&](Statement& statement) {
    statement.BindText(1, sources_[source]->name);
    statement.BindText(2, tenant);
    statement.BindText(3, kind);
  };
  bind(find_scope_);
  TW_ASSIGN_OR_RETURN(const bool known, find_scope_.Step());
  int64_t id = 0;
  if (known) {
    id = find_scope_.ColumnInt(0);
    find_scope_.Reset();
  } else {
    bind(insert_scope_);
    TW_RETURN_IF_ERROR(insert_scope_.Run());
    id = database_.LastInsertRowid();
  }
  scopes_.emplace(std::move(key), id);
  return id;
}

Status SqliteEffects::PrepareTenants(const Source& source, SourceStatements& statements) {
  const TenantPlan& plan = source.tenants;
  const auto optional = [](const std::string& column, std::string_view otherwise) {
    return column.empty() ? std::string(otherwise) : QuoteIdentifier(column);
  };
  const std::string id = QuoteIdentifier(plan.id_column);
  const std::string name = QuoteIdentifier(plan.name_column);
  const std::string active = optional(plan.active_column, "1");
  const std::string select = "select cast(" + id + " as text), " + name + ", " +
                             optional(plan.timezone_column, "''") + ", " + active + " from " +
                             QuoteIdentifier(plan.table);
  TW_ASSIGN_OR_RETURN(statements.tenant_by_id,
                      database_.Prepare(select + " where " + id + " = ?1"));
  TW_ASSIGN_OR_RETURN(
      statements.tenant_by_name,
      database_.Prepare(select + " where " +
                        (plan.via_table.empty()
                             ? name + " = ?1"
                             : id + " in (select " + QuoteIdentifier(plan.via_tenant_column) +
                                   " from " + QuoteIdentifier(plan.via_table) + " where " +
                                   QuoteIdentifier(plan.via_column) + " = ?1)") +
                        " order by " + id + " limit 1"));
  TW_ASSIGN_OR_RETURN(statements.active_tenants,
                      database_.Prepare(select + " where " + active + " order by " + id));
  return {};
}

Status SqliteEffects::PrepareCounters(const CounterPlan& plan, SourceStatements& statements) {
  const auto names = [](const std::vector<ColumnBinding>& columns) {
    std::string text;
    for (const ColumnBinding& column : columns) {
      text += (text.empty() ? "" : ", ") + QuoteIdentifier(column.column);
    }
    return text;
  };
  const auto parameters = [](size_t count) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += i > 0 ? ", ?" : "?";
    return text;
  };
  const std::string day_key = names(plan.day_key) + ", metric, local_day";
  TW_ASSIGN_OR_RETURN(
      statements.add_to_day,
      database_.Prepare("insert into " + QuoteIdentifier(plan.day_table) + "(" + day_key +
                        ", n) values (" + parameters(plan.day_key.size() + 3) + ") on conflict(" +
                        day_key + ") do update set n = n + excluded.n"));
  std::string columns = names(plan.key);
  std::string updates;
  for (const std::string& metric : plan.metrics) {
    const std::string quoted = QuoteIdentifier(metric);
    columns += ", " + quoted;
    updates += (updates.empty() ? "" : ", ") + quoted + " = coalesce(" + quoted +
               ", 0) + excluded." + quoted;
  }
  for (const ColumnBinding& stamp : plan.stamps) {
    const std::string quoted = QuoteIdentifier(stamp.column);
    columns += ", " + quoted;
    updates += ", " + quoted + " = coalesce(excluded." + quoted + ", " + quoted + ")";
  }
  const std::string insert =
      "insert into " + QuoteIdentifier(plan.table) + "(" + columns + ") values (" +
      parameters(plan.key.size() + plan.metrics.size() + plan.stamps.size()) + ") on conflict(" +
      names(plan.key) + ") do ";
  TW_ASSIGN_OR_RETURN(statements.add_to_month, database_.Prepare(insert + "update set " + updates));
  TW_ASSIGN_OR_RETURN(statements.open_month, database_.Prepare(insert + "nothing"));
  return {};
}

Result<std::optional<Tenant>> SqliteEffects::FindTenant(Statement& statement) {
  TW_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return std::optional<Tenant>();
  Tenant tenant{.id = std::string(statement.ColumnText(0)),
                .name = std::string(statement.ColumnText(1)),
                .timezone = std::string(statement.ColumnText(2)),
                .active = statement.ColumnInt(3) != 0};
  statement.Reset();
  return std::optional(std::move(tenant));
}

Result<std::optional<Tenant>> SqliteEffects::FindTenantById(uint16_t source, std::string_view id) {
  Statement& statement = per_source_[source].tenant_by_id;
  if (sources_[source]->tenants.id_type == TenantIdType::kInteger) {
    const auto number = ParseInt64(id);
    if (!number) return std::optional<Tenant>();
    statement.BindInt(1, *number);
  } else {
    statement.BindText(1, id);
  }
  return FindTenant(statement);
}

Result<std::optional<Tenant>> SqliteEffects::FindTenantByName(uint16_t source,
                                                              std::string_view name) {
  Statement& statement = per_source_[source].tenant_by_name;
  statement.BindText(1, name);
  return FindTenant(statement);
}

Result<std::vector<Tenant>> SqliteEffects::ActiveTenants(uint16_t source) {
  Statement& statement = per_source_[source].active_tenants;
  std::vector<Tenant> tenants;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return tenants;
    tenants.push_back({.id = std::string(statement.ColumnText(0)),
                       .name = std::string(statement.ColumnText(1)),
                       .timezone = std::string(statement.ColumnText(2)),
                       .active = true});
  }
}

Result<std::optional<Fact>> SqliteEffects::LoadFact(int64_t id) {
  load_fact_.BindInt(1, id);
  TW_ASSIGN_OR_RETURN(const bool row, load_fact_.Step());
  if (!row) return std::optional<Fact>();
  std::optional<Fact> fact = ReadFact(load_fact_);
  load_fact_.Reset();
  return fact;
}

Result<std::optional<Fact>> SqliteEffects::FindAlias(uint16_t source, std::string_view tenant,
                                                     std::string_view kind,
                                                     const FactAlias& alias) {
  TW_ASSIGN_OR_RETURN(const int64_t scope, ScopeOf(source, tenant, kind));
  find_alias_.BindInt(1, scope);
  find_alias_.BindText(2, alias.name_space);
  find_alias_.BindBlob(3, alias.value);
  TW_ASSIGN_OR_RETURN(const bool row, find_alias_.Step());
  if (!row) return std::optional<Fact>();
  std::optional<Fact> fact = ReadFact(find_alias_);
  find_alias_.Reset();
  // Merges point to older facts, so the chain ends: at one that counts, or at one that was folded.
  while (fact && fact->merged_into != 0) {
    TW_CHECK(fact->merged_into < fact->id);
    TW_ASSIGN_OR_RETURN(fact, LoadFact(fact->merged_into));
  }
  return fact;
}

Result<std::vector<Fact>> SqliteEffects::FindMatches(uint16_t source, std::string_view tenant,
                                                     std::string_view kind, std::string_view hash,
                                                     WallTime from, WallTime to) {
  find_matches_.BindText(1, sources_[source]->name);
  find_matches_.BindText(2, tenant);
  find_matches_.BindText(3, kind);
  find_matches_.BindBlob(4, hash);
  find_matches_.BindInt(5, from.time_since_epoch().count());
  find_matches_.BindInt(6, to.time_since_epoch().count());
  std::vector<Fact> facts;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, find_matches_.Step());
    if (!row) return facts;
    facts.push_back(ReadFact(find_matches_));
  }
}

Result<int64_t> SqliteEffects::InsertFact(uint16_t source, const Fact& fact, WallTime first_seen) {
  insert_fact_.BindText(1, sources_[source]->name);
  insert_fact_.BindText(2, fact.tenant);
  insert_fact_.BindText(3, fact.kind);
  insert_fact_.BindBlob(4, fact.match_hash);
  insert_fact_.BindInt(5, fact.occurred_at.time_since_epoch().count());
  insert_fact_.BindInt(6, static_cast<int64_t>(fact.quality));
  insert_fact_.BindText(7, fact.bucket_day);
  insert_fact_.BindText(8, fact.contribution);
  insert_fact_.BindText(9, fact.channels);
  insert_fact_.BindText(10, fact.config_version);
  insert_fact_.BindText(11, fact.mark);
  insert_fact_.BindInt(12, first_seen.time_since_epoch().count());
  TW_RETURN_IF_ERROR(insert_fact_.Run());
  return database_.LastInsertRowid();
}

Status SqliteEffects::UpdateFact(const Fact& fact) {
  update_fact_.BindInt(1, fact.id);
  update_fact_.BindInt(2, fact.occurred_at.time_since_epoch().count());
  update_fact_.BindInt(3, static_cast<int64_t>(fact.quality));
  update_fact_.BindText(4, fact.bucket_day);
  update_fact_.BindText(5, fact.contribution);
  update_fact_.BindText(6, fact.channels);
  update_fact_.BindText(7, fact.config_version);
  update_fact_.BindInt(8, fact.merged_into);
  update_fact_.BindText(9, fact.mark);
  return update_fact_.Run();
}

Status SqliteEffects::InsertAlias(uint16_t source, std::string_view tenant, std::string_view kind,
                                  const FactAlias& alias, int64_t fact) {
  TW_ASSIGN_OR_RETURN(const int64_t scope, ScopeOf(source, tenant, kind));
  insert_alias_.BindInt(1, scope);
  insert_alias_.BindText(2, alias.name_space);
  insert_alias_.BindBlob(3, alias.value);
  insert_alias_.BindInt(4, fact);
  return insert_alias_.Run();
}

Status SqliteEffects::AddToDay(uint16_t source, std::span<const Value> key, std::string_view metric,
                               std::string_view day, int64_t delta) {
  Statement& add = per_source_[source].add_to_day;
  BindValues(add, 1, key);
  const int next = static_cast<int>(key.size()) + 1;
  add.BindText(next, metric);
  add.BindText(next + 1, day);
  add.BindInt(next + 2, delta);
  return add.Run();
}

Status SqliteEffects::AddToMonth(uint16_t source, std::span<const Value> key,
                                 std::span<const int64_t> deltas, std::span<const Value> stamps) {
  Statement& add = per_source_[source].add_to_month;
  BindValues(add, 1, key);
  int next = static_cast<int>(key.size()) + 1;
  for (const int64_t delta : deltas) add.BindInt(next++, delta);
  BindValues(add, next, stamps);
  return add.Run();
}

Status SqliteEffects::OpenMonth(uint16_t source, std::span<const Value> key,
                                std::span<const Value> stamps) {
  Statement& open = per_source_[source].open_month;
  BindValues(open, 1, key);
  int next = static_cast<int>(key.size()) + 1;
  for (size_t i = 0; i < sources_[source]->counters->metrics.size(); ++i) open.BindInt(next++, 0);
  BindValues(open, next, stamps);
  return open.Run();
}

}  // namespace tw::ingest
