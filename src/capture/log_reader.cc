#include "capture/log_reader.h"

#include "capture/log_image.h"
#include "json/json.h"

namespace tw::capture {
namespace {

// The shape as stored in tidewire_relation.columns: [["name","type name",type number],…].
Status ParseColumns(std::string_view text, Relation& relation) {
  TW_ASSIGN_OR_RETURN(const auto document, json::Parse(text));
  for (const json::Value& column : document->items()) {
    const auto parts = column.items();
    if (parts.size() != 3) return Fail(ErrorCode::kDataLoss, "tidewire_relation is damaged");
    relation.columns.push_back({std::string(parts[0].GetString()),
                                static_cast<ColumnType>(parts[2].GetInt()),
                                std::string(parts[1].GetString())});
  }
  return {};
}

}  // namespace

Result<LogReader> LogReader::Create(sqlite::Database& database, uint64_t epoch) {
  LogReader reader;
  reader.database_ = &database;
  reader.epoch_ = epoch;
  TW_ASSIGN_OR_RETURN(reader.read_,
                      database.Prepare("select offset, relation, op, at, old, new"
                                       " from tidewire_log where offset > ? order by offset"
                                       " limit ?"));
  TW_ASSIGN_OR_RETURN(
      reader.bounds_,
      database.Prepare("select (select min(offset) from tidewire_log),"
                       " (select max(offset) from tidewire_log)"));
  TW_ASSIGN_OR_RETURN(
      reader.relation_,
      database.Prepare("select table_name, columns, key from tidewire_relation where id = ?"));
  return reader;
}

Result<uint64_t> LogReader::LastOffset() {
  TW_ASSIGN_OR_RETURN(const bool row, bounds_.Step());
  const uint64_t last = row ? static_cast<uint64_t>(bounds_.ColumnInt(1)) : 0;
  bounds_.Reset();
  return last;
}

Result<uint64_t> LogReader::FirstOffset() {
  TW_ASSIGN_OR_RETURN(const bool row, bounds_.Step());
  const uint64_t first = row ? static_cast<uint64_t>(bounds_.ColumnInt(0)) : 0;
  bounds_.Reset();
  return first == 0 ? 1 : first;
}

Result<RelationPtr> LogReader::FindRelation(uint32_t id) {
  if (const auto found = relations_.find(id); found != relations_.end()) return found->second;
  relation_.BindInt(1, id);
  TW_ASSIGN_OR_RETURN(const bool row, relation_.Step());
  if (!row) {
    return Fail(ErrorCode::kDataLoss, "tidewire_log names relation " + std::to_string(id) +
                                          ", which tidewire_relation does not hold");
  }
  Relation relation;
  relation.id = id;
  relation.table = relation_.ColumnText(0);
  const Status columns = ParseColumns(relation_.ColumnText(1), relation);
  const auto key = json::Parse(relation_.ColumnText(2));
  relation_.Reset();
  TW_RETURN_IF_ERROR(columns);
  if (!key.ok()) return std::unexpected(key.error());
  for (const json::Value& column : key->root().items()) {
    relation.key.push_back(static_cast<uint16_t>(column.GetInt()));
  }
  return relations_.emplace(id, std::make_shared<const Relation>(std::move(relation)))
      .first->second;
}

Result<BatchPtr> LogReader::Read(uint64_t after, uint64_t changes_max) {
  auto batch = std::make_shared<Batch>();
  read_.BindInt(1, static_cast<int64_t>(after));
  read_.BindInt(2, static_cast<int64_t>(changes_max));
  uint64_t expected = after + 1;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read_.Step());
    if (!row) break;
    Change change;
    change.offset = static_cast<uint64_t>(read_.ColumnInt(0));
    if (change.offset != expected) {
      read_.Reset();
      return Fail(ErrorCode::kOutOfRange,
                  "the log does not hold offset " + std::to_string(expected) + " any more");
    }
    ++expected;
    change.op = static_cast<ChangeOp>(read_.ColumnInt(2));
    change.committed_at = WallTime{std::chrono::milliseconds{read_.ColumnInt(3)}};
    const auto fill = [&]() -> Status {
      TW_ASSIGN_OR_RETURN(change.relation,
                          FindRelation(static_cast<uint32_t>(read_.ColumnInt(1))));
      if (!read_.ColumnIsNull(4)) {
        TW_ASSIGN_OR_RETURN(change.old_row, ParseImage(read_.ColumnText(4), *change.relation));
      }
      if (!read_.ColumnIsNull(5)) {
        TW_ASSIGN_OR_RETURN(change.new_row, ParseImage(read_.ColumnText(5), *change.relation));
      }
      return {};
    };
    if (auto filled = fill(); !filled.ok()) {
      read_.Reset();
      return std::unexpected(filled.error());
    }
    batch->bytes += sizeof(Change) + ApproximateBytes(change.old_row) +
                    ApproximateBytes(change.new_row);
    batch->changes.push_back(std::move(change));
    if (batch->bytes >= kReadBytesMax) {
      read_.Reset();
      break;
    }
  }
  if (batch->changes.empty()) return BatchPtr();
  batch->after = after;
  batch->position = {epoch_, batch->changes.back().offset};
  return BatchPtr(std::move(batch));
}

}  // namespace tw::capture
