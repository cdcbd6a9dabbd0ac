// Runs table queries on one connection.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/position.h"
#include "query/table_query.h"
#include "sqlite/sqlite.h"

namespace tw::query {

// Of all results of one read together.
struct ReaderLimits {
  uint64_t rows_scanned_max = 1'000'000;
  uint64_t rows_max = UINT64_MAX;
  size_t result_bytes_max = 16u << 20;
};

struct TableResult {
  std::string json;  // An array of objects.
  uint64_t rows = 0;
  // Commas of `json` between rows that are about kPageBytes apart: where it can be sent in parts.
  std::vector<size_t> cuts;
  Position position;  // The rows are true at this position, exactly.
};

inline constexpr size_t kPageBytes = 64u << 10;

// One thread at a time. Errors: kResourceExhausted (a limit above, named), kUnavailable, kInternal.
Result<TableResult> ReadTable(sqlite::Database& database, uint64_t epoch, const TableQuery& query,
                              const ReaderLimits& limits);

// The same for several tables, all at one position; a result for each query, in order.
Result<std::vector<TableResult>> ReadTables(sqlite::Database& database, uint64_t epoch,
                                            std::span<const TableQuery> queries,
                                            const ReaderLimits& limits);

}  // namespace tw::query
