// Predicates of a query's table references, from its SQL through libpg_query.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "query/named/read_set.h"

namespace tw::query {

// A base column that predicates may use; nullopt for one that does not exist or does not compare by
// its stored value (another collation than BINARY).
struct PredicateColumn {
  uint16_t index = 0;
  Affinity affinity = Affinity::kBlob;
};
// Looks up (table, column), both compared without case; the table is nullopt-able as a whole.
struct PredicateSchema {
  // Canonical name of a base table; nullopt for anything else (a view, a CTE).
  std::function<std::optional<std::string>(std::string_view table)> table;
  std::function<bool(std::string_view table, std::string_view column)> has_column;
  std::function<std::optional<PredicateColumn>(std::string_view table, std::string_view column)>
      column;
};

// For each base table its references' conjunctions: every reference of the statement is there.
// nullopt when the text cannot be followed (libpg_query does not parse it, or it reads views): the
// caller then counts every row. `postgres_sql` has its parameters as $1….
// Soundness: a row that meets no reference's conjunction contributes nothing to the result. Only
// conjuncts of WHERE and of ON (on the nullable side of an outer join) count, each strict:
// column = / < / <= / > / >= / BETWEEN / IN constants and parameters.
std::optional<std::map<std::string, std::vector<Conjunction>>> FindPredicates(
    std::string_view postgres_sql, const PredicateSchema& schema);

}  // namespace tw::query
