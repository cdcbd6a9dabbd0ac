// Threads that run named queries, each with an engine of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "query/live/hub.h"
#include "query/named/engine.h"

namespace tw::query {

class EnginePool {
 public:
  using Done = std::function<void(CallResult<Execution>)>;

  // Errors: as EngineFactory::Make.
  static Result<std::unique_ptr<EnginePool>> Start(EngineFactory& factory, uint32_t threads);
  // Finishes the running calls, drops the waiting ones.
  ~EnginePool();

  // Runs `call`; `done` is called on a thread of the pool. Any thread. The hub bounds how many wait.
  void Submit(CallPtr call, Done done);
  size_t threads() const { return threads_.size(); }

 private:
  EnginePool() = default;
  void Run(Engine& engine);

  struct Task {
    CallPtr call;
    Done done;
  };
  std::vector<std::unique_ptr<Engine>> engines_;
  std::mutex mutex_;  // Guards tasks_ and stopping_.
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tw::query
