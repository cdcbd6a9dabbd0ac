// The tables about queries that people read with SQL (mission S3.11), and the mark of mutations.
#pragma once

#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "query/live/hub.h"
#include "sqlite/sqlite.h"

namespace tw::query {

// One row per mutation whose id was given: written in the write's own transaction, captured, and
// answered with again when the same id comes twice.
inline constexpr std::string_view kMutationTable = "tidewire_mutation";

inline constexpr int64_t kCallLogRowsMax = 100'000;
inline constexpr std::chrono::hours kMutationKeep{7 * 24};

// Creates tidewire_mutation, function_call_logs and data_cache_metadata where they are missing.
Status CreateLogTables(sqlite::Database& database);

// The store thread.
class LogWriter {
 public:
  explicit LogWriter(sqlite::Database& database) : database_(database) {}
  // One transaction. What cannot be written is logged and forgotten: no screen depends on it.
  void Write(std::span<const CallLog> calls, std::span<const CacheRow> rows, WallTime now);

 private:
  Status WriteCalls(std::span<const CallLog> calls);
  Status WriteRows(std::span<const CacheRow> rows);
  Status Trim(WallTime now);

  sqlite::Database& database_;
  WallTime next_trim_{};
};

}  // namespace tw::query
