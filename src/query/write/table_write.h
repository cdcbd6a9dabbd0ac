// One write of a table over HTTP: what a request asks for, read and checked.
//
// Source       PostgREST 12, "Insertions", "Updates", "Deletions", "Upsert", "Prefer Header", as far
//              as supabase-js' from() uses them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json/json.h"
#include "model/claims.h"
#include "policy/catalog.h"
#include "policy/filter.h"
#include "query/table_query.h"
#include "query/write/write_policies.h"

namespace tw::query {

inline constexpr size_t kWriteRowsMax = 10'000;

// PostgREST's error: HTTP status, SQLSTATE or PGRST code.
struct WriteError {
  int status = 400;
  std::string code;
  std::string message;
  std::string details;
  std::string hint;
};
template <typename T>
using WriteOr = std::expected<T, WriteError>;

struct TableWrite {
  enum class Kind : uint8_t { kInsert, kUpdate, kDelete };
  enum class OnConflict : uint8_t { kError, kMerge, kIgnore };
  Kind kind = Kind::kInsert;
  RelationPtr relation;
  // On PostgreSQL the database decides, as this role with these claims. Elsewhere `select` and so on.
  std::optional<TableQuery::Reader> as_role;
  // The caller's rights.
  policy::AccessPtr select, insert_check, update_using, update_check, delete_using;
  std::shared_ptr<const policy::InnerPlan> inner;  // The tables that these look into.
  policy::Filter filter;                   // Update, delete.
  std::vector<size_t> columns;             // That values are given for.
  std::vector<std::vector<bool>> given;    // Insert: each row; update: one. False: the default.
  std::vector<std::vector<Value>> rows;    // Parallel to `given`; without `as_role`.
  std::vector<std::string> objects;        // As given, JSON, parallel to it; with `as_role`.
  OnConflict on_conflict = OnConflict::kError;
  std::vector<size_t> conflict_columns;    // Of an upsert; the key when none were given.
  std::vector<size_t> returned;            // Columns of the answer.
  bool representation = false;             // Rows are returned.
  bool count = false;
  bool single = false;
  std::string mutation;                    // Id, or empty.
  std::string caller;                      // Who may repeat it: a digest.
};

struct WriteRequest {
  TableWrite::Kind kind = TableWrite::Kind::kInsert;
  std::string_view table;
  std::span<const std::pair<std::string, std::string>> parameters;
  std::string_view body;
  std::string_view prefer;
  std::string_view accept;
  std::string_view mutation;
};

// `policies` is null where the database decides (catalog.reads_as_role()). Errors: as PostgREST
// names them.
WriteOr<TableWrite> ParseTableWrite(const WriteRequest& request, const ClaimsPtr& claims,
                                    const policy::Catalog& catalog, const WritePolicies* policies);

}  // namespace tw::query
