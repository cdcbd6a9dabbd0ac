// What the parts of the applier share: the effects, the caches of the open transaction, the counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "ingest/apply/applier.h"
#include "ingest/apply/counter_book.h"
#include "ingest/apply/day_book.h"
#include "ingest/apply/effects.h"
#include "ingest/apply/event_applier.h"
#include "ingest/apply/tenants.h"
#include "telemetry/metrics.h"

namespace tw::ingest {

struct IngestState {
  IngestState(std::vector<std::shared_ptr<const Source>> all, std::unique_ptr<Effects> database,
              std::unique_ptr<DayEffects> day_effects, Clock& time, telemetry::Registry& metrics,
              const ApplierOptions& limits);

  // Undoes the open transaction, and what memory knew of it. Errors: those of Effects.
  Status Abandon();
  // At the start of every transaction.
  Status Begin();
  Status Commit() { return effects->Commit(); }

  const std::vector<std::shared_ptr<const Source>> sources;
  const std::unique_ptr<Effects> effects;
  Clock& clock;
  const ApplierOptions options;
  StringMap<uint16_t> source_by_name;
  DayBook days;
  CounterBook counters;
  Tenants tenants;
  EventApplier events;
  std::atomic<uint64_t> applied_sequence = 0;  // Written by the store thread, read by any.
  // Tenants that events wait for, by (source, key).
  std::set<std::pair<uint16_t, std::string>> parked;
  // Webhook deliveries since the start, by (source, tenant id): what a fallback counts by.
  std::map<std::pair<uint16_t, std::string>, uint64_t> delivered;

  struct Metrics {
    telemetry::Counter& ok;
    telemetry::Counter& duplicate;
    telemetry::Counter& ignored;
    telemetry::Counter& parked;
    telemetry::Counter& dead;
    telemetry::Counter& released;
    telemetry::Counter& transactions;
    telemetry::Counter& splits;
    telemetry::Gauge& sequence;
    telemetry::Histogram& seconds;
  } metrics;
};

// "healthy", "warning", "critical" by the time since the last delivery.
std::string_view HealthOf(const FreshnessPlan& plan, std::chrono::microseconds silence);

}  // namespace tw::ingest
