#include "sim/journal.h"

#include <algorithm>

namespace tw::sim {

std::string TextOf(const Relation& relation, const Row& row, std::string_view column) {
  const auto index = relation.Find(column);
  if (!index || row.empty()) return {};
  const Value& value = row[*index];
  if (const int64_t* number = value.AsInt()) return std::to_string(*number);
  if (const std::string* text = value.AsText()) return *text;
  return {};
}

bool Sight::MaySee(const Relation& relation, const Row& row) const {
  switch (rows) {
    case Rows::kNone:
      return false;
    case Rows::kAll:
      return true;
    case Rows::kWorkspace:
      return TextOf(relation, row, "workspace_id") == std::to_string(workspace);
  }
  return false;
}

bool Sight::Holds(const Relation& relation, const Row& row) const {
  if (row.empty() || relation.table != table || !MaySee(relation, row)) return false;
  return filter_column.empty() || TextOf(relation, row, filter_column) == filter_value;
}

std::optional<std::string_view> Sight::Due(const Change& change) const {
  const bool before = Holds(*change.relation, change.old_row);
  const bool after = Holds(*change.relation, change.new_row);
  switch (change.op) {
    case ChangeOp::kInsert:
      return after ? std::optional<std::string_view>("INSERT") : std::nullopt;
    case ChangeOp::kDelete:
      return before ? std::optional<std::string_view>("DELETE") : std::nullopt;
    case ChangeOp::kUpdate:
      if (after) return "UPDATE";
      return before && leave ? std::optional<std::string_view>("LEAVE") : std::nullopt;
  }
  return std::nullopt;
}

Status Journal::Append(uint64_t epoch, const Change& change) {
  auto& changes = epochs_[epoch];
  if (change.offset == 0 || change.offset > changes.size() + 1) {
    return Fail(ErrorCode::kFailedPrecondition, "offset " + std::to_string(change.offset) +
                                                    " follows " + std::to_string(changes.size()));
  }
  if (change.offset == changes.size() + 1) {
    changes.push_back(change);
    return {};
  }
  const Change& told = changes[change.offset - 1];
  if (told.op == change.op && told.relation->table == change.relation->table &&
      told.old_row == change.old_row && told.new_row == change.new_row) {
    return {};
  }
  return Fail(ErrorCode::kFailedPrecondition,
              "offset " + std::to_string(change.offset) + " has changed its meaning");
}

uint64_t Journal::head(uint64_t epoch) const {
  const auto found = epochs_.find(epoch);
  return found == epochs_.end() ? 0 : found->second.size();
}

const Change* Journal::NextDue(const Sight& sight, uint64_t epoch, uint64_t after,
                               uint64_t last) const {
  const auto found = epochs_.find(epoch);
  if (found == epochs_.end()) return nullptr;
  const uint64_t end = std::min<uint64_t>(last, found->second.size());
  for (uint64_t offset = after + 1; offset <= end; ++offset) {
    const Change& change = found->second[offset - 1];
    if (sight.Due(change)) return &change;
  }
  return nullptr;
}

}  // namespace tw::sim
