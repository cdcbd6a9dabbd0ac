// PostgresEffects: the delivery log, freshness, parked events and dead letters.
#include <algorithm>

#include "ingest/apply/postgres_effects.h"
#include "json/json.h"

namespace tw::ingest {

using postgres::Parameter;
using postgres::QuoteIdentifier;

namespace {

// As in the embedded store.
constexpr int64_t kBucketMicroseconds = 5LL * 60 * 1'000'000;

int64_t Micros(WallTime time) { return time.time_since_epoch().count(); }
int64_t BucketOf(WallTime time) {
  return Micros(time) -
         (Micros(time) % kBucketMicroseconds + kBucketMicroseconds) % kBucketMicroseconds;
}

StoredText Optional(const std::optional<std::string_view>& text) {
  if (!text) return std::nullopt;
  return StorableText(*text);
}

// A body as its column can hold it: bytes of what is no text are written as \x…; JSON that the
// column's type refuses becomes a JSON string.
std::string BodyText(std::string_view body, std::string_view type) {
  if (type == "bytea") return postgres::ByteaText(body);
  const bool text = IsUtf8(body) && body.find('\0') == std::string_view::npos;
  const std::string shown = text ? std::string(body) : postgres::ByteaText(body);
  if (type != "json" && type != "jsonb") return shown;
  // jsonb knows no \u0000, and both know no text that is no JSON.
  if (text && json::Parse(shown).ok() && shown.find("\\u0000") == std::string::npos) return shown;
  std::string quoted;
  json::AppendString(quoted, shown);
  return quoted;
}

constexpr std::string_view kFailed = "(status like 'dead:%' or status like 'parked:%')";

}  // namespace

Status PostgresEffects::InsertLog(uint16_t source, const LogEntry& entry) {
  log_[source].push_back({.sequence = entry.sequence,
                          .tenant = Optional(entry.tenant_name),
                          .type = Optional(entry.event_type),
                          .status = StorableText(entry.status),
                          .received_at = entry.received_at,
                          .applied_at = entry.applied_at,
                          .config_version = std::string(entry.config_version),
                          .error = entry.error.empty() ? StoredText() : StorableText(entry.error),
                          .body = std::string(entry.body)});
  return {};
}

Status PostgresEffects::FlushLog(uint16_t source) {
  if (log_[source].empty()) return {};
  const LogPlan& plan = sources_[source]->log;
  const std::string names[] = {"id",          "source",      plan.tenant_column, "event_type",
                               "status",      "received_at", "applied_at",       "duration_ms",
                               "config_version", "error",    "body"};
  constexpr const char* kArrays[] = {"bigint", "text",        "text",        "text",
                                     "text",   "timestamptz", "timestamptz", "double precision",
                                     "text",   "text",        "text"};
  std::string columns;
  std::string values;
  std::string arrays;
  std::string body_type;
  for (size_t i = 0; i < std::size(names); ++i) {
    TW_ASSIGN_OR_RETURN(const std::string type, session_.TypeOf(plan.table, names[i]));
    if (type.empty()) {
      return Fail(ErrorCode::kFailedPrecondition,
                  "the delivery log " + plan.table + " has no column " + names[i]);
    }
    const std::string separator = i > 0 ? ", " : "";
    columns += separator + QuoteIdentifier(names[i]);
    values += separator + "c" + std::to_string(i) + "::" + type;
    arrays += separator + "$" + std::to_string(i + 1) + "::" + kArrays[i] + "[]";
    body_type = type;
  }
  std::string aliases;
  for (size_t i = 0; i < std::size(names); ++i) {
    aliases += (i > 0 ? ", c" : "c") + std::to_string(i);
  }
  postgres::ArrayLiteral arrays_of[11];
  for (const LogRow& row : std::exchange(log_[source], {})) {
    const auto optional = [](const StoredText& text) {
      return text ? std::optional<std::string_view>(*text) : std::nullopt;
    };
    std::string duration;
    json::AppendDouble(duration,
                       static_cast<double>((row.applied_at - row.received_at).count()) / 1000);
    arrays_of[0].Add(static_cast<int64_t>(row.sequence));
    arrays_of[1].Add(sources_[source]->name);
    arrays_of[2].AddOptional(optional(row.tenant));
    arrays_of[3].AddOptional(optional(row.type));
    arrays_of[4].Add(row.status);
    arrays_of[5].Add(FormatTimestampMs(row.received_at));
    arrays_of[6].Add(FormatTimestampMs(row.applied_at));
    arrays_of[7].Add(duration);
    arrays_of[8].Add(row.config_version);
    arrays_of[9].AddOptional(optional(row.error));
    arrays_of[10].Add(BodyText(row.body, body_type));
  }
  Parameters parameters;
  for (auto& column : arrays_of) parameters.Add(column.Take());
  return session_.Send("insert into " + QualifiedName(plan.table) + "(" + columns + ") select " +
                           values + " from unnest(" + arrays + ") u(" + aliases + ")",
                       parameters.views());
}

Status PostgresEffects::UpdateLog(uint16_t source, uint64_t sequence,
                                  std::optional<std::string_view> tenant_name,
                                  std::string_view status, std::string_view error,
                                  WallTime applied_at) {
  TW_RETURN_IF_ERROR(FlushLog(source));
  const LogPlan& plan = sources_[source]->log;
  const std::string tenant = QuoteIdentifier(plan.tenant_column);
  Parameters parameters;
  parameters.Add(static_cast<int64_t>(sequence));
  parameters.AddOptional(Optional(tenant_name));
  parameters.Add(StorableText(status));
  parameters.Add(FormatTimestampMs(applied_at));
  parameters.AddOptional(error.empty() ? StoredText() : StoredText(StorableText(error)));
  return session_.Send("update " + QualifiedName(plan.table) + " set " + tenant + " = coalesce($2, " +
                           tenant + "), status = $3, applied_at = $4, error = $5 where id = $1",
                       parameters.views());
}

Status PostgresEffects::TrimLog(uint16_t source, WallTime now, int rows_max) {
  TW_RETURN_IF_ERROR(FlushLog(source));
  const std::string& name = sources_[source]->name;
  const std::string table = QualifiedName(sources_[source]->log.table);
  const LogKeepConfig& keep = sources_[source]->log.keep;
  const std::string failed_before = FormatTimestampMs(now - keep.failed);
  const std::string any_before = std::max(FormatTimestampMs(now - keep.ok), failed_before);
  const std::string body_before = FormatTimestampMs(now - keep.ok_body);
  const std::string limit = std::to_string(rows_max);
  TW_RETURN_IF_ERROR(session_.Send(
      "delete from " + table + " where id in (select id from " + table +
          " where source = $1 and received_at < $2 and (received_at < $3 or not " +
          std::string(kFailed) + ") order by received_at limit $4)",
      {Parameter(name), Parameter(any_before), Parameter(failed_before), Parameter(limit)}));
  return session_.Send("update " + table + " set body = null where id in (select id from " + table +
                           " where source = $1 and received_at < $2 and body is not null and not " +
                           std::string(kFailed) + " order by received_at limit $3)",
                       {Parameter(name), Parameter(body_before), Parameter(limit)});
}

Status PostgresEffects::CountDeliveries(uint16_t source, std::string_view tenant,
                                        WallTime received_at, int64_t count) {
  Parameters parameters;
  parameters.Add(sources_[source]->name);
  parameters.Add(tenant);
  parameters.Add(BucketOf(received_at));
  parameters.Add(count);
  parameters.Add(Micros(received_at));
  return session_.Send(
      "insert into tidewire.delivery_count as t values ($1, $2, $3, $4, $5) "
      "on conflict(source, tenant, bucket) do update set "
      "deliveries = t.deliveries + excluded.deliveries, "
      "last_at = greatest(t.last_at, excluded.last_at)",
      parameters.views());
}

Result<int64_t> PostgresEffects::DeliveriesSince(uint16_t source, std::string_view tenant,
                                                 WallTime since) {
  Parameters parameters;
  parameters.Add(sources_[source]->name);
  parameters.Add(tenant);
  parameters.Add(BucketOf(since));
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select coalesce(sum(deliveries), 0)::bigint from "
                                     "tidewire.delivery_count where source = $1 and tenant = $2 "
                                     "and bucket > $3",
                                     parameters.views()));
  return rows.Int(0, 0);
}

Result<std::optional<WallTime>> PostgresEffects::LastDelivery(uint16_t source,
                                                              std::string_view tenant) {
  TW_ASSIGN_OR_RETURN(const auto rows,
                      session_.Query("select last_at from tidewire.delivery_count where "
                                     "source = $1 and tenant = $2 order by bucket desc limit 1",
                                     {Parameter(sources_[source]->name), Parameter(tenant)}));
  if (rows.empty()) return std::optional<WallTime>();
  return std::optional(WallTime(std::chrono::microseconds(rows.Int(0, 0))));
}

Status PostgresEffects::WriteFreshness(uint16_t source, std::string_view tenant_id,
                                       std::string_view tenant_name, const Freshness& freshness) {
  const FreshnessPlan& plan = *sources_[source]->freshness;
  const std::string key = QuoteIdentifier(plan.key_column);
  std::string columns = key;
  std::string values = "$1";
  std::string updates;
  std::string differs;
  Parameters parameters;
  parameters.Add(tenant_name);
  size_t count = 1;
  const auto add = [&](const std::string& name, StoredText text, bool later_wins) {
    if (name.empty()) return;
    const std::string column = QuoteIdentifier(name);
    columns += ", " + column;
    values += ", $" + std::to_string(++count);
    parameters.AddOptional(std::move(text));
    const std::string value = later_wins ? "greatest(excluded." + column + ", t." + column + ")"
                                         : "excluded." + column;
    updates += (updates.empty() ? "" : ", ") + column + " = " + value;
    differs += (differs.empty() ? "t." : " or t.") + column + " is distinct from " + value;
  };
  StoredText last;
  if (freshness.last_webhook_at) last = FormatTimestampMs(*freshness.last_webhook_at);
  add(plan.tenant_id_column, std::string(tenant_id), false);
  add(plan.last_webhook_column, std::move(last), true);
  add(plan.count_column, std::to_string(freshness.webhook_count_24h), false);
  add(plan.status_column, std::string(freshness.status), false);
  return session_.Send(
      "insert into " + QualifiedName(plan.table) + " as t(" + columns + ") values (" + values +
          ") on conflict(" + key + ") do " +
          (updates.empty() ? "nothing" : "update set " + updates + " where " + differs),
      parameters.views());
}

Status PostgresEffects::TrimDeliveryCounts(WallTime before) {
  const std::string bound = std::to_string(Micros(before));
  return session_.Send("delete from tidewire.delivery_count where bucket < $1",
                       {Parameter(bound)});
}

Status PostgresEffects::Park(const KeptEvent& event) {
  Parameters parameters;
  parameters.Add(event.source);
  parameters.AddBytes(event.tenant_key);
  parameters.Add(static_cast<int64_t>(event.sequence));
  parameters.Add(int64_t{event.index});
  parameters.AddBytes(event.event_type);
  parameters.Add(event.channel);
  parameters.AddBytes(event.signed_id);
  parameters.Add(Micros(event.received_at));
  parameters.AddBytes(event.event);
  return session_.Send(
      "insert into tidewire.parked(source, tenant_key, sequence, event_index, event_type, channel, "
      "signed_id, received_at, event) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
      parameters.views());
}

Result<std::vector<std::string>> PostgresEffects::ParkedTenants(std::string_view source) {
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select distinct tenant_key from tidewire.parked where source = $1",
                     {Parameter(source)}));
  std::vector<std::string> tenants;
  for (size_t i = 0; i < rows.size(); ++i) {
    tenants.push_back(postgres::BytesOfText(rows.Text(i, 0)));
  }
  return tenants;
}

Result<std::vector<KeptEvent>> PostgresEffects::ReadParked(const std::string& condition,
                                                           Parameters parameters) {
  TW_ASSIGN_OR_RETURN(
      const auto rows,
      session_.Query("select id, source, tenant_key, sequence, event_index, event_type, channel, "
                     "signed_id, received_at, event from tidewire.parked where source = $1 and " +
                         condition,
                     parameters.views()));
  std::vector<KeptEvent> events;
  for (size_t i = 0; i < rows.size(); ++i) {
    KeptEvent& event = events.emplace_back();
    event.id = rows.Int(i, 0);
    event.source = rows.Text(i, 1);
    event.tenant_key = postgres::BytesOfText(rows.Text(i, 2));
    event.sequence = static_cast<uint64_t>(rows.Int(i, 3));
    event.index = static_cast<uint32_t>(rows.Int(i, 4));
    event.event_type = postgres::BytesOfText(rows.Text(i, 5));
    event.channel = rows.Text(i, 6);
    event.signed_id = postgres::BytesOfText(rows.Text(i, 7));
    event.received_at = WallTime(std::chrono::microseconds(rows.Int(i, 8)));
    event.event = postgres::BytesOfText(rows.Text(i, 9));
  }
  return events;
}

Result<std::vector<KeptEvent>> PostgresEffects::ParkedEvents(std::string_view source,
                                                             std::string_view tenant_key, int max) {
  Parameters parameters;
  parameters.Add(source);
  parameters.AddBytes(tenant_key);
  parameters.Add(int64_t{max});
  return ReadParked("tenant_key = $2 order by sequence, event_index limit $3",
                    std::move(parameters));
}

Result<std::vector<KeptEvent>> PostgresEffects::ExpiredParked(std::string_view source,
                                                              WallTime before, int64_t keep_events,
                                                              int max) {
  Parameters parameters;
  parameters.Add(source);
  parameters.Add(Micros(before));
  parameters.Add(keep_events);
  parameters.Add(int64_t{max});
  return ReadParked("(received_at < $2 or id <= (select id from tidewire.parked where source = $1 "
                    "order by id desc limit 1 offset $3)) order by id limit $4",
                    std::move(parameters));
}

Status PostgresEffects::RemoveParked(int64_t id) {
  const std::string text = std::to_string(id);
  return session_.Send("delete from tidewire.parked where id = $1", {Parameter(text)});
}

Status PostgresEffects::Bury(const KeptEvent& event) {
  Parameters parameters;
  parameters.Add(event.source);
  parameters.Add(static_cast<int64_t>(event.sequence));
  parameters.Add(int64_t{event.index});
  parameters.AddBytes(event.event_type);
  parameters.Add(event.reason);
  parameters.Add(StorableText(event.error));
  parameters.Add(event.config_version);
  parameters.Add(Micros(event.received_at));
  parameters.AddBytes(event.event);
  parameters.AddBytes(event.signed_id);
  return session_.Send(
      "insert into tidewire.dead_letter(source, sequence, event_index, event_type, reason, error, "
      "config_version, received_at, event, signed_id) "
      "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      parameters.views());
}

}  // namespace tw::ingest
