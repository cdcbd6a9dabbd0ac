// What policies are written against: tables with their policies, roles, functions. A plain value:
// whoever made it (the configuration, a PostgreSQL catalogue) is forgotten.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/relation.h"
#include "policy/policy.h"

namespace tw::policy {

// kEmbedded: policies of a configuration, claims expressions evaluated here, what is not understood
// is an error. kPostgres: policies of a database; only what is decided exactly as there compiles,
// and the claims expressions' values come from the database.
enum class Dialect : uint8_t { kEmbedded, kPostgres };

struct SchemaTable {
  RelationPtr relation;
  RowLevelSecurity security = RowLevelSecurity::kEnabled;
  bool forced = false;  // FORCE ROW LEVEL SECURITY: for the owner as well.
  std::string owner;
  std::vector<PolicyDefinition> policies;  // Those for SELECT, in the order that they are asked.
  // Parallel to the columns; false: a type or collation whose comparisons only the database knows.
  // Empty: all are known.
  std::vector<bool> exact;
  // Generated columns with their expressions: the table has them, the stream does not.
  std::vector<std::pair<std::string, std::string>> generated;
  // Further columns that the stream leaves out (a publication's column list).
  std::vector<std::string> not_in_stream;
  // Role → parallel to the columns, true where it may SELECT. A role that is not named may read
  // nothing. `unrestricted`: every role may read all (the embedded store).
  std::map<std::string, std::vector<bool>, std::less<>> readable;
  bool unrestricted = true;

  bool MayRead(std::string_view role, size_t column) const {
    if (unrestricted) return true;
    const auto found = readable.find(role);
    return found != readable.end() && found->second[column];
  }
  // True when the role may read at least one column.
  bool MayRead(std::string_view role) const {
    for (size_t i = 0; i < relation->columns.size(); ++i) {
      if (MayRead(role, i)) return true;
    }
    return false;
  }
};

// A function of the database that is not built in.
struct SchemaFunction {
  enum class Volatility : uint8_t { kImmutable, kStable, kVolatile };
  std::string schema;
  std::string name;
  std::vector<std::string> argument_names;  // "" where it has none.
  std::vector<std::string> argument_types;  // pg_type.typname.
  std::string result_type;
  std::string language;
  std::string body;  // prosrc; empty for SQL-standard bodies.
  std::string owner;
  bool returns_set = false;
  bool security_definer = false;
  bool strict = false;
  Volatility volatility = Volatility::kVolatile;
  // Of SET search_path; empty: the caller's.
  std::vector<std::string> search_path;
};

// A built-in function that may stand in claims expressions: not volatile, one result type for all
// overloads with this number of arguments.
struct BuiltinFunction {
  std::string result_type;
};

struct SchemaRole {
  std::string name;
  bool bypasses = false;          // Superuser or BYPASSRLS.
  std::vector<std::string> uses;  // Roles whose rights it has (pg_has_role USAGE), itself included.
};

struct Schema {
  Dialect dialect = Dialect::kEmbedded;
  std::vector<SchemaTable> tables;
  std::vector<SchemaFunction> functions;
  std::map<std::string, BuiltinFunction, std::less<>> builtins;  // "name/arguments".
  std::vector<SchemaRole> roles;
  std::vector<std::string> search_path = {"public"};
  // Types that compare like text: enums, by their pg_type.typname.
  std::vector<std::string> enums;

  const SchemaTable* FindTable(std::string_view schema, std::string_view table) const;
  const SchemaRole* FindRole(std::string_view name) const;
  // Whether `role` has the rights of `other`. A role that is not listed has its own only.
  bool Uses(std::string_view role, std::string_view other) const;
  // Whether row-level security does not concern `role` on `table`.
  bool Bypasses(std::string_view role, const SchemaTable& table) const;
};

}  // namespace tw::policy
