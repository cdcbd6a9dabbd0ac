// Writes of tables, executed between two turns of the store thread.
#pragma once

#include "app/store_thread.h"
#include "app/store_worker.h"
#include "query/write/write_queue.h"
#include "telemetry/metrics.h"

namespace tw::app {

class StoreWrites final : public query::WriteQueue {
 public:
  // All given outlives it; `writer` and `worker` are used on the store thread only.
  StoreWrites(StoreThread& thread, StoreWorker& worker, query::TableWriter writer,
              telemetry::Registry& metrics)
      : thread_(thread),
        worker_(worker),
        writer_(std::move(writer)),
        ok_(metrics.GetCounter("tidewire_writes_total", "Writes of tables, by outcome.",
                               {{"outcome", "ok"}})),
        refused_(metrics.GetCounter("tidewire_writes_total", "Writes of tables, by outcome.",
                                    {{"outcome", "refused"}})) {}

  Status Submit(query::TableWrite write,
                Function<void(query::WriteOr<query::WriteResult>)> done) override {
    return thread_.Post([this, write = std::move(write), done = std::move(done)]() mutable {
      auto result = writer_.Execute(write);
      (result ? ok_ : refused_).Add();
      worker_.NoteCommit();
      done(std::move(result));
    });
  }

 private:
  StoreThread& thread_;
  StoreWorker& worker_;
  query::TableWriter writer_;
  telemetry::Counter& ok_;
  telemetry::Counter& refused_;
};

}  // namespace tw::app
