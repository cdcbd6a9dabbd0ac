// What writes of tables are counted under, the same on both stores.
#pragma once

#include "query/write/table_write.h"
#include "query/write/write_result.h"
#include "telemetry/metrics.h"

namespace tw::query {

class WriteMetrics {
 public:
  explicit WriteMetrics(telemetry::Registry& registry)
      : ok_(CounterOf(registry, "ok")), refused_(CounterOf(registry, "refused")) {}
  // Any thread.
  void Count(const WriteOr<WriteResult>& result) { (result ? ok_ : refused_).Add(); }

 private:
  static telemetry::Counter& CounterOf(telemetry::Registry& registry, const char* outcome) {
    return registry.GetCounter("tidewire_writes_total", "Writes of tables, by outcome.",
                               {{"outcome", outcome}});
  }
  telemetry::Counter& ok_;
  telemetry::Counter& refused_;
};

}  // namespace tw::query
