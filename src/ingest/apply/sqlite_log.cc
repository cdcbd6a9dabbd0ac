// SqliteEffects: the delivery log, freshness, parked events and dead letters.
#include "base/strings.h"
#include "ingest/apply/sqlite_effects.h"

namespace tw::ingest {

using sqlite::QuoteIdentifier;
using sqlite::Statement;

namespace {

// Small enough for an honest 24-hour window, large enough that its sum is cheap.
constexpr int64_t kBucketMicroseconds = 5LL * 60 * 1'000'000;

int64_t Micros(WallTime time) {
  return time.time_since_epoch().count();
}
int64_t BucketOf(WallTime time) {
  return Micros(time) -
         (Micros(time) % kBucketMicroseconds + kBucketMicroseconds) % kBucketMicroseconds;
}

}  // namespace

Status SqliteEffects::PrepareKept() {
  TW_ASSIGN_OR_RETURN(
      park_, database_.Prepare("insert into tidewire_parked(source, tenant_key, sequence, "
                               "event_index, event_type, channel, signed_id, received_at, event) "
                               "values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
  TW_ASSIGN_OR_RETURN(
      parked_tenants_,
      database_.Prepare("select distinct tenant_key from tidewire_parked where source = ?1"));
  const std::string columns =
      "select id, source, tenant_key, sequence, event_index, event_type, channel, signed_id, "
      "received_at, event from tidewire_parked ";
  TW_ASSIGN_OR_RETURN(parked_events_,
                      database_.Prepare(columns + "where source = ?1 and tenant_key = ?2 "
                                                  "order by sequence, event_index limit ?3"));
  TW_ASSIGN_OR_RETURN(
      expired_parked_,
      database_.Prepare(columns +
                        "where source = ?1 and (received_at < ?2 or id <= (select id from "
                        "tidewire_parked where source = ?1 order by id desc limit 1 offset ?3)) "
                        "order by id limit ?4"));
  TW_ASSIGN_OR_RETURN(remove_parked_,
                      database_.Prepare("delete from tidewire_parked where id = ?1"));
  TW_ASSIGN_OR_RETURN(
      bury_, database_.Prepare("insert into tidewire_dead_letter(source, sequence, event_index, "
                               "event_type, reason, error, config_version, received_at, event, "
                               "signed_id) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"));
  return {};
}

Status SqliteEffects::PrepareLog(const LogPlan& plan, SourceStatements& statements) {
  const std::string table = QuoteIdentifier(plan.table);
  const std::string tenant = QuoteIdentifier(plan.tenant_column);
  TW_ASSIGN_OR_RETURN(
      statements.insert_log,
      database_.Prepare("insert into " + table + "(id, source, " + tenant +
                        ", event_type, status, received_at, applied_at, duration_ms, "
                        "config_version, error, body" +
                        (plan.delivery_id_column.empty()
                             ? std::string()
                             : ", " + QuoteIdentifier(plan.delivery_id_column)) +
                        ") values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11" +
                        (plan.delivery_id_column.empty() ? ")" : ", ?12)")));
  TW_ASSIGN_OR_RETURN(
      statements.update_log,
      database_.Prepare("update " + table + " set " + tenant + " = coalesce(?2, " + tenant +
                        "), status = ?3, applied_at = ?4, error = ?5 where id = ?1"));
  const std::string failed = "(status glob 'dead:*' or status glob 'parked:*')";
  TW_ASSIGN_OR_RETURN(
      statements.trim_log,
      database_.Prepare("delete from " + table + " where id in (select id from " + table +
                        " where source = ?1 and received_at < ?2 and (received_at < ?3 or not " +
                        failed + ") order by received_at limit ?4)"));
  TW_ASSIGN_OR_RETURN(
      statements.trim_bodies,
      database_.Prepare("update " + table + " set body = null where id in (select id from " +
                        table +
                        " where source = ?1 and received_at >= ?2 and received_at < ?3 "
                        "and body is not null and not " +
                        failed + " order by received_at limit ?4)"));
  return {};
}

Status SqliteEffects::PrepareFreshness(const FreshnessPlan& plan, SourceStatements& statements) {
  const std::string key = QuoteIdentifier(plan.key_column);
  std::string columns = key;
  std::string values = "?1";
  std::string updates;
  std::string differs;
  const auto add = [&](const std::string& name, std::string_view parameter, bool later_wins) {
    if (name.empty()) return;
    const std::string column = QuoteIdentifier(name);
    const std::string stored = QuoteIdentifier(plan.table) + "." + column;
    columns += ", " + column;
    values += std::string(", ") + std::string(parameter);
    std::string value = "excluded." + column;
    if (later_wins) {
      value = "case when " + value + " is null or " + value + " < " + stored + " then " + stored +
              " else " + value + " end";
    }
    updates += (updates.empty() ? "" : ", ") + column + " = " + value;
    differs += (differs.empty() ? "" : " or ") + stored + " is not (" + value + ")";
  };
  add(plan.tenant_id_column, "?5", false);
  add(plan.last_webhook_column, "?2", true);
  add(plan.count_column, "?3", false);
  add(plan.status_column, "?4", false);
  std::string sql = "insert into " + QuoteIdentifier(plan.table) + "(" + columns + ") values (" +
                    values + ") on conflict(" + key + ") do ";
  sql += updates.empty() ? "nothing" : "update set " + updates + " where " + differs;
  TW_ASSIGN_OR_RETURN(statements.write_freshness, database_.Prepare(sql));
  return {};
}

Status SqliteEffects::InsertLog(uint16_t source, const LogEntry& entry) {
  Statement& insert = per_source_[source].insert_log;
  const auto bind_optional = [&](int index, const std::optional<std::string_view>& text) {
    if (text) {
      insert.BindText(index, *text);
    } else {
      insert.BindNull(index);
    }
  };
  const std::string received = FormatTimestampMs(entry.received_at);
  const std::string applied = FormatTimestampMs(entry.applied_at);
  insert.BindInt(1, static_cast<int64_t>(entry.sequence));
  insert.BindText(2, entry.source);
  bind_optional(3, entry.tenant_name);
  bind_optional(4, entry.event_type);
  insert.BindText(5, entry.status);
  insert.BindText(6, received);
  insert.BindText(7, applied);
  insert.BindDouble(8, static_cast<double>((entry.applied_at - entry.received_at).count()) / 1000);
  insert.BindText(9, entry.config_version);
  bind_optional(10, entry.error.empty() ? std::nullopt : std::optional(entry.error));
  if (IsUtf8(entry.body)) {
    insert.BindText(11, entry.body);
  } else {
    insert.BindBlob(11, entry.body);
  }
  if (!sources_[source]->log.delivery_id_column.empty()) {
    bind_optional(12, entry.delivery_id.empty() ? std::nullopt : std::optional(entry.delivery_id));
  }
  return insert.Run();
}

Status SqliteEffects::UpdateLog(uint16_t source, uint64_t sequence,
                                std::optional<std::string_view> tenant_name,
                                std::string_view status, std::string_view error,
                                WallTime applied_at) {
  Statement& update = per_source_[source].update_log;
  const std::string applied = FormatTimestampMs(applied_at);
  update.BindInt(1, static_cast<int64_t>(sequence));
  if (tenant_name) {
    update.BindText(2, *tenant_name);
  } else {
    update.BindNull(2);
  }
  update.BindText(3, status);
  update.BindText(4, applied);
  if (error.empty()) {
    update.BindNull(5);
  } else {
    update.BindText(5, error);
  }
  return update.Run();
}

Status SqliteEffects::TrimLog(uint16_t source, WallTime now, int rows_max) {
  SourceStatements& statements = per_source_[source];
  const LogKeepConfig& keep = sources_[source]->log.keep;
  const std::string ok_before = FormatTimestampMs(now - keep.ok);
  const std::string failed_before = FormatTimestampMs(now - keep.failed);
  const std::string body_before = FormatTimestampMs(now - keep.ok_body);
  statements.trim_log.BindText(1, sources_[source]->name);
  statements.trim_log.BindText(2, std::max(ok_before, failed_before));
  statements.trim_log.BindText(3, failed_before);
  statements.trim_log.BindInt(4, rows_max);
  TW_RETURN_IF_ERROR(statements.trim_log.Run());
  statements.trim_bodies.BindText(1, sources_[source]->name);
  statements.trim_bodies.BindText(2, statements.bodies_trimmed_to);
  statements.trim_bodies.BindText(3, body_before);
  statements.trim_bodies.BindInt(4, rows_max);
  TW_RETURN_IF_ERROR(statements.trim_bodies.Run());
  // Only when nothing is left before it may the next search start here.
  if (database_.ChangedRows() < rows_max) statements.bodies_trimmed_to = body_before;
  return {};
}

Status SqliteEffects::CountDeliveries(uint16_t source, std::string_view tenant,
                                      WallTime received_at, int64_t count) {
  count_.BindText(1, sources_[source]->name);
  count_.BindText(2, tenant);
  count_.BindInt(3, BucketOf(received_at));
  count_.BindInt(4, count);
  count_.BindInt(5, Micros(received_at));
  return count_.Run();
}

Result<int64_t> SqliteEffects::DeliveriesSince(uint16_t source, std::string_view tenant,
                                               WallTime since) {
  count_since_.BindText(1, sources_[source]->name);
  count_since_.BindText(2, tenant);
  count_since_.BindInt(3, BucketOf(since));
  TW_ASSIGN_OR_RETURN(const bool row, count_since_.Step());
  if (!row) return int64_t{0};
  const int64_t count = count_since_.ColumnInt(0);
  count_since_.Reset();
  return count;
}

Result<std::optional<WallTime>> SqliteEffects::LastDelivery(uint16_t source,
                                                            std::string_view tenant) {
  last_delivery_.BindText(1, sources_[source]->name);
  last_delivery_.BindText(2, tenant);
  TW_ASSIGN_OR_RETURN(const bool row, last_delivery_.Step());
  if (!row) return std::optional<WallTime>();
  const WallTime last{std::chrono::microseconds(last_delivery_.ColumnInt(0))};
  last_delivery_.Reset();
  return std::optional(last);
}

Status SqliteEffects::WriteFreshness(uint16_t source, std::string_view tenant_id,
                                     std::string_view tenant_name, const Freshness& freshness) {
  Statement& write = per_source_[source].write_freshness;
  std::string last;
  write.BindText(1, tenant_name);
  // Parameters of columns that the file does not name do not exist.
  const FreshnessPlan& plan = *sources_[source]->freshness;
  if (!plan.last_webhook_column.empty()) {
    if (freshness.last_webhook_at) {
      last = FormatTimestampMs(*freshness.last_webhook_at);
      write.BindText(2, last);
    } else {
      write.BindNull(2);
    }
  }
  if (!plan.count_column.empty()) write.BindInt(3, freshness.webhook_count_24h);
  if (!plan.status_column.empty()) write.BindText(4, freshness.status);
  if (!plan.tenant_id_column.empty()) {
    const auto number = ParseInt64(tenant_id);
    if (number && sources_[source]->tenants.id_type == TenantIdType::kInteger) {
      write.BindInt(5, *number);
    } else {
      write.BindText(5, tenant_id);
    }
  }
  return write.Run();
}

Status SqliteEffects::TrimDeliveryCounts(WallTime before) {
  trim_counts_.BindInt(1, Micros(before));
  return trim_counts_.Run();
}

Status SqliteEffects::Park(const KeptEvent& event) {
  park_.BindText(1, event.source);
  park_.BindText(2, event.tenant_key);
  park_.BindInt(3, static_cast<int64_t>(event.sequence));
  park_.BindInt(4, event.index);
  park_.BindText(5, event.event_type);
  park_.BindText(6, event.channel);
  park_.BindText(7, event.signed_id);
  park_.BindInt(8, Micros(event.received_at));
  park_.BindText(9, event.event);
  return park_.Run();
}

Result<std::vector<std::string>> SqliteEffects::ParkedTenants(std::string_view source) {
  parked_tenants_.BindText(1, source);
  std::vector<std::string> tenants;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, parked_tenants_.Step());
    if (!row) return tenants;
    tenants.emplace_back(parked_tenants_.ColumnText(0));
  }
}

Result<std::vector<KeptEvent>> SqliteEffects::ReadParked(Statement& statement) {
  std::vector<KeptEvent> events;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return events;
    KeptEvent& event = events.emplace_back();
    event.id = statement.ColumnInt(0);
    event.source = statement.ColumnText(1);
    event.tenant_key = statement.ColumnText(2);
    event.sequence = static_cast<uint64_t>(statement.ColumnInt(3));
    event.index = static_cast<uint32_t>(statement.ColumnInt(4));
    event.event_type = statement.ColumnText(5);
    event.channel = statement.ColumnText(6);
    event.signed_id = statement.ColumnText(7);
    event.received_at = WallTime(std::chrono::microseconds(statement.ColumnInt(8)));
    event.event = statement.ColumnText(9);
  }
}

Result<std::vector<KeptEvent>> SqliteEffects::ParkedEvents(std::string_view source,
                                                           std::string_view tenant_key, int max) {
  parked_events_.BindText(1, source);
  parked_events_.BindText(2, tenant_key);
  parked_events_.BindInt(3, max);
  return ReadParked(parked_events_);
}

Result<std::vector<KeptEvent>> SqliteEffects::ExpiredParked(std::string_view source,
                                                            WallTime before, int64_t keep_events,
                                                            int max) {
  expired_parked_.BindText(1, source);
  expired_parked_.BindInt(2, Micros(before));
  expired_parked_.BindInt(3, keep_events);
  expired_parked_.BindInt(4, max);
  return ReadParked(expired_parked_);
}

Status SqliteEffects::RemoveParked(int64_t id) {
  remove_parked_.BindInt(1, id);
  return remove_parked_.Run();
}

Status SqliteEffects::Bury(const KeptEvent& event) {
  bury_.BindText(1, event.source);
  bury_.BindInt(2, static_cast<int64_t>(event.sequence));
  bury_.BindInt(3, event.index);
  bury_.BindText(4, event.event_type);
  bury_.BindText(5, event.reason);
  bury_.BindText(6, event.error);
  bury_.BindText(7, event.config_version);
  bury_.BindInt(8, Micros(event.received_at));
  bury_.BindText(9, event.event);
  bury_.BindText(10, event.signed_id);
  return bury_.Run();
}

}  // namespace tw::ingest
