// A table's policies for a role as SQL over images of rows; see database_tier.h.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "policy/schema.h"

namespace tw::policy {

struct DatabasePredicate {
  std::string role;
  // Begins behind "from": a source that gives "tidewire number" and "tidewire image" (json) comes
  // before it. Keeps the numbers of those that may be seen.
  std::string sql;
  // Parallel to the table's columns; false: the policies do not look at it.
  std::vector<bool> needs;
  // (schema, table) of what the policies look into besides the row. `reads_more`: and of what else
  // is not known, the clock perhaps.
  std::set<std::pair<std::string, std::string>> reads;
  bool reads_more = false;

  bool Reads(const Relation& relation) const {
    return reads.contains({relation.schema, relation.table});
  }
};

// Errors: kFailedPrecondition names a column that the policies read and the stream does not carry:
// not even the database can judge then.
Result<DatabasePredicate> MakeDatabasePredicate(const Schema& schema, const SchemaTable& table,
                                                std::string_view role);

// The claims of a reader in SQL, as a policy's functions read them.
inline constexpr std::string_view kClaimsTextSql = "current_setting('request.jwt.claims', true)";

}  // namespace tw::policy
