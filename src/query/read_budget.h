// What one read may look at and answer with, over all of its tables.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "query/row_object.h"
#include "query/table_reader.h"

namespace tw::query {

// What the results of one read have taken so far, and its limits.
struct ReadBudget {
  const ReaderLimits& limits;
  uint64_t scanned = 0;
  uint64_t rows = 0;
  size_t bytes = 0;

  // One more row of the table is looked at. Errors: kResourceExhausted.
  Status Look() {
    if (++scanned <= limits.rows_scanned_max) return {};
    return Fail(ErrorCode::kResourceExhausted, "the query looks at more than " +
                                                   std::to_string(limits.rows_scanned_max) +
                                                   " rows; add a filter on an indexed column");
  }

  // Appends a row of `query` to its result. Errors: kResourceExhausted.
  Status Take(TableResult& result, const TableQuery& query, const Row& row) {
    const size_t before = result.json.size();
    if (result.rows++ > 0) {
      if (before - (result.cuts.empty() ? 0 : result.cuts.back()) >= kPageBytes) {
        result.cuts.push_back(before);
      }
      result.json.push_back(',');
    }
    AppendObject(result.json, query, row);
    if (++rows > limits.rows_max) {
      return Fail(ErrorCode::kResourceExhausted,
                  "the result has more than " + std::to_string(limits.rows_max) + " rows");
    }
    if ((bytes += result.json.size() - before) > limits.result_bytes_max) {
      return Fail(ErrorCode::kResourceExhausted, "the result is larger than " +
                                                     std::to_string(limits.result_bytes_max) +
                                                     " bytes; ask for fewer rows or columns");
    }
    return {};
  }
};

}  // namespace tw::query
