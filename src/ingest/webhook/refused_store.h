// What an endpoint refused, kept for a while within limits, so that a wrong secret on our side
// loses nothing without a trace (ingestion spec §0, row 1). Table tidewire_refused.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ingest/inbox/delivery.h"
#include "ingest/source_config.h"
#include "sqlite/sqlite.h"
#include "telemetry/metrics.h"

namespace tw::ingest {

// One source's refused deliveries. Thread: the store thread only.
class RefusedStore {
 public:
  // More between two writes are counted, not kept: a flood costs memory and disk within bounds.
  static constexpr size_t kWaitingMax = 1'000;
  static constexpr size_t kWaitingBytesMax = 8u << 20;

  // Creates the table. `database` must outlive the store. Errors: those of sqlite::Database.
  static Result<std::unique_ptr<RefusedStore>> Create(sqlite::Database& database,
                                                      std::string_view source,
                                                      const RefusedConfig& limits,
                                                      telemetry::Registry& metrics);

  // Counts `delivery` (as judged: without secrets) and takes it for the next Flush.
  void Add(Delivery delivery, std::string_view reason);
  // Writes what waits and removes what is over the limits of age and bytes, the oldest first, in
  // one transaction. Does nothing when nothing is due. Errors: those of sqlite::Database; what
  // waits is kept for the next time.
  Status Flush(WallTime now);

 private:
  struct Waiting {
    Delivery delivery;
    std::string reason;
  };
  RefusedStore(sqlite::Database& database, std::string source, const RefusedConfig& limits,
               telemetry::Registry& metrics)
      : database_(database), source_(std::move(source)), limits_(limits), metrics_(metrics) {}
  Status Insert(const Waiting& waiting);
  Status Trim(WallTime now);

  sqlite::Database& database_;
  const std::string source_;
  const RefusedConfig limits_;
  telemetry::Registry& metrics_;
  sqlite::Statement insert_, bytes_, expire_, oldest_, remove_;
  std::vector<Waiting> waiting_;
  size_t waiting_bytes_ = 0;
  WallTime trimmed_at_{};
};

}  // namespace tw::ingest
