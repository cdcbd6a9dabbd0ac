// Table reads on PostgreSQL, at an exact position.
//
//   one snapshot: rows, pg_current_snapshot() ─▶ wait until the stream has passed it ─▶ the place in
//   the change log whose commits are exactly those that the snapshot sees
//
// Rows are decided as on the embedded store: SQL narrows the search, policy::Access and the filter
// decide each row, as text in the stream's own form.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "capture/postgres/commit_log.h"
#include "capture/postgres/recent_commits.h"
#include "capture/postgres/types.h"
#include "postgres/connection.h"
#include "query/table_query.h"
#include "query/table_reader.h"
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
  PostgresReader(const PostgresReaderOptions& options, capture::CommitLog& log,
                 capture::RecentCommits& recent)
      : options_(options), log_(log), recent_(recent) {}

  // Errors: as ReadTable; kUnavailable: the database cannot be reached, or the stream does not come
  // to the read's place in time.
  Result<TableResult> Read(const TableQuery& query, const ReaderLimits& limits);
  // Several tables in one snapshot, as one reader: `as_role` is the same in all queries.
  Result<std::vector<TableResult>> ReadTables(std::span<const TableQuery> queries,
                                              const ReaderLimits& limits);

 private:
  Status Connect();
  Result<std::optional<std::vector<TableResult>>> ReadOnce(std::span<const TableQuery> queries,
                                                           const ReaderLimits& limits);
  Result<TableResult> ReadRows(const TableQuery& query, ReadBudget& budget);
  Result<bool> TakeRows(const postgres::Rows& rows, const TableQuery& query, ReadBudget& budget,
                        TableResult& result);
  Status WaitForStream(postgres::Lsn lsn);

  const PostgresReaderOptions& options_;
  capture::CommitLog& log_;
  capture::RecentCommits& recent_;
  std::optional<postgres::Connection> connection_;
  capture::TypeBook types_;
  uint64_t skipped_ = 0;
};

// The threads. Any thread may submit.
class PostgresReaders {
 public:
  using Task = Function<void(PostgresReader&)>;

  // `log` and `recent` outlive the readers.
  PostgresReaders(PostgresReaderOptions options, capture::CommitLog& log,
                  capture::RecentCommits& recent, telemetry::Registry& metrics);
  // Finishes the running tasks, drops the waiting ones.
  ~PostgresReaders();
  // Errors: kResourceExhausted when queue_tasks_max are waiting.
  Status Submit(Task task);

 private:
  void Run(PostgresReader& reader);

  const PostgresReaderOptions options_;
  telemetry::Counter& tasks_total_;
  telemetry::Counter& refused_;
  std::vector<std::unique_ptr<PostgresReader>> readers_;
  std::mutex mutex_;  // Guards tasks_ and stopping_.
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tw::query
