// Table reads on PostgreSQL, at an exact position.
//
//   one snapshot: rows, pg_current_snapshot() ─▶ wait until the stream has passed it ─▶ the place in
//   the change log whose commits are exactly those that the snapshot sees
//
// Rows are decided as on the embedded store: SQL narrows the search, policy::Access and the filter
// decide each row, as text in the stream's own form.
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
#include "capture/postgres/commit_log.h"
#include "capture/postgres/recent_commits.h"
#include "capture/postgres/types.h"
#include "postgres/connection.h"
#include "query/stream_place.h"
#include "query/table_query.h"
#include "query/table_reader.h"
#include "query/worker_pool.h"
#include "telemetry/metrics.h"

namespace tw::query {

struct PostgresReaderOptions {
  std::string dsn;
  uint32_t threads = 2;
  uint32_t queue_tasks_max = 1'024;
  std::chrono::milliseconds statement_timeout{10'000};
  // How long a finished read waits for the stream to come to its place.
  std::chrono::milliseconds stream_wait_max{5'000};
};

struct ReadBudget;

// One thread's connection: opened when it is needed, and again after it was lost.
class PostgresReader {
 public:
  PostgresReader(PostgresReaderOptions options, capture::CommitLog& log,
                 capture::RecentCommits& recent)
      : options_(std::move(options)), place_(log, recent, options_.stream_wait_max) {}

  // Errors: as ReadTable; kUnavailable: the database cannot be reached, or the stream does not come
  // to the read's place in time.
  Result<TableResult> Read(const TableQuery& query, const ReaderLimits& limits);
  // Several tables in one snapshot, as one reader: `as_role` is the same in all queries.
  Result<std::vector<TableResult>> ReadTables(std::span<const TableQuery> queries,
                                              const ReaderLimits& limits);

 private:
  Result<std::optional<std::vector<TableResult>>> ReadOnce(std::span<const TableQuery> queries,
                                                           const ReaderLimits& limits);
  Result<TableResult> ReadRows(const TableQuery& query, ReadBudget& budget);
  Result<bool> TakeRows(const postgres::Rows& rows, const TableQuery& query, ReadBudget& budget,
                        TableResult& result);

  const PostgresReaderOptions options_;
  const StreamPlace place_;
  std::optional<postgres::Connection> connection_;
  capture::TypeBook types_;
  uint64_t skipped_ = 0;
};

class PostgresReaders final : public WorkerPool<PostgresReader> {
 public:
  // `log` and `recent` outlive the readers.
  static std::unique_ptr<PostgresReaders> Start(const PostgresReaderOptions& options,
                                                capture::CommitLog& log,
                                                capture::RecentCommits& recent,
                                                telemetry::Registry& metrics);

 private:
  using WorkerPool::WorkerPool;
};

}  // namespace tw::query
