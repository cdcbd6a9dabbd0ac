// Deliveries that were refused, kept so that a wrong secret loses nothing: bounded by age and
// bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "ingest/inbox/delivery.h"
#include "sqlite/sqlite.h"
#include "telemetry/metrics.h"

namespace tw::ingest {

struct RefusedLimits {
  std::chrono::seconds keep = std::chrono::days{7};
  uint64_t bytes_max = 256u << 20;
  // A flood of forged requests costs no more than this; the rest is counted only.
  uint32_t per_second_max = 100;
};

// Empty parts take everything.
struct RefusedFilter {
  std::string source;
  std::string reason;
  std::string id;
};

struct RefusedDelivery {
  int64_t id = 0;
  Delivery delivery;
};

// Owns the table tidewire_refused. Thread: the store thread.
class RefusedStore {
 public:
  // Creates the table. `database` and `clock` outlive the store.
  static Result<std::unique_ptr<RefusedStore>> Create(sqlite::Database& database,
                                                      const Clock& clock,
                                                      telemetry::Registry& metrics,
                                                      const RefusedLimits& limits = {});

  // Keeps one; `reason` is a word of HookVerdict's closed set. Over per_second_max it is dropped
  // and counted. Oldest ones go when bytes_max is reached. Errors: the database's.
  Status Keep(const Delivery& delivery, std::string_view reason);
  // At most `max` of those that `filter` names, oldest first, with ids above `after`.
  Result<std::vector<RefusedDelivery>> Read(const RefusedFilter& filter, int64_t after, int max);
  Status Remove(int64_t id);
  // Removes what is older than `keep`.
  Status Trim();
  // Holds from the next delivery and Trim on.
  void SetLimits(const RefusedLimits& limits) { limits_ = limits; }

  uint64_t bytes() const { return bytes_; }

 private:
  RefusedStore(sqlite::Database& database, const Clock& clock, telemetry::Registry& metrics,
               const RefusedLimits& limits);
  bool Admit();
  Status RemoveOldest(uint64_t bytes);

  sqlite::Database& database_;
  const Clock& clock_;
  RefusedLimits limits_;
  uint64_t bytes_ = 0;
  int64_t second_ = 0;
  uint32_t kept_in_second_ = 0;
  telemetry::Counter& kept_;
  telemetry::Counter& dropped_;
};

}  // namespace tw::ingest
