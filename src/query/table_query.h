// query: what screens read: tables over HTTP, under the same row policies as the change stream.
//
//   ?select=a,b&status=eq.open&order=at.desc&limit=50 ──Parse──▶ TableQuery ──TableReader──▶ JSON
//
// Start here   table_query.h (the request) → table_reader.h (running it) → reader_pool.h (threads).
// Promises     A row is returned only if policy::Access allows it: SQL narrows the search, the same
//              function as in the stream decides. The position of a result is exact: one read
//              transaction sees the rows and the end of the log.
// Source       PostgREST 12, "Tables and Views", as far as supabase-js' from().select() uses it.
// Not here     Writes, embedding of other tables, named queries and their cache.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/claims.h"
#include "policy/catalog.h"
#include "policy/filter.h"

namespace tw::query {

inline constexpr uint64_t kLimitDefault = 1'000;
inline constexpr uint64_t kLimitMax = 10'000;

struct TableQuery {
  struct Order {
    size_t column = 0;
    bool descending = false;
    bool nulls_first = false;
  };
  RelationPtr relation;
  policy::AccessPtr access;
  std::shared_ptr<const policy::InnerPlan> inner;  // What `access` looks into.
  // On PostgreSQL the database itself decides, as this role with these claims; `access` then shows
  // everything.
  struct Reader {
    std::string role;
    std::string claims;
  };
  std::optional<Reader> as_role;
  std::vector<size_t> columns;  // In the order asked for.
  // By column; the others are not asked of the database at all. Empty: all are.
  std::vector<bool> readable;
  policy::Filter filter;
  std::vector<Order> order;
  uint64_t limit = kLimitDefault;
  uint64_t offset = 0;
};

// `parameters` are decoded. Errors: kNotFound (no such table), kInvalidArgument (names the
// parameter and what is wrong), kPermissionDenied (the claims' expressions raised).
Result<TableQuery> ParseTableQuery(
    std::string_view table, std::span<const std::pair<std::string, std::string>> parameters,
    const Claims& claims, const policy::Catalog& catalog);

}  // namespace tw::query
