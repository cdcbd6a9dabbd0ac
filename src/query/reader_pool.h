// Threads with read-only connections: table reads and the stored part of the change log.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "capture/log_reader.h"
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

class ReaderPool {
 public:
  using Task = Function<void(ReadConnection&)>;

  // `path` must be a store that has been opened and captured before. Errors: as Database::Open.
  static Result<std::unique_ptr<ReaderPool>> Start(const std::string& path, uint64_t epoch,
                                                   const ReaderPoolOptions& options,
                                                   telemetry::Registry& metrics);
  // Finishes the running tasks, drops the waiting ones.
  ~ReaderPool();

  // Runs `task` on one of the threads. Any thread. Errors: kResourceExhausted when queue_tasks_max
  // are waiting; the task is then destroyed without being run.
  Status Submit(Task task);

 private:
  ReaderPool(const ReaderPoolOptions& options, telemetry::Registry& metrics);
  void Run(ReadConnection& connection);

  const ReaderPoolOptions options_;
  telemetry::Counter& tasks_total_;
  telemetry::Counter& refused_;
  std::vector<std::unique_ptr<ReadConnection>> connections_;
  std::mutex mutex_;  // Guards tasks_ and stopping_.
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tw::query
