// Writes of tables, executed between two turns of the store thread.
#pragma once

#include "app/store_thread.h"
#include "app/store_worker.h"
#include "query/write/write_queue.h"
#include "sqlite/sqlite.h"
#include "telemetry/metrics.h"

namespace tw::app {

class StoreWrites final : public query::WriteQueue {
 public:
  // All given outlives it; `database` and `worker` are used on the store thread only.
  StoreWrites(StoreThread& thread, StoreWorker& worker, sqlite::Database& database, uint64_t epoch,
              telemetry::Registry& metrics)
      : thread_(thread),
        worker_(worker),
        database_(database),
        epoch_(epoch),
        ok_(metrics.GetCounter("tidewire_writes_total", "Writes of tables, by outcome.",
                               {{"outcome", "ok"}})),
        refused_(metrics.GetCounter("tidewire_writes_total", "Writes of tables, by outcome.",
                                    {{"outcome", "refused"}})) {}

  Status Submit(query::TableWrite write,
                Function<void(query::WriteOr<query::WriteResult>)> done) override {
    return thread_.Post([this, write = std::move(write), done = std::move(done)]() mutable {
      auto result = query::ExecuteWrite(database_, epoch_, write);
      (result ? ok_ : refused_).Add();
      worker_.NoteCommit();
      done(std::move(result));
    });
  }

 private:
  StoreThread& thread_;
  StoreWorker& worker_;
  sqlite::Database& database_;
  const uint64_t epoch_;
  telemetry::Counter& ok_;
  telemetry::Counter& refused_;
};

}  // namespace tw::app
