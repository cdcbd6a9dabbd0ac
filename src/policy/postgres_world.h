// For this room's tests only: a random PostgreSQL schema with policies, rows and claims, and what
// PostgreSQL itself shows (`set role; select`).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "policy/claims_values.h"
#include "policy/inner_tables.h"
#include "policy/postgres_catalog.h"
#include "postgres/connection.h"

namespace tw::policy::postgres_world {

struct Reader {
  std::string role;
  std::string claims;
};

class World {
 public:
  // Makes roles and the schema `auth` where they are missing. `dsn`: a database of its own, as
  // superuser.
  World(const std::string& dsn, uint64_t seed);

  // New tables, functions and rows.
  void NewTables();
  // New policies, row-level security and owners on the tables that there are.
  void NewPolicies();
  std::vector<Reader> Readers();

  // The ids of the rows of table t that the reader gets; nullopt: the query raised `error`.
  std::optional<std::set<int64_t>> Shown(const Reader& reader, std::string& error);

  // What the catalogue says now.
  const Schema& schema() const { return schema_; }
  const std::vector<std::pair<int64_t, Row>>& rows() const { return rows_; }
  std::unique_ptr<InnerTables> Load(std::shared_ptr<const InnerPlan> plan);
  postgres::Connection& connection() { return connection_; }
  // All of it, to make it again by hand.
  std::string Script() const { return tables_sql_ + policies_sql_; }
  std::string Policy();  // A random condition over t.

 private:
  struct Source {
    std::string alias;
    std::string table;
  };
  enum class Sort { kInt, kText, kUuid, kBool, kNumeric };
  using Scope = std::vector<Source>;

  template <typename T, size_t N>
  T Pick(const T (&items)[N]) {
    return items[random_.Below(N)];
  }
  bool Chance(uint64_t percent) { return random_.Below(100) < percent; }
  void Execute(const std::string& sql);
  void MakeRoles();
  void MakeFunctions(std::string& sql);
  std::string Literal(Sort sort);
  std::string Claim(Sort sort);
  std::string Column(const Scope& scope, Sort sort);
  std::string Value(const Scope& scope, Sort sort, int depth);
  std::string Bool(const Scope& scope, int depth);
  std::string Comparison(const Scope& scope, int depth);
  std::string Select(const Scope& scope, std::string_view target_sort, int depth);
  std::string Membership(const Scope& scope, int depth);
  std::string Function(const Scope& scope);
  void Read();

  SeededRandom random_;
  postgres::Connection connection_;
  Schema schema_;
  std::vector<RelationPtr> relations_;
  std::vector<std::pair<int64_t, Row>> rows_;
  std::map<std::string, std::vector<Row>> contents_;
  std::string tables_sql_;
  std::string policies_sql_;
  int aliases_ = 0;
};

}  // namespace tw::policy::postgres_world
