#include "app/try_delivery.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "app/prepared_store.h"
#include "base/strings.h"
#include "ingest/apply/applier.h"
#include "json/json.h"

namespace tw::app {
namespace {

using sqlite::QuoteIdentifier;
using Columns = std::vector<std::pair<std::string, std::string>>;  // Name, JSON text.

constexpr int kRowsMax = 100'000;  // Of one table, in the throw-away database.

Result<std::shared_ptr<const ingest::Source>> FindSource(const PreparedStore& prepared,
                                                         const std::string& name) {
  std::vector<std::string_view> names;
  std::shared_ptr<const ingest::Source> only;
  for (const auto& source : prepared.sources) {
    if (!source->webhook) continue;
    names.push_back(source->name);
    if (source->name == name) return source;
    only = source;
  }
  if (name.empty() && names.size() == 1) return only;
  if (name.empty()) {
    return Fail(ErrorCode::kInvalidArgument, names.empty() ? "no source has a webhook"
                                                           : "several sources have webhooks: "
                                                             "choose one with --source");
  }
  std::string message = "no source '" + name + "' with a webhook";
  if (const auto nearest = Nearest(name, names)) {
    message += "; did you mean '" + std::string(*nearest) + "'?";
  }
  return Fail(ErrorCode::kInvalidArgument, message);
}

std::string JsonOf(const sqlite::Statement& row, int column) {
  json::Writer writer;
  if (row.ColumnIsNull(column)) {
    writer.Null();
  } else if (row.ColumnStorage(column) == 1) {  // SQLITE_INTEGER
    writer.Int(row.ColumnInt(column));
  } else if (row.ColumnStorage(column) == 2) {  // SQLITE_FLOAT
    writer.Double(row.ColumnDouble(column));
  } else {
    const std::string_view text = row.ColumnText(column);
    writer.String(IsUtf8(text) ? text : std::string_view("(bytes)"));
  }
  return writer.Take();
}

// The rows of a table by SQLite's own row number.
Result<std::map<int64_t, Columns>> Snapshot(sqlite::Database& database, const std::string& sql) {
  TW_ASSIGN_OR_RETURN(auto read, database.Prepare(sql + " limit " + std::to_string(kRowsMax)));
  std::map<int64_t, Columns> rows;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool found, read.Step());
    if (!found) return rows;
    Columns& row = rows[read.ColumnInt(0)];
    for (int i = 1; i < read.ColumnCount(); ++i) {
      row.emplace_back(std::string(read.ColumnName(i)), JsonOf(read, i));
    }
  }
}

std::string ByRowid(const std::string& table) {
  return "select rowid, * from " + QuoteIdentifier(table) + " order by rowid";
}

void WriteColumns(json::Writer& writer, const Columns& row, const Columns* before) {
  writer.Object();
  for (size_t i = 0; i < row.size(); ++i) {
    if (before != nullptr && (*before)[i] == row[i]) continue;
    writer.Key(row[i].first).Raw(row[i].second);
  }
  writer.End();
}

using Tables = std::map<std::string, std::map<int64_t, Columns>>;

// Inserted rows whole, of updated ones what changes.
void WriteChanges(json::Writer& writer, const Tables& before, const Tables& after) {
  writer.Array();
  for (const auto& [table, rows] : after) {
    const auto& old_rows = before.at(table);
    for (const auto& [id, row] : rows) {
      const auto old = old_rows.find(id);
      if (old != old_rows.end() && old->second == row) continue;
      const bool inserted = old == old_rows.end();
      writer.Object().Key("table").String(table).Key("change").String(inserted ? "insert"
                                                                               : "update");
      writer.Key("columns");
      WriteColumns(writer, row, inserted ? nullptr : &old->second);
      writer.End();
    }
  }
  writer.End();
}

Result<Tables> SnapshotAll(sqlite::Database& database, const std::set<std::string>& tables) {
  Tables all;
  for (const std::string& table : tables) {
    TW_ASSIGN_OR_RETURN(all[table], Snapshot(database, ByRowid(table)));
  }
  return all;
}

// The tenants that a server knows, in the place of those of the seed files.
Status CopyTenants(sqlite::Database& database, const ingest::Source& source,
                   const std::string& path) {
  TW_ASSIGN_OR_RETURN(auto attach, database.Prepare("attach database ?1 as served"));
  attach.BindText(1, path);
  TW_RETURN_IF_ERROR(attach.Run());
  for (const std::string& table : {source.tenants.table, source.tenants.via_table}) {
    if (table.empty()) continue;
    const std::string name = QuoteIdentifier(table);
    TW_RETURN_IF_ERROR(database.Execute("delete from main." + name + "; insert into main." + name +
                                        " select * from served." + name));
  }
  return database.Execute("detach database served");
}

Result<std::string> StatusOf(sqlite::Database& database, const ingest::ApplyOutcome& outcome,
                             std::string& error) {
  if (outcome.dead > 0) {
    TW_ASSIGN_OR_RETURN(error,
                        database.QueryText("select error from tidewire_dead_letter limit 1"));
    TW_ASSIGN_OR_RETURN(const std::string reason,
                        database.QueryText("select reason from tidewire_dead_letter limit 1"));
    return "dead:" + reason;
  }
  if (outcome.parked > 0) {
    TW_ASSIGN_OR_RETURN(const std::string tenant,
                        database.QueryText("select tenant_key from tidewire_parked limit 1"));
    error = "no tenant '" + tenant + "' in the registry";
    return std::string("parked:tenant");
  }
  if (outcome.ignored > 0) return std::string("ignored:type");
  return std::string(outcome.duplicate > 0 ? "duplicate" : "ok");
}

}  // namespace

Result<std::string> TryDelivery(const Configuration& configuration, const TryRequest& request,
                                Clock& clock, Random& random) {
  telemetry::Registry metrics;
  TW_ASSIGN_OR_RETURN(auto prepared,
                      PrepareStore(configuration, request.directory + "/try.db",
                                   {.durability = sqlite::Durability::kOff}, random, metrics));
  TW_ASSIGN_OR_RETURN(const auto source, FindSource(prepared, request.source));
  sqlite::Database& database = prepared.store->database();
  if (!request.tenants_of.empty()) {
    TW_RETURN_IF_ERROR(CopyTenants(database, *source, request.tenants_of));
  }
  TW_ASSIGN_OR_RETURN(auto applier,
                      ingest::Applier::Create(database, prepared.sources, clock, metrics,
                                              {.jobs_table = *configuration.main.jobs.table}));
  std::set<std::string> tables;
  for (const ingest::TablePlan& table : source->tables) tables.insert(table.name);
  std::set<std::string> counters;
  if (source->counters) counters = {source->counters->table, source->counters->day_table};
  TW_ASSIGN_OR_RETURN(const Tables rows_before, SnapshotAll(database, tables));
  TW_ASSIGN_OR_RETURN(const Tables counters_before, SnapshotAll(database, counters));

  ingest::Delivery delivery;
  delivery.sequence = 1;
  delivery.source = source->name;
  delivery.received_at = clock.Wall();
  delivery.body = request.payload;
  TW_ASSIGN_OR_RETURN(const auto outcome, applier->Apply(std::span(&delivery, 1)));

  std::string error;
  TW_ASSIGN_OR_RETURN(const std::string status, StatusOf(database, outcome, error));
  TW_ASSIGN_OR_RETURN(
      const auto facts,
      Snapshot(database,
               "select id, kind, tenant, strftime('%Y-%m-%dT%H:%M:%fZ', occurred_at / 1000000.0, "
               "'unixepoch') as occurred_at, case time_quality when 2 then 'event' when 1 then "
               "'receipt' else 'unknown' end as time_from, bucket_day as local_day, contribution "
               "as counts_in from tidewire_fact order by id"));
  TW_ASSIGN_OR_RETURN(const Tables rows_after, SnapshotAll(database, tables));
  TW_ASSIGN_OR_RETURN(const Tables counters_after, SnapshotAll(database, counters));

  json::Writer writer;
  writer.Object().Key("source").String(source->name).Key("status").String(status);
  if (!error.empty()) writer.Key("error").String(error);
  writer.Key("config_version").String(source->version).Key("facts").Array();
  for (const auto& [id, fact] : facts) WriteColumns(writer, fact, nullptr);
  writer.End().Key("rows");
  WriteChanges(writer, rows_before, rows_after);
  writer.Key("counters");
  WriteChanges(writer, counters_before, counters_after);
  writer.End();
  return writer.Take();
}

}  // namespace tw::app
