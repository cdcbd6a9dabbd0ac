// The thread of the query hub, the threads of its engines, and their ways to the loops.
//
//   loop k: Front ──post──▶ hub thread: Hub ──▶ engine threads ──post──▶ hub thread ──post──▶ loop k
//   store thread: Publish(batch) ──post──▶ hub thread
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "base/random.h"
#include "io/loop.h"
#include "query/live/engine_pool.h"
#include "query/live/front.h"
#include "query/live/hub.h"
#include "telemetry/metrics.h"

namespace tw::app {

class QueryService {
 public:
  // Lines for data_cache_metadata and function_call_logs, about every two seconds, on the hub's
  // thread.
  using WriteLogs =
      std::function<void(std::vector<query::CallLog>, std::vector<query::CacheRow>)>;

  struct Wiring {
    query::QueryCataloguePtr catalogue;
    std::unique_ptr<query::EngineFactory> engines;
    Position head;
    size_t loops;
    uint32_t threads;  // 0: there are no queries to run.
    query::HubLimits limits;
    WriteLogs write_logs;
    const Clock& clock;
    Random& random;
    telemetry::Registry& metrics;
  };
  static Result<std::unique_ptr<QueryService>> Create(Wiring wiring);
  // Stops.
  ~QueryService();

  // The front of a loop; once per loop, before Start. The service owns it.
  query::Front& MakeFront(size_t index, io::Loop& loop);
  void Start();
  // Ends the threads. The loops must not run any more, or still take posts. Idempotent.
  void Stop();

  // A committed batch, in order; the thread that captures. `done` is called when the hub has dealt
  // with it, on its thread.
  void Publish(BatchPtr batch, Function<void()> done = {});
  // As Hub::Reset, in order with batches.
  void Reset(query::QueryCataloguePtr catalogue, Position head);
  // Calls `done` on the hub's thread with the hub. Any thread.
  void Inspect(Function<void(const query::Hub&)> done);

 private:
  class Ports;
  explicit QueryService(Wiring wiring);
  void Post(Function<void()> task);
  void Run();
  void WriteDue();

  Wiring wiring_;
  query::FrontMetrics front_metrics_;
  std::unique_ptr<Ports> ports_;
  std::unique_ptr<query::EnginePool> pool_;
  std::unique_ptr<query::Hub> hub_;
  MonoTime next_write_{};
  std::mutex mutex_;  // Guards tasks_ and stopping_.
  std::condition_variable wake_;
  std::deque<Function<void()>> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tw::app
