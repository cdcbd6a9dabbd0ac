// Who may write which rows: the policies of each table per command.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "base/strings.h"
#include "policy/catalog.h"

namespace tw::query {

// PostgreSQL's commands, each with the rows that it may touch (`using`) and make (`check`).
struct TableWritePolicies {
  policy::TablePolicyPtr select;        // What may be read, and so filtered by and returned.
  policy::TablePolicyPtr insert_check;
  policy::TablePolicyPtr update_using;
  policy::TablePolicyPtr update_check;
  policy::TablePolicyPtr delete_using;
};

// Immutable after it is built; any thread.
class WritePolicies {
 public:
  // `inner`: the tables that the policies look into.
  explicit WritePolicies(std::shared_ptr<const policy::InnerPlan> inner)
      : inner_(std::move(inner)) {}
  const std::shared_ptr<const policy::InnerPlan>& inner() const { return inner_; }

  void Add(std::string_view table, TableWritePolicies policies) {
    tables_.emplace(table, std::move(policies));
  }
  // Null when there is no such table.
  const TableWritePolicies* Find(std::string_view table) const {
    const auto found = tables_.find(table);
    return found == tables_.end() ? nullptr : &found->second;
  }

 private:
  std::shared_ptr<const policy::InnerPlan> inner_;
  StringMap<TableWritePolicies> tables_;
};

using WritePoliciesPtr = std::shared_ptr<const WritePolicies>;

}  // namespace tw::query
