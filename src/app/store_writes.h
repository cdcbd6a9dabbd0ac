// Writes of tables, executed between two turns of the store thread.
#pragma once

#include "app/store_thread.h"
#include "app/store_worker.h"
#include "query/write/table_writer.h"
#include "query/write/write_metrics.h"
#include "query/write/write_queue.h"

namespace tw::app {

class StoreWrites final : public query::WriteQueue {
 public:
  // All given outlives it; `writer` and `worker` are used on the store thread only.
  StoreWrites(StoreThread& thread, StoreWorker& worker, query::TableWriter writer,
              telemetry::Registry& metrics)
      : thread_(thread), worker_(worker), writer_(std::move(writer)), metrics_(metrics) {}

  Status Submit(query::TableWrite write,
                Function<void(query::WriteOr<query::WriteResult>)> done) override {
    return thread_.Post([this, write = std::move(write), done = std::move(done)]() mutable {
      auto result = writer_.Execute(write);
      metrics_.Count(result);
      worker_.NoteCommit();
      done(std::move(result));
    });
  }

 private:
  StoreThread& thread_;
  StoreWorker& worker_;
  query::TableWriter writer_;
  query::WriteMetrics metrics_;
};

}  // namespace tw::app
