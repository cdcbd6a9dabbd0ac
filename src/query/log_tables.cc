#include "query/log_tables.h"

#include "telemetry/log.h"

namespace tw::query {
namespace {

constexpr std::string_view kSchema = R"sql(
create table if not exists tidewire_mutation(
  id text not null primary key,
  at integer not null default (cast((julianday('now') - 2440587.5) * 86400000.0 as integer)),
  caller text,
  status integer,
  response text,
  position text
);
create table if not exists function_call_logs(
  id integer primary key autoincrement,
  function_name text not null,
  arguments jsonb,
  called_at timestamptz not null,
  duration_ms double precision not null,
  status text not null,
  reason text not null,
  row_count bigint not null,
  bytes bigint not null,
  error text
);
create table if not exists data_cache_metadata(
  query text not null,
  params jsonb not null,
  auth_class text not null,
  fetched_at timestamptz,
  expires_at timestamptz,
  position text,
  hits bigint not null default 0,
  misses bigint not null default 0,
  prefetches bigint not null default 0,
  prefetch_failures bigint not null default 0,
  bytes bigint not null default 0,
  primary key(query, params, auth_class)
);
)sql";

constexpr std::chrono::minutes kTrimInterval{10};

}  // namespace

Status CreateLogTables(sqlite::Database& database) { return database.Execute(kSchema); }

void LogWriter::Write(std::span<const CallLog> calls, std::span<const CacheRow> rows,
                      WallTime now) {
  const auto run = [&]() -> Status {
    TW_ASSIGN_OR_RETURN(auto transaction, sqlite::Transaction::Begin(database_));
    TW_RETURN_IF_ERROR(WriteCalls(calls));
    TW_RETURN_IF_ERROR(WriteRows(rows));
    if (now >= next_trim_) {
      next_trim_ = now + kTrimInterval;
      TW_RETURN_IF_ERROR(Trim(now));
    }
    return transaction.Commit();
  };
  if (const Status done = run(); !done.ok()) {
    telemetry::Log(telemetry::Level::kWarning, "QueryLogNotWritten",
                   "function_call_logs and data_cache_metadata could not be written",
                   {{"error", done.error().message}});
  }
}

Status LogWriter::WriteCalls(std::span<const CallLog> calls) {
  if (calls.empty()) return {};
  TW_ASSIGN_OR_RETURN(
      auto insert,
      database_.Prepare("insert into function_call_logs(function_name, arguments, called_at,"
                        " duration_ms, status, reason, row_count, bytes, error)"
                        " values(?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const CallLog& call : calls) {
    const std::string at = FormatTimestampMs(call.at);
    insert.BindText(1, call.query);
    insert.BindText(2, call.arguments);
    insert.BindText(3, at);
    insert.BindDouble(4, static_cast<double>(call.took.count()) / 1000);
    insert.BindText(5, call.status);
    insert.BindText(6, call.reason);
    insert.BindInt(7, static_cast<int64_t>(call.rows));
    insert.BindInt(8, static_cast<int64_t>(call.bytes));
    if (call.error.empty()) {
      insert.BindNull(9);
    } else {
      insert.BindText(9, call.error);
    }
    TW_RETURN_IF_ERROR(insert.Run());
  }
  return {};
}

Status LogWriter::WriteRows(std::span<const CacheRow> rows) {
  if (rows.empty()) return {};
  TW_ASSIGN_OR_RETURN(auto drop, database_.Prepare("delete from data_cache_metadata where query = ?"
                                                   " and params = ? and auth_class = ?"));
  TW_ASSIGN_OR_RETURN(
      auto upsert,
      database_.Prepare("insert or replace into data_cache_metadata values"
                        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  for (const CacheRow& row : rows) {
    sqlite::Statement& statement = row.dropped ? drop : upsert;
    statement.BindText(1, row.query);
    statement.BindText(2, row.arguments);
    statement.BindText(3, row.auth_class);
    const std::string fetched = FormatTimestampMs(row.fetched_at);
    const std::string expires = FormatTimestampMs(row.expires_at);
    const std::string position = ToString(row.position);
    if (!row.dropped) {
      statement.BindText(4, fetched);
      statement.BindText(5, expires);
      statement.BindText(6, position);
      const uint64_t counts[] = {row.hits, row.misses, row.prefetches, row.prefetch_failures,
                                 row.bytes};
      for (int i = 0; i < 5; ++i) statement.BindInt(7 + i, static_cast<int64_t>(counts[i]));
    }
    TW_RETURN_IF_ERROR(statement.Run());
  }
  return {};
}

Status LogWriter::Trim(WallTime now) {
  TW_RETURN_IF_ERROR(database_.Execute(
      "delete from function_call_logs where id <= (select max(id) from function_call_logs) - " +
      std::to_string(kCallLogRowsMax)));
  const auto oldest = std::chrono::duration_cast<std::chrono::milliseconds>(
      (now - kMutationKeep).time_since_epoch());
  return database_.Execute("delete from tidewire_mutation where at < " +
                           std::to_string(oldest.count()));
}

}  // namespace tw::query
