// The thread that owns the store: applies, captures, and does what others ask of it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "app/store_worker.h"
#include "base/function.h"
#include "telemetry/metrics.h"

namespace tw::app {

class StoreThread {
 public:
  static constexpr size_t kTasksMax = 4'096;

  // `worker` outlives the thread and is used by it alone from Start on.
  StoreThread(StoreWorker& worker, telemetry::Registry& metrics);
  // Stops.
  ~StoreThread();

  void Start();
  // Finishes the running turn, runs the waiting tasks, ends. Idempotent.
  void Stop();

  // There is something to apply. Any thread.
  void Wake();
  // Runs `task` between two turns. Any thread. Errors: kResourceExhausted beyond kTasksMax.
  Status Post(Function<void()> task);
  // Runs `task` so and gives what it gives. Any thread but this one; after Start and before Stop.
  // Errors: as Post; the task's own.
  template <typename Task>
  auto Ask(Task task) -> decltype(task()) {
    std::promise<decltype(task())> answer;
    TW_RETURN_IF_ERROR(Post([&] { answer.set_value(task()); }));
    return answer.get_future().get();
  }

  // False while the store refuses to work. Any thread.
  bool healthy() const { return healthy_.load(std::memory_order_relaxed); }

 private:
  void Run();
  std::deque<Function<void()>> WaitForWork(std::chrono::milliseconds at_most);

  StoreWorker& worker_;
  telemetry::Counter& errors_;
  std::atomic<bool> healthy_{true};
  std::mutex mutex_;  // Guards tasks_, woken_ and stopping_.
  std::condition_variable wake_;
  std::deque<Function<void()>> tasks_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tw::app
