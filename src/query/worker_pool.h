// Threads that share a queue, each with a worker of its own: a connection, an engine.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "telemetry/metrics.h"

namespace tw::query {

struct WorkerPoolOptions {
  size_t queue_tasks_max = SIZE_MAX;
  telemetry::Counter* tasks_total = nullptr;  // Run; null: not counted.
  telemetry::Counter* refused = nullptr;      // The queue was full.
};

// For readers of tables and of the change log: both counted, under the same names on both stores.
WorkerPoolOptions CountedReads(size_t queue_tasks_max, telemetry::Registry& metrics);

template <typename Worker>
class WorkerPool {
 public:
  using Task = Function<void(Worker&)>;

  // One thread per worker.
  WorkerPool(std::vector<std::unique_ptr<Worker>> workers, const WorkerPoolOptions& options)
      : options_(options), workers_(std::move(workers)) {
    for (const auto& worker : workers_) {
      threads_.emplace_back([this, worker = worker.get()] { Run(*worker); });
    }
  }
  // Finishes the running tasks, drops the waiting ones.
  ~WorkerPool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Runs `task` on one of the threads. Any thread. Errors: kResourceExhausted when queue_tasks_max
  // are waiting; the task is then destroyed without being run.
  Status Submit(Task task) {
    {
      const std::lock_guard lock(mutex_);
      if (tasks_.size() >= options_.queue_tasks_max) {
        if (options_.refused != nullptr) options_.refused->Add();
        return Fail(ErrorCode::kResourceExhausted, "too much is waiting; try again");
      }
      tasks_.push_back(std::move(task));
    }
    wake_.notify_one();
    return {};
  }

 private:
  void Run(Worker& worker) {
    for (;;) {
      Task task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
        if (stopping_) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task(worker);
      if (options_.tasks_total != nullptr) options_.tasks_total->Add();
    }
  }

  const WorkerPoolOptions options_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::mutex mutex_;  // Guards tasks_ and stopping_.
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tw::query
