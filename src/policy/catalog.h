// The tables that clients may follow and read, each with its shape and its policies.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "model/relation.h"
#include "policy/inner_plan.h"
#include "policy/policy.h"

namespace tw::policy {

// Immutable after it is built; shared by every loop and reader thread.
class Catalog {
 public:
  struct Table {
    RelationPtr relation;
    std::shared_ptr<const TablePolicy> policy;
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

  // The tables that policies look into; never null.
  const std::shared_ptr<const InnerPlan>& inner() const { return inner_; }
  // Reads are made by the database itself, as the reader's role.
  bool reads_as_role() const { return reads_as_role_; }
  void set_reads_as_role() { reads_as_role_ = true; }
  void set_inner(std::shared_ptr<const InnerPlan> inner) { inner_ = std::move(inner); }

  // The claims expressions of all tables' policies for a role, which the database evaluates; empty
  // on the embedded store.
  const std::set<std::string>& claims_sql(std::string_view role) const {
    static const std::set<std::string> none;
    const auto found = claims_sql_.find(role);
    return found == claims_sql_.end() ? none : found->second;
  }
  void set_claims_sql(const std::string& role, std::set<std::string> expressions) {
    claims_sql_[role] = std::move(expressions);
  }

 private:
  bool reads_as_role_ = false;
  std::map<std::string, std::set<std::string>, std::less<>> claims_sql_;
  // No identifier holds a zero byte.
  static std::string NameOf(std::string_view schema, std::string_view table) {
    return std::string(schema).append(1, '\0').append(table);
  }

  std::vector<Table> tables_;
  StringMap<size_t> by_name_;
  std::shared_ptr<const InnerPlan> inner_ = std::make_shared<const InnerPlan>();
};

using CatalogPtr = std::shared_ptr<const Catalog>;

// All tables of a configuration. Errors: as TablePolicy::Compile.
Result<CatalogPtr> CompileEmbedded(const Schema& schema);

struct SchemaTable;

// Policies of commands beside SELECT.
struct CommandPolicies {
  std::vector<TablePolicyPtr> policies;  // Parallel to the variants.
  std::shared_ptr<const InnerPlan> inner;  // The tables that they look into; not the catalogue's.
};

// `variants`: tables of `schema`, each with the policies of one command. Sub-selects see other
// tables, and the same one, through the policies that `schema` gives them. Errors: as
// TablePolicy::Compile.
Result<CommandPolicies> CompileCommands(const Schema& schema,
                                        std::span<const SchemaTable> variants);

// Where a role's policies on a table are decided, and why not here.
struct Placement {
  enum class Tier : uint8_t {
    kMemory,     // Compiled; found by probes.
    kScan,       // Compiled; every group is asked.
    kDatabase,   // Not compiled: `reason`. The database is asked for each image.
    kDenied,     // The database would refuse each query: `reason`.
  };
  std::string schema;
  std::string table;
  std::string role;
  Tier tier = Tier::kMemory;
  std::string reason;
};

struct PostgresCatalog {
  CatalogPtr catalog;
  std::vector<Placement> placements;
};

// All tables of a database. What does not compile is asked of the database (database_tier.h), with
// its reason in `placements`; where not even it can judge it denies.
PostgresCatalog CompilePostgres(const Schema& schema);

}  // namespace tw::policy
