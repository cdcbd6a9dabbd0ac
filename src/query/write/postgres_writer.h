// Executes writes of tables in PostgreSQL, as the role and with the claims of who asks.
//
//   begin ─▶ mutation id taken ─▶ as the role: insert, update, delete ─▶ as ourselves: answer kept,
//   'tidewire.mutation' emitted ─▶ commit ─▶ its place in the stream
//
// The database's privileges, policies, defaults, constraints and triggers decide; values reach it
// as JSON and become its types there. Decision: docs/decisions/0040-writes-as-the-role.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "capture/postgres/types.h"
#include "postgres/connection.h"
#include "query/stream_place.h"
#include "query/worker_pool.h"
#include "query/write/table_write.h"
#include "query/write/write_result.h"
#include "telemetry/metrics.h"

namespace tw::query {

struct PostgresWriterOptions {
  std::string dsn;
  uint32_t threads = 2;
  uint32_t queue_tasks_max = 1'024;
  // Also of waiting for rows that others have locked.
  std::chrono::milliseconds statement_timeout{10'000};
};

// One thread's connection: opened when it is needed, and again after it was lost.
class PostgresWriter {
 public:
  // All outlive it.
  PostgresWriter(PostgresWriterOptions options, capture::CommitLog& log,
                 capture::RecentCommits& recent, const Clock& clock)
      : options_(std::move(options)), place_(log, recent), clock_(clock) {}

  // One transaction: all of the write or nothing. The position is of epoch 0 when the stream did
  // not come to it in time; the write is committed then all the same. Errors: PostgreSQL's own
  // under PostgREST's statuses, and nothing was written; 08007: the connection was lost during the
  // commit, so that it may have been. A write with a mutation id can be sent again.
  WriteOr<WriteResult> Execute(const TableWrite& write);

 private:
  struct Written;
  WriteOr<WriteResult> Run(const TableWrite& write);
  WriteOr<std::optional<WriteResult>> TakeMutation(const TableWrite& write);
  WriteOr<void> Change(const TableWrite& write, Written& written);
  WriteOr<void> Insert(const TableWrite& write, Written& written);
  WriteOr<void> Take(const TableWrite& write, const std::string& sql, const std::string& json,
                     Written& written);
  Result<std::string> RecordOf(const TableWrite& write, const std::vector<size_t>& columns);
  WriteOr<std::optional<uint32_t>> Settle(const TableWrite& write, const WriteResult& result);
  void KeepPosition(const TableWrite& write, Position position);
  WriteError Refusal(const Error& error) const;

  const PostgresWriterOptions options_;
  const StreamPlace place_;
  const Clock& clock_;
  std::optional<postgres::Connection> connection_;
  capture::TypeBook types_;
  bool has_schema_ = false;  // Ours, tidewire.mutation in it.
  MonoTime next_trim_{};
};

class PostgresWriters final : public WorkerPool<PostgresWriter> {
 public:
  // All outlive the writers.
  static std::unique_ptr<PostgresWriters> Start(const PostgresWriterOptions& options,
                                                capture::CommitLog& log,
                                                capture::RecentCommits& recent, const Clock& clock);

 private:
  using WorkerPool::WorkerPool;
};

// The status that PostgREST answers a SQLSTATE with.
// Source: PostgREST 12, "Errors", "HTTP Status Codes"; 42501 is 403 for everybody here.
int StatusOfSqlState(std::string_view sqlstate);

}  // namespace tw::query
