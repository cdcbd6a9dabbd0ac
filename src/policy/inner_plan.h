// Which tables, columns and indexes the policies of a catalogue look into: what is kept in memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/relation.h"
#include "policy/datum.h"

namespace tw::policy {

// A hash index: columns (positions in InnerTablePlan::columns) and the type in which they are
// compared.
struct InnerIndexPlan {
  std::vector<uint16_t> columns;
  std::vector<Base> bases;
  bool operator==(const InnerIndexPlan&) const = default;
};

struct InnerTablePlan {
  RelationPtr relation;
  std::vector<uint16_t> columns;  // Indices into relation->columns; the primary key comes first.
  std::vector<InnerIndexPlan> indexes;  // The first finds a row again by its key.
};

// Grows while policies are compiled; immutable afterwards.
class InnerPlan {
 public:
  InnerPlan();
  // The number of the table; added when it is new.
  uint32_t Table(const RelationPtr& relation);
  // The position of `column` (an index into the relation's columns) among those kept.
  uint16_t Column(uint32_t table, size_t column);
  uint32_t Index(uint32_t table, const InnerIndexPlan& index);

  const std::vector<InnerTablePlan>& tables() const { return tables_; }
  // Tells catalogues apart; copies share it.
  uint64_t id() const { return id_; }
  bool empty() const { return tables_.empty(); }

 private:
  uint64_t id_;
  std::vector<InnerTablePlan> tables_;
};

}  // namespace tw::policy
