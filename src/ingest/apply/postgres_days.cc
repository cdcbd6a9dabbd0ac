#include "ingest/apply/postgres_days.h"

#include "ingest/apply/postgres_stored.h"
#include "json/json.h"

namespace tw::ingest {

using postgres::Parameter;
using postgres::QuoteIdentifier;

namespace {

WallTime TimeOf(const postgres::Rows& rows, size_t row, size_t column) {
  return WallTime(std::chrono::microseconds(rows.Int(row, column)));
}

}  // namespace

Result<std::vector<SealedTenant>> PostgresDays::SealedTenants() {
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select source, tenant, day from tidewire.sealed"));
  std::vector<SealedTenant> sealed;
  for (size_t i = 0; i < rows.size(); ++i) {
    sealed.push_back({std::string(rows.Text(i, 0)), std::string(rows.Text(i, 1)),
                      std::string(rows.Text(i, 2))});
  }
  return sealed;
}

Status PostgresDays::Seal(const SealedTenant& sealed) {
  return session_.Send(
      "insert into tidewire.sealed(source, tenant, day) values ($1, $2, $3) "
      "on conflict(source, tenant) do update set day = excluded.day",
      {Parameter(sealed.source), Parameter(sealed.tenant), Parameter(sealed.day)});
}

Result<std::vector<DayTarget>> PostgresDays::DayTargets() {
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select source, tenant, metric, day, total, sign from tidewire.day_target"));
  std::vector<DayTarget> targets;
  for (size_t i = 0; i < rows.size(); ++i) {
    targets.push_back({.source = std::string(rows.Text(i, 0)),
                       .tenant = std::string(rows.Text(i, 1)),
                       .metric = std::string(rows.Text(i, 2)),
                       .day = std::string(rows.Text(i, 3)),
                       .total = rows.Int(i, 4),
                       .sign = rows.Int(i, 5)});
  }
  return targets;
}

Status PostgresDays::WriteTarget(const DayTarget& target, WallTime at) {
  if (target.sign == 0) {
    return session_.Send(
        "delete from tidewire.day_target where source = $1 and tenant = $2 and metric = $3 and "
        "day = $4",
        {Parameter(target.source), Parameter(target.tenant), Parameter(target.metric),
         Parameter(target.day)});
  }
  Parameters parameters;
  parameters.Add(target.source);
  parameters.Add(target.tenant);
  parameters.Add(target.metric);
  parameters.Add(target.day);
  parameters.Add(target.total);
  parameters.Add(target.sign);
  parameters.Add(FormatTimestampMs(at));
  return session_.Send(
      "insert into tidewire.day_target values ($1, $2, $3, $4, $5, $6, $7) "
      "on conflict(source, tenant, metric, day) do update set total = excluded.total, "
      "sign = excluded.sign, at = excluded.at",
      parameters.views());
}

Status PostgresDays::RemoveTargets(std::string_view source, std::string_view tenant,
                                   std::string_view day) {
  // By bytes, as days are written.
  return session_.Send(
      "delete from tidewire.day_target where source = $1 and tenant = $2 and "
      "day collate \"C\" < $3",
      {Parameter(source), Parameter(tenant), Parameter(day)});
}

Result<std::vector<ZonedTenant>> PostgresDays::Zones() {
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select source, tenant, zone from tidewire.tenant_zone"));
  std::vector<ZonedTenant> zones;
  for (size_t i = 0; i < rows.size(); ++i) {
    zones.push_back({std::string(rows.Text(i, 0)), std::string(rows.Text(i, 1)),
                     std::string(rows.Text(i, 2))});
  }
  return zones;
}

Status PostgresDays::WriteZone(const ZonedTenant& zoned) {
  return session_.Send(
      "insert into tidewire.tenant_zone(source, tenant, zone) values ($1, $2, $3) "
      "on conflict(source, tenant) do update set zone = excluded.zone",
      {Parameter(zoned.source), Parameter(zoned.tenant), Parameter(zoned.zone)});
}

Result<std::vector<PlacedFact>> PostgresDays::ReadFacts(const std::string& condition, int64_t id,
                                                        int max) {
  const std::string place = std::to_string(id);
  const std::string limit = std::to_string(max);
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select id, source, tenant, kind, bucket_day, contribution, "
                                     "occurred_at, first_seen, merged_into from tidewire.fact "
                                     "where " +
                                         condition + " limit $2",
                                     {Parameter(place), Parameter(limit)}));
  std::vector<PlacedFact> facts;
  for (size_t i = 0; i < rows.size(); ++i) {
    facts.push_back({.id = rows.Int(i, 0),
                     .source = std::string(rows.Text(i, 1)),
                     .tenant = std::string(rows.Text(i, 2)),
                     .kind = std::string(rows.Text(i, 3)),
                     .bucket_day = std::string(rows.Text(i, 4)),
                     .contribution = std::string(rows.Text(i, 5)),
                     .occurred_at = TimeOf(rows, i, 6),
                     .first_seen = TimeOf(rows, i, 7),
                     .merged_into = rows.Int(i, 8)});
  }
  return facts;
}

Result<std::vector<PlacedFact>> PostgresDays::FactsAfter(int64_t id, int max) {
  return ReadFacts("id > $1 order by id", id, max);
}

Result<std::vector<PlacedFact>> PostgresDays::FactsBefore(int64_t id, int max) {
  return ReadFacts("id < $1 order by id desc", id, max);
}

Status PostgresDays::MoveFact(int64_t id, std::string_view bucket_day) {
  const std::string text = std::to_string(id);
  return session_.Send("update tidewire.fact set bucket_day = $2 where id = $1",
                       {Parameter(text), Parameter(bucket_day)});
}

Status PostgresDays::RemoveFact(int64_t id) {
  const std::string text = std::to_string(id);
  return session_.Send(
      "delete from tidewire.fact where id = $1 and id < (select max(id) from tidewire.fact)",
      {Parameter(text)});
}

// The cursor is the last name that was looked at, as a JSON list; its value in hex.
Result<int64_t> PostgresDays::SweepAliases(std::string& cursor, int max) {
  Parameters parameters;
  if (cursor.empty()) {
    for (int i = 0; i < 5; ++i) parameters.Add(std::string_view());
  } else {
    TW_ASSIGN_OR_RETURN(const json::Document place, json::Parse(cursor));
    for (const json::Value& part : place->items()) parameters.Add(part.GetString());
  }
  parameters.Add(int64_t{max});
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query(
          "with page as materialized (select value, namespace, kind, tenant, source, fact_id from "
          "tidewire.fact_alias where (value, namespace, kind, tenant, source) > "
          "($1::bytea, $2::text, $3::text, $4::text, $5::text) "
          "order by value, namespace, kind, tenant, source limit $6), "
          "gone as (delete from tidewire.fact_alias a using page p where a.value = p.value and "
          "a.namespace = p.namespace and a.kind = p.kind and a.tenant = p.tenant and "
          "a.source = p.source and not exists (select from tidewire.fact f where f.id = p.fact_id) "
          "returning 1) "
          "select (select count(*) from gone), (select count(*) from page), value, namespace, "
          "kind, tenant, source from page order by value desc, namespace desc, kind desc, "
          "tenant desc, source desc limit 1",
          parameters.views()));
  cursor.clear();
  if (rows.empty()) return int64_t{0};
  if (rows.Int(0, 1) >= max) {
    json::Writer writer(cursor);
    writer.Array();
    for (size_t i = 2; i < 7; ++i) writer.String(rows.Text(0, i));
    writer.End();
  }
  return rows.Int(0, 0);
}

Result<bool> PostgresDays::Folding() {
  TW_ASSIGN_OR_RETURN(const auto rows, session_.Query("select value from tidewire.ingest_state "
                                                      "where key = 'folding'"));
  return !rows.empty() && rows.Int(0, 0) != 0;
}

Status PostgresDays::SetFolding(bool folding) {
  return session_.Send(
      "insert into tidewire.ingest_state(key, value) values ('folding', $1) "
      "on conflict(key) do update set value = excluded.value",
      {Parameter(folding ? "1" : "0")});
}

Result<DayCount> PostgresDays::ReadDay(uint16_t source, std::span<const Value> key,
                                       std::string_view metric, std::string_view day) {
  const CounterPlan& plan = *sources_[source]->counters;
  std::string condition;
  size_t number = 0;
  for (const ColumnBinding& column : plan.day_key) {
    condition += QuoteIdentifier(column.column) + " = $" + std::to_string(++number) + " and ";
  }
  Parameters parameters;
  parameters.Add(key);
  parameters.Add(metric);
  parameters.Add(day);
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select n, adjusted from " + QualifiedName(plan.day_table) + " where " +
                         condition + "metric = $" + std::to_string(number + 1) +
                         " and local_day = $" + std::to_string(number + 2),
                     parameters.views()));
  if (rows.empty()) return DayCount{};
  return DayCount{rows.Int(0, 0), rows.Int(0, 1)};
}

Result<DayCount> PostgresDays::SumDays(uint16_t source, std::span<const Value> key,
                                       std::string_view metric, std::string_view from,
                                       std::string_view to) {
  const CounterPlan& plan = *sources_[source]->counters;
  std::string condition;
  size_t number = 0;
  for (const ColumnBinding& column : plan.day_key) {
    condition += QuoteIdentifier(column.column) + " = $" + std::to_string(++number) + " and ";
  }
  Parameters parameters;
  parameters.Add(key);
  parameters.Add(metric);
  parameters.Add(from);
  parameters.Add(to);
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select coalesce(sum(n), 0)::bigint, coalesce(sum(adjusted), 0)::bigint from " +
                         QualifiedName(plan.day_table) + " where " + condition + "metric = $" +
                         std::to_string(number + 1) + " and local_day between $" +
                         std::to_string(number + 2) + " and $" + std::to_string(number + 3),
                     parameters.views()));
  return DayCount{rows.Int(0, 0), rows.Int(0, 1)};
}

Status PostgresDays::WriteAdjusted(uint16_t source, std::span<const Value> key,
                                   std::string_view metric, std::string_view day,
                                   int64_t adjusted) {
  const CounterPlan& plan = *sources_[source]->counters;
  std::string columns;
  std::string numbers;
  size_t number = 0;
  for (const ColumnBinding& column : plan.day_key) {
    columns += QuoteIdentifier(column.column) + ", ";
    numbers += "$" + std::to_string(++number) + ", ";
  }
  Parameters parameters;
  parameters.Add(key);
  parameters.Add(metric);
  parameters.Add(day);
  parameters.Add(adjusted);
  return session_.Send("insert into " + QualifiedName(plan.day_table) + "(" + columns +
                           "metric, local_day, n, adjusted) values (" + numbers + "$" +
                           std::to_string(number + 1) + ", $" + std::to_string(number + 2) +
                           ", 0, $" + std::to_string(number + 3) + ") on conflict(" + columns +
                           "metric, local_day) do update set adjusted = excluded.adjusted",
                       parameters.views());
}

}  // namespace tw::ingest
