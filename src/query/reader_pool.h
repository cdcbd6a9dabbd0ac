// Threads with read-only connections: table reads and the stored part of the change log.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "capture/log_reader.h"
#include "query/worker_pool.h"
#include "sqlite/sqlite.h"
#include "telemetry/metrics.h"

namespace tw::query {

// What a task may use; belongs to the pool's thread.
struct ReadConnection {
  sqlite::Database database;
  capture::LogReader log;
};

struct ReaderPoolOptions {
  uint32_t threads = 1;
  uint32_t queue_tasks_max = 1'024;
};

class ReaderPool final : public WorkerPool<ReadConnection> {
 public:
  // `path` must be a store that has been opened and captured before. Errors: as Database::Open.
  static Result<std::unique_ptr<ReaderPool>> Start(const std::string& path, uint64_t epoch,
                                                   const ReaderPoolOptions& options,
                                                   telemetry::Registry& metrics);

 private:
  using WorkerPool::WorkerPool;
};

}  // namespace tw::query
