#include "policy/inner_plan.h"

#include <algorithm>
#include <atomic>

namespace tw::policy {

InnerPlan::InnerPlan() {
  static std::atomic<uint64_t> made{0};
  id_ = ++made;
}

uint32_t InnerPlan::Table(const RelationPtr& relation) {
  for (uint32_t i = 0; i < tables_.size(); ++i) {
    if (tables_[i].relation->id == relation->id && tables_[i].relation->table == relation->table &&
        tables_[i].relation->schema == relation->schema) {
      return i;
    }
  }
  InnerTablePlan table;
  table.relation = relation;
  table.columns = relation->key;
  if (table.columns.empty()) {
    // Without a key a row is found again by all that it holds.
    for (uint16_t i = 0; i < relation->columns.size(); ++i) table.columns.push_back(i);
  }
  InnerIndexPlan identity;
  for (uint16_t i = 0; i < table.columns.size(); ++i) {
    identity.columns.push_back(i);
    identity.bases.push_back(Base::kUnknown);
  }
  table.indexes.push_back(std::move(identity));
  tables_.push_back(std::move(table));
  return static_cast<uint32_t>(tables_.size() - 1);
}

uint16_t InnerPlan::Column(uint32_t table, size_t column) {
  auto& columns = tables_[table].columns;
  const auto found = std::ranges::find(columns, column);
  if (found != columns.end()) return static_cast<uint16_t>(found - columns.begin());
  columns.push_back(static_cast<uint16_t>(column));
  return static_cast<uint16_t>(columns.size() - 1);
}

uint32_t InnerPlan::Index(uint32_t table, const InnerIndexPlan& index) {
  auto& indexes = tables_[table].indexes;
  // The first one compares stored forms, not values: never used for look-ups.
  const auto found = std::find(indexes.begin() + 1, indexes.end(), index);
  if (found != indexes.end()) return static_cast<uint32_t>(found - indexes.begin());
  indexes.push_back(index);
  return static_cast<uint32_t>(indexes.size() - 1);
}

}  // namespace tw::policy
