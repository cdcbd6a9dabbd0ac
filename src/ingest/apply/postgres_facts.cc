// PostgresEffects: tenants, facts and counters.
#include <algorithm>

#include "base/check.h"
#include "ingest/apply/postgres_effects.h"
#include "postgres/array.h"

namespace tw::ingest {

using postgres::Parameter;
using postgres::QuoteIdentifier;

namespace {

constexpr int kFactIdsTaken = 256;

int64_t Micros(WallTime time) { return time.time_since_epoch().count(); }

std::string Names(const std::vector<ColumnBinding>& columns) {
  std::string text;
  for (const ColumnBinding& column : columns) {
    text += (text.empty() ? "" : ", ") + QuoteIdentifier(column.column);
  }
  return text;
}

std::string Numbers(size_t count) {
  std::string text;
  for (size_t i = 1; i <= count; ++i) text += (i > 1 ? ", $" : "$") + std::to_string(i);
  return text;
}

Tenant ReadTenant(const postgres::Rows& rows, size_t row) {
  return {.id = std::string(rows.Text(row, 0)),
          .name = std::string(rows.Text(row, 1)),
          .timezone = std::string(rows.Text(row, 2)),
          .active = rows.Bool(row, 3)};
}

// A column that says yes or no, as boolean, number or text.
std::string Truth(const std::string& column) {
  if (column.empty()) return "true";
  return "coalesce(" + QuoteIdentifier(column) + "::text in ('true', 't', '1'), false)";
}

}  // namespace

Result<std::string> PostgresEffects::TenantColumns(const TenantPlan& plan) const {
  return "select " + QuoteIdentifier(plan.id_column) + "::text, " +
         QuoteIdentifier(plan.name_column) + ", " +
         (plan.timezone_column.empty() ? "''" : QuoteIdentifier(plan.timezone_column)) + ", " +
         Truth(plan.active_column) + " from " + QualifiedName(plan.table);
}

Result<std::optional<Tenant>> PostgresEffects::OneTenant(std::string sql,
                                                         const StoredText& parameter) {
  // No text of a database holds a zero byte, so no tenant has such a name.
  if (parameter->find('\0') != std::string::npos) return std::optional<Tenant>();
  TW_ASSIGN_OR_RETURN(const auto rows, session_.Query(sql, {Parameter(*parameter)}));
  if (rows.empty()) return std::optional<Tenant>();
  return std::optional(ReadTenant(rows, 0));
}

Result<std::optional<Tenant>> PostgresEffects::FindTenantById(uint16_t source,
                                                              std::string_view id) {
  const TenantPlan& plan = sources_[source]->tenants;
  TW_ASSIGN_OR_RETURN(const std::string select, TenantColumns(plan));
  const std::string column = QuoteIdentifier(plan.id_column);
  if (plan.id_type == TenantIdType::kInteger) {
    const auto number = ParseInt64(id);
    if (!number) return std::optional<Tenant>();
    return OneTenant(select + " where " + column + " = $1::bigint", std::to_string(*number));
  }
  return OneTenant(select + " where " + column + "::text = $1::text", std::string(id));
}

Result<std::optional<Tenant>> PostgresEffects::FindTenantByName(uint16_t source,
                                                                std::string_view name) {
  const TenantPlan& plan = sources_[source]->tenants;
  TW_ASSIGN_OR_RETURN(const std::string select, TenantColumns(plan));
  const std::string id = QuoteIdentifier(plan.id_column);
  const std::string condition =
      plan.via_table.empty()
          ? QuoteIdentifier(plan.name_column) + "::text = $1::text"
          : id + " in (select " + QuoteIdentifier(plan.via_tenant_column) + " from " +
                QualifiedName(plan.via_table) + " where " + QuoteIdentifier(plan.via_column) +
                "::text = $1::text)";
  return OneTenant(select + " where " + condition + " order by " + id + " limit 1",
                   std::string(name));
}

Result<std::vector<Tenant>> PostgresEffects::ActiveTenants(uint16_t source) {
  const TenantPlan& plan = sources_[source]->tenants;
  TW_ASSIGN_OR_RETURN(const std::string select, TenantColumns(plan));
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query(select + " where " + Truth(plan.active_column) +
                                     " order by " + QuoteIdentifier(plan.id_column)));
  std::vector<Tenant> tenants;
  for (size_t i = 0; i < rows.size(); ++i) tenants.push_back(ReadTenant(rows, i));
  return tenants;
}

PostgresEffects::CachedFact& PostgresEffects::Keep(Fact fact) {
  const int64_t id = fact.id;
  // What this transaction knows of a fact is newer than what the database does.
  return facts_.try_emplace(id, CachedFact{.fact = std::move(fact)}).first->second;
}

Result<PostgresEffects::CachedFact*> PostgresEffects::LoadFact(int64_t id) {
  if (const auto found = facts_.find(id); found != facts_.end()) return &found->second;
  const std::string text = std::to_string(id);
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select " + std::string(kFactColumns) +
                                         " from tidewire.fact f where f.id = $1",
                                     {Parameter(text)}));
  if (rows.empty()) return static_cast<CachedFact*>(nullptr);
  return &Keep(ReadFact(rows, 0));
}

Result<std::optional<Fact>> PostgresEffects::FindAlias(uint16_t source, std::string_view tenant,
                                                       std::string_view kind,
                                                       const FactAlias& alias) {
  std::string key = AliasKey(source, tenant, kind, alias);
  auto known = aliases_.find(key);
  if (known == aliases_.end()) {
    const std::string value = postgres::ByteaText(alias.value);
    TW_ASSIGN_OR_RETURN(
        const auto rows,
        session_.Query("select " + std::string(kFactColumns) +
                           " from tidewire.fact_alias a join tidewire.fact f on f.id = a.fact_id "
                           "where a.source = $1 and a.tenant = $2 and a.kind = $3 and "
                           "a.namespace = $4 and a.value = $5",
                       {Parameter(sources_[source]->name), Parameter(tenant), Parameter(kind),
                        Parameter(alias.name_space), Parameter(value)}));
    int64_t id = 0;
    if (!rows.empty()) id = Keep(ReadFact(rows, 0)).fact.id;
    known = aliases_.emplace(std::move(key), id).first;
  }
  if (known->second == 0) return std::optional<Fact>();
  TW_ASSIGN_OR_RETURN(const CachedFact* found, LoadFact(known->second));
  // Merges point to older facts, so the chain ends: at one that counts, or at one that was folded.
  while (found != nullptr && found->fact.merged_into != 0) {
    TW_CHECK(found->fact.merged_into < found->fact.id);
    TW_ASSIGN_OR_RETURN(found, LoadFact(found->fact.merged_into));
  }
  return found == nullptr ? std::optional<Fact>() : std::optional(found->fact);
}

Result<std::vector<Fact>> PostgresEffects::FindMatches(uint16_t, std::string_view,
                                                       std::string_view, std::string_view hash,
                                                       WallTime from, WallTime to) {
  // The hash covers source, tenant and kind.
  auto known = matches_.find(hash);
  if (known == matches_.end() || known->second.from > from || known->second.to < to) {
    const std::string bytes = postgres::ByteaText(hash);
    const std::string first = std::to_string(Micros(from));
    const std::string last = std::to_string(Micros(to));
    TW_ASSIGN_OR_RETURN(
        const auto rows,
        session_.Query("select " + std::string(kFactColumns) +
                           " from tidewire.fact f where f.match_hash = $1 and "
                           "f.occurred_at between $2 and $3",
                       {Parameter(bytes), Parameter(first), Parameter(last)}));
    Matches matches{.from = from, .to = to, .ids = {}};
    for (size_t i = 0; i < rows.size(); ++i) {
      matches.ids.insert(Keep(ReadFact(rows, i)).fact.id);
    }
    known = matches_.insert_or_assign(std::string(hash), std::move(matches)).first;
  }
  std::set<int64_t> ids = known->second.ids;
  if (const auto changed = changed_by_hash_.find(hash); changed != changed_by_hash_.end()) {
    ids.insert(changed->second.begin(), changed->second.end());
  }
  std::vector<Fact> facts;
  for (const int64_t id : ids) {
    const Fact& fact = facts_.at(id).fact;
    if (fact.merged_into != 0 || fact.occurred_at < from || fact.occurred_at > to) continue;
    facts.push_back(fact);
  }
  return facts;
}

Result<int64_t> PostgresEffects::InsertFact(uint16_t source, const Fact& fact,
                                            WallTime first_seen) {
  if (fact_ids_.empty()) {
    TW_ASSIGN_OR_RETURN(const auto rows,
                        session_.Query("select pg_catalog.nextval('tidewire.fact_id') from "
                                       "pg_catalog.generate_series(1, " +
                                       std::to_string(kFactIdsTaken) + ")"));
    for (size_t i = rows.size(); i > 0; --i) fact_ids_.push_back(rows.Int(i - 1, 0));
    std::ranges::sort(fact_ids_, std::greater<>());
  }
  const int64_t id = fact_ids_.back();
  fact_ids_.pop_back();
  CachedFact& cached = facts_[id];
  cached = {.fact = fact,
            .pending = CachedFact::Pending::kInsert,
            .source = source,
            .first_seen = first_seen};
  cached.fact.id = id;
  changed_by_hash_[fact.match_hash].insert(id);
  return id;
}

Status PostgresEffects::UpdateFact(const Fact& fact) {
  TW_ASSIGN_OR_RETURN(CachedFact * cached, LoadFact(fact.id));
  if (cached == nullptr) return Fail(ErrorCode::kDataLoss, "no fact " + std::to_string(fact.id));
  cached->fact = fact;
  if (cached->pending == CachedFact::Pending::kNothing) {
    cached->pending = CachedFact::Pending::kUpdate;
  }
  changed_by_hash_[fact.match_hash].insert(fact.id);
  return {};
}

Status PostgresEffects::InsertAlias(uint16_t source, std::string_view tenant,
                                    std::string_view kind, const FactAlias& alias, int64_t fact) {
  aliases_[AliasKey(source, tenant, kind, alias)] = fact;
  new_aliases_.push_back({source, std::string(tenant), std::string(kind), alias, fact});
  return {};
}

Status PostgresEffects::FlushNewFacts() {
  postgres::ArrayLiteral columns[13];
  for (auto& [id, cached] : facts_) {
    if (cached.pending != CachedFact::Pending::kInsert) continue;
    cached.pending = CachedFact::Pending::kNothing;
    const Fact& fact = cached.fact;
    columns[0].Add(fact.id);
    columns[1].Add(sources_[cached.source]->name);
    columns[2].Add(fact.tenant);
    columns[3].Add(fact.kind);
    columns[4].AddBytes(fact.match_hash);
    columns[5].Add(Micros(fact.occurred_at));
    columns[6].Add(static_cast<int64_t>(fact.quality));
    columns[7].Add(fact.bucket_day);
    columns[8].Add(fact.contribution);
    columns[9].Add(fact.channels);
    columns[10].Add(fact.config_version);
    columns[11].Add(fact.mark);
    columns[12].Add(Micros(cached.first_seen));
    // Merged within the transaction that made it.
    if (fact.merged_into != 0) cached.pending = CachedFact::Pending::kUpdate;
  }
  if (columns[0].empty()) return {};
  Parameters parameters;
  for (auto& column : columns) parameters.Add(column.Take());
  return session_.Send(
      "insert into tidewire.fact(id, source, tenant, kind, match_hash, occurred_at, time_quality, "
      "bucket_day, contribution, channels, config_version, mark, first_channel, first_seen) "
      "select a, b, c, d, e, f, g, h, i, j, k, l, j, m from unnest($1::bigint[], $2::text[], "
      "$3::text[], $4::text[], $5::bytea[], $6::bigint[], $7::smallint[], $8::text[], $9::text[], "
      "$10::text[], $11::text[], $12::text[], $13::bigint[]) u(a, b, c, d, e, f, g, h, i, j, k, l, "
      "m)",
      parameters.views());
}

Status PostgresEffects::FlushChangedFacts() {
  postgres::ArrayLiteral columns[9];
  for (auto& [id, cached] : facts_) {
    if (cached.pending != CachedFact::Pending::kUpdate) continue;
    cached.pending = CachedFact::Pending::kNothing;
    const Fact& fact = cached.fact;
    columns[0].Add(fact.id);
    columns[1].Add(Micros(fact.occurred_at));
    columns[2].Add(static_cast<int64_t>(fact.quality));
    columns[3].Add(fact.bucket_day);
    columns[4].Add(fact.contribution);
    columns[5].Add(fact.channels);
    columns[6].Add(fact.config_version);
    columns[7].Add(fact.merged_into);
    columns[8].Add(fact.mark);
  }
  if (columns[0].empty()) return {};
  Parameters parameters;
  for (auto& column : columns) parameters.Add(column.Take());
  return session_.Send(
      "update tidewire.fact t set occurred_at = u.b, time_quality = u.c, bucket_day = u.d, "
      "contribution = u.e, channels = u.f, config_version = u.g, merged_into = u.h, mark = u.i "
      "from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::text[], "
      "$7::text[], $8::bigint[], $9::text[]) u(a, b, c, d, e, f, g, h, i) where t.id = u.a",
      parameters.views());
}

Status PostgresEffects::FlushAliases() {
  if (new_aliases_.empty()) return {};
  postgres::ArrayLiteral columns[6];
  const auto aliases = std::exchange(new_aliases_, {});
  StringSet written;  // One statement may not write a row twice.
  for (const NewAlias& alias : aliases) {
    if (!written.insert(AliasKey(alias.source, alias.tenant, alias.kind, alias.alias)).second) {
      continue;
    }
    columns[0].Add(sources_[alias.source]->name);
    columns[1].Add(alias.tenant);
    columns[2].Add(alias.kind);
    columns[3].Add(alias.alias.name_space);
    columns[4].AddBytes(alias.alias.value);
    columns[5].Add(alias.fact);
  }
  Parameters parameters;
  for (auto& column : columns) parameters.Add(column.Take());
  return session_.Send(
      "insert into tidewire.fact_alias(source, tenant, kind, namespace, value, fact_id) select * "
      "from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bigint[]) "
      "on conflict(value, namespace, kind, tenant, source) do update set fact_id = excluded.fact_id",
      parameters.views());
}

Status PostgresEffects::AddToDay(uint16_t source, std::span<const Value> key,
                                 std::string_view metric, std::string_view day, int64_t delta) {
  const CounterPlan& plan = *sources_[source]->counters;
  const std::string columns = Names(plan.day_key) + ", metric, local_day";
  Parameters parameters;
  parameters.Add(key);
  parameters.Add(metric);
  parameters.Add(day);
  parameters.Add(delta);
  return session_.Send("insert into " + QualifiedName(plan.day_table) + " as t(" + columns +
                           ", n) values (" + Numbers(key.size() + 3) + ") on conflict(" + columns +
                           ") do update set n = t.n + excluded.n",
                       parameters.views());
}

Status PostgresEffects::UpsertMonth(uint16_t source, std::span<const Value> key,
                                    std::span<const int64_t> deltas, std::span<const Value> stamps,
                                    std::string_view on_conflict) {
  const CounterPlan& plan = *sources_[source]->counters;
  std::string columns = Names(plan.key);
  for (const std::string& metric : plan.metrics) columns += ", " + QuoteIdentifier(metric);
  for (const ColumnBinding& stamp : plan.stamps) columns += ", " + QuoteIdentifier(stamp.column);
  Parameters parameters;
  parameters.Add(key);
  for (size_t i = 0; i < plan.metrics.size(); ++i) {
    parameters.Add(deltas.empty() ? int64_t{0} : deltas[i]);
  }
  parameters.Add(stamps);
  return session_.Send(
      "insert into " + QualifiedName(plan.table) + " as t(" + columns + ") values (" +
          Numbers(key.size() + plan.metrics.size() + stamps.size()) + ") on conflict(" +
          Names(plan.key) + ") do " + std::string(on_conflict),
      parameters.views());
}

Status PostgresEffects::AddToMonth(uint16_t source, std::span<const Value> key,
                                   std::span<const int64_t> deltas,
                                   std::span<const Value> stamps) {
  const CounterPlan& plan = *sources_[source]->counters;
  std::string updates;
  for (const std::string& metric : plan.metrics) {
    const std::string column = QuoteIdentifier(metric);
    updates += (updates.empty() ? "" : ", ") + column + " = coalesce(t." + column +
               ", 0) + excluded." + column;
  }
  for (const ColumnBinding& stamp : plan.stamps) {
    const std::string column = QuoteIdentifier(stamp.column);
    updates += ", " + column + " = coalesce(excluded." + column + ", t." + column + ")";
  }
  return UpsertMonth(source, key, deltas, stamps, "update set " + updates);
}

Status PostgresEffects::OpenMonth(uint16_t source, std::span<const Value> key,
                                  std::span<const Value> stamps) {
  return UpsertMonth(source, key, {}, stamps, "nothing");
}

}  // namespace tw::ingest
