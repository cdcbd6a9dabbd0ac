// The tables that clients may follow and read, each with its shape and its policies.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "model/relation.h"
#include "policy/policy.h"

namespace tw::policy {

// Immutable after it is built; shared by every loop and reader thread.
class Catalog {
 public:
  struct Table {
    RelationPtr relation;
    std::shared_ptr<const TablePolicy> policy;
    // Why nobody but those whom no policy concerns may see the table: its policies cannot be judged.
    std::optional<Error> denied;
  };

  // Replaces the table of the same name.
  void Add(Table table) {
    const std::string name = NameOf(table.relation->schema, table.relation->table);
    if (const auto found = by_name_.find(name); found != by_name_.end()) {
      tables_[found->second] = std::move(table);
      return;
    }
    by_name_.emplace(name, tables_.size());
    tables_.push_back(std::move(table));
  }

  // The embedded store has one schema, "public". Null when there is no such table.
  const Table* Find(std::string_view schema, std::string_view table) const {
    const auto found = by_name_.find(NameOf(schema, table));
    return found == by_name_.end() ? nullptr : &tables_[found->second];
  }

  const std::vector<Table>& tables() const { return tables_; }

 private:
  // No identifier holds a zero byte.
  static std::string NameOf(std::string_view schema, std::string_view table) {
    return std::string(schema).append(1, '\0').append(table);
  }

  std::vector<Table> tables_;
  StringMap<size_t> by_name_;
};

using CatalogPtr = std::shared_ptr<const Catalog>;

}  // namespace tw::policy
