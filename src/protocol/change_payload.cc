#include "protocol/change_payload.h"

#include "json/json.h"
#include "protocol/stamp.h"

namespace tw::protocol {
namespace {

// Calls `visit(index)` for the wanted columns in order; the key is always among them.
template <typename Visit>
void ForEachColumn(const Relation& relation, Columns columns, std::span<const uint16_t> selected,
                   Visit visit) {
  if (columns == Columns::kKey) {
    for (const uint16_t index : relation.key) visit(index);
  } else if (selected.empty()) {
    for (size_t index = 0; index < relation.columns.size(); ++index) visit(index);
  } else {
    for (const uint16_t index : selected) visit(index);
  }
}

}  // namespace

std::string_view ToString(EventType type) {
  switch (type) {
    case EventType::kInsert: return "INSERT";
    case EventType::kUpdate: return "UPDATE";
    case EventType::kDelete: return "DELETE";
    case EventType::kLeave: return "LEAVE";
  }
  return "";
}

void AppendRecord(std::string& out, const Relation& relation, const Row& row, Columns columns,
                  std::span<const uint16_t> selected) {
  char separator = '{';
  ForEachColumn(relation, columns, selected, [&](size_t index) {
    if (row[index].is_absent()) return;
    out.push_back(separator);
    json::AppendString(out, relation.columns[index].name);
    out.push_back(':');
    AppendJson(out, row[index], relation.columns[index].type);
    separator = ',';
  });
  out += separator == '{' ? "{}" : "}";
}

void AppendColumns(std::string& out, const Relation& relation,
                   std::span<const uint16_t> selected) {
  char separator = '[';
  ForEachColumn(relation, Columns::kAll, selected, [&](size_t index) {
    out.push_back(separator);
    out += "{\"name\":";
    json::AppendString(out, relation.columns[index].name);
    out += ",\"type\":";
    json::AppendString(out, relation.columns[index].type_name);
    out.push_back('}');
    separator = ',';
  });
  out += separator == '[' ? "[]" : "]";
}

void AppendChangePayload(std::string& out, const ChangeParts& parts) {
  out += "{\"ids\":[";
  for (size_t i = 0; i < parts.ids.size(); ++i) {
    if (i > 0) out.push_back(',');
    json::AppendInt(out, parts.ids[i]);
  }
  out += "],";
  if (parts.position) {
    out += "\"position\":\"";
    out += ToString(*parts.position);
    out += "\",";
  }
  out += "\"data\":{\"type\":\"";
  out += ToString(parts.type);
  out += "\",\"schema\":";
  json::AppendString(out, parts.change->relation->schema);
  out += ",\"table\":";
  json::AppendString(out, parts.change->relation->table);
  out += ",\"commit_timestamp\":\"";
  const WallTime at = parts.change->committed_at;
  out += parts.stamp ? StampedTime(at, *parts.stamp) : FormatTimestampMs(at);
  out += "\",\"columns\":";
  out += parts.columns;
  if (!parts.record.empty()) {
    out += ",\"record\":";
    out += parts.record;
  }
  if (!parts.old_record.empty()) {
    out += ",\"old_record\":";
    out += parts.old_record;
  }
  out += ",\"errors\":null}}";
}

}  // namespace tw::protocol
