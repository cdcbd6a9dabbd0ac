// Runs table queries on one connection.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "model/position.h"
#include "query/table_query.h"
#include "sqlite/sqlite.h"

namespace tw::query {

struct ReaderLimits {
  uint64_t rows_scanned_max = 1'000'000;
  size_t result_bytes_max = 16u << 20;
};

struct TableResult {
  std::string json;  // An array of objects.
  uint64_t rows = 0;
  Position position;  // The rows are true at this position, exactly.
};

// One thread at a time. Errors: kResourceExhausted (a limit above, named), kUnavailable, kInternal.
Result<TableResult> ReadTable(sqlite::Database& database, uint64_t epoch, const TableQuery& query,
                              const ReaderLimits& limits);

}  // namespace tw::query
