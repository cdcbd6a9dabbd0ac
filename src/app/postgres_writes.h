// Writes of tables, executed by the threads that write in PostgreSQL.
#pragma once

#include "query/write/postgres_writer.h"
#include "query/write/write_metrics.h"
#include "query/write/write_queue.h"
#include "telemetry/metrics.h"

namespace tw::app {

class PostgresWrites final : public query::WriteQueue {
 public:
  // `writers` outlives it; it outlives what the writers run.
  PostgresWrites(query::PostgresWriters& writers, telemetry::Registry& metrics)
      : writers_(writers), metrics_(metrics) {}

  Status Submit(query::TableWrite write,
                Function<void(query::WriteOr<query::WriteResult>)> done) override {
    return writers_.Submit([this, write = std::move(write),
                            done = std::move(done)](query::PostgresWriter& writer) mutable {
      auto result = writer.Execute(write);
      metrics_.Count(result);
      done(std::move(result));
    });
  }

 private:
  query::PostgresWriters& writers_;
  query::WriteMetrics metrics_;
};

}  // namespace tw::app
