#include "capture/capture.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/strings.h"
#include "capture/log_image.h"
#include "json/json.h"

namespace tw::capture {
namespace {

// AUTOINCREMENT: an offset is never reused, even when the newest rows have been deleted.
constexpr std::string_view kSchema = R"sql(
create table if not exists tidewire_log(
  offset integer primary key autoincrement,
  relation integer not null,
  op integer not null,
  at integer not null default (cast((julianday('now') - 2440587.5) * 86400000.0 + 0.5 as integer)),
  old text,
  new text
) strict;
create table if not exists tidewire_relation(
  id integer primary key,
  table_name text not null,
  columns text not null,
  key text not null
) strict;
)sql";

std::string ColumnsJson(const Relation& relation) {
  json::Writer writer;
  writer.Array();
  for (const Column& column : relation.columns) {
    writer.Array().String(column.name).String(column.type_name);
    writer.Int(static_cast<int>(column.type)).End();
  }
  writer.End();
  return writer.Take();
}

std::string KeyJson(const Relation& relation) {
  json::Writer writer;
  writer.Array();
  for (const uint16_t column : relation.key) writer.Int(column);
  writer.End();
  return writer.Take();
}

// The id of this shape: the newest one stored for the table if it is equal, else a new one.
Result<uint32_t> RegisterRelation(sqlite::Database& database, const Relation& relation) {
  const std::string columns = ColumnsJson(relation);
  const std::string key = KeyJson(relation);
  TW_ASSIGN_OR_RETURN(auto newest,
                      database.Prepare("select id, columns, key from tidewire_relation"
                                       " where table_name = ? order by id desc limit 1"));
  newest.BindText(1, relation.table);
  TW_ASSIGN_OR_RETURN(const bool found, newest.Step());
  if (found && newest.ColumnText(1) == columns && newest.ColumnText(2) == key) {
    return static_cast<uint32_t>(newest.ColumnInt(0));
  }
  TW_ASSIGN_OR_RETURN(
      auto insert,
      database.Prepare("insert into tidewire_relation(table_name, columns, key) values(?, ?, ?)"));
  insert.BindText(1, relation.table);
  insert.BindText(2, columns);
  insert.BindText(3, key);
  TW_RETURN_IF_ERROR(insert.Run());
  return static_cast<uint32_t>(database.LastInsertRowid());
}

std::string TriggerSql(const Relation& relation, ChangeOp op) {
  static constexpr const char* kNames[] = {"insert", "update", "delete"};
  const std::string event = kNames[static_cast<int>(op)];
  const std::string old_image =
      op == ChangeOp::kInsert ? "NULL" : ImageExpression(relation, "OLD");
  const std::string new_image =
      op == ChangeOp::kDelete ? "NULL" : ImageExpression(relation, "NEW");
  const std::string name =
      sqlite::QuoteIdentifier("tidewire_capture_" + relation.table + "_" + event);
  // An UPDATE that changes nothing is no change.
  const std::string condition =
      op == ChangeOp::kUpdate ? " when " + old_image + " is not " + new_image : "";
  return "drop trigger if exists " + name + ";\ncreate trigger " + name + " after " + event +
         " on " + sqlite::QuoteIdentifier(relation.table) + " for each row" + condition +
         " begin\n  insert into tidewire_log(relation, op, old, new) values(" +
         std::to_string(relation.id) + ", " + std::to_string(static_cast<int>(op)) + ", " +
         old_image + ", " + new_image + ");\nend;\n";
}

// Removes triggers of tables that are not captured any more.
Status DropOtherTriggers(sqlite::Database& database, const std::vector<std::string>& tables) {
  TW_ASSIGN_OR_RETURN(auto select,
                      database.Prepare("select name, tbl_name from sqlite_schema where"
                                       " type = 'trigger' and name like"
                                       " 'tidewire\\_capture\\_%' escape '\\'"));
  std::vector<std::string> stale;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) break;
    if (std::ranges::find(tables, select.ColumnText(1)) == tables.end()) {
      stale.emplace_back(select.ColumnText(0));
    }
  }
  for (const std::string& name : stale) {
    TW_RETURN_IF_ERROR(database.Execute("drop trigger " + sqlite::QuoteIdentifier(name)));
  }
  return {};
}

}  // namespace

Capture::Capture(store::Store& store, LogReader reader, telemetry::Registry& metrics)
    : store_(store),
      reader_(std::move(reader)),
      changes_(metrics.GetCounter("tidewire_capture_changes_total",
                                  "Committed row changes read from the store.")) {}

Result<std::unique_ptr<Capture>> Capture::Install(store::Store& store,
                                                  const std::vector<std::string>& tables,
                                                  telemetry::Registry& metrics) {
  sqlite::Database& database = store.database();
  TW_ASSIGN_OR_RETURN(auto transaction, sqlite::Transaction::Begin(database));
  TW_RETURN_IF_ERROR(database.Execute(kSchema));
  TW_ASSIGN_OR_RETURN(auto reader, LogReader::Create(database, store.epoch()));
  std::unique_ptr<Capture> capture(new Capture(store, std::move(reader), metrics));
  TW_RETURN_IF_ERROR(DropOtherTriggers(database, tables));
  for (const std::string& table : tables) TW_RETURN_IF_ERROR(capture->InstallTable(table));
  TW_RETURN_IF_ERROR(transaction.Commit());
  TW_ASSIGN_OR_RETURN(capture->data_version_query_, database.Prepare("pragma data_version"));
  TW_ASSIGN_OR_RETURN(const uint64_t last, capture->reader_.LastOffset());
  capture->head_ = {store.epoch(), last};
  TW_RETURN_IF_ERROR(capture->OthersCommitted());
  return capture;
}

Status Capture::InstallTable(const std::string& table) {
  TW_ASSIGN_OR_RETURN(Relation relation, store::DescribeTable(store_.database(), table));
  if (relation.key.empty()) {
    return Fail(ErrorCode::kFailedPrecondition,
                "table '" + table + "' has no primary key; a table that clients follow needs one");
  }
  std::set<std::string> names;
  for (const Column& column : relation.columns) {
    if (!names.insert(ToLower(column.name)).second) {
      return Fail(ErrorCode::kFailedPrecondition,
                  "table '" + table + "' has two columns named '" + column.name + "'");
    }
  }
  TW_ASSIGN_OR_RETURN(relation.id, RegisterRelation(store_.database(), relation));
  for (const ChangeOp op : {ChangeOp::kInsert, ChangeOp::kUpdate, ChangeOp::kDelete}) {
    TW_RETURN_IF_ERROR(store_.database().Execute(TriggerSql(relation, op)));
  }
  relations_.push_back(std::make_shared<const Relation>(std::move(relation)));
  return {};
}

Result<BatchPtr> Capture::Poll() {
  TW_ASSIGN_OR_RETURN(BatchPtr batch, reader_.Read(head_.offset, kPollChangesMax));
  if (batch != nullptr) {
    head_ = batch->position;
    changes_.Add(batch->changes.size());
  }
  return batch;
}

Result<bool> Capture::OthersCommitted() {
  TW_ASSIGN_OR_RETURN(const bool row, data_version_query_.Step());
  const int64_t version = row ? data_version_query_.ColumnInt(0) : 0;
  data_version_query_.Reset();
  return std::exchange(data_version_, version) != version;
}

Result<bool> Capture::Trim(const RetentionLimits& limits, WallTime now) {
  const int64_t oldest_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                (now - limits.age_max).time_since_epoch())
                                .count();
  const int64_t keep_from =
      static_cast<int64_t>(head_.offset) - static_cast<int64_t>(limits.changes_max) + 1;
  TW_ASSIGN_OR_RETURN(const uint64_t first, reader_.FirstOffset());
  // The newest row always stays: it tells the last offset to other connections.
  const int64_t end =
      std::min(static_cast<int64_t>(head_.offset), static_cast<int64_t>(first) + kTrimChangesMax);
  TW_ASSIGN_OR_RETURN(auto keep, store_.database().Prepare(
                                     "select offset from tidewire_log where offset >= ?1"
                                     " and offset < ?2 and at >= ?3 order by offset limit 1"));
  keep.BindInt(1, keep_from);
  keep.BindInt(2, end);
  keep.BindInt(3, oldest_ms);
  TW_ASSIGN_OR_RETURN(const bool found, keep.Step());
  const int64_t cut = found ? keep.ColumnInt(0) : end;
  keep.Reset();
  if (cut <= static_cast<int64_t>(first)) return false;
  TW_ASSIGN_OR_RETURN(auto trim,
                      store_.database().Prepare("delete from tidewire_log where offset < ?"));
  trim.BindInt(1, cut);
  TW_RETURN_IF_ERROR(trim.Run());
  return !found && cut < static_cast<int64_t>(head_.offset);
}

}  // namespace tw::capture
