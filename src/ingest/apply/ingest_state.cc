#include "ingest/apply/ingest_state.h"

namespace tw::ingest {
namespace {

IngestState::Metrics MakeMetrics(telemetry::Registry& metrics) {
  const auto events = [&](const char* status) -> telemetry::Counter& {
    return metrics.GetCounter("tidewire_ingest_deliveries_total",
                              "Deliveries applied, by what became of them.", {{"status", status}});
  };
  return {events("ok"),
          events("duplicate"),
          events("ignored"),
          events("parked"),
          events("dead"),
          metrics.GetCounter("tidewire_ingest_released_events_total",
                             "Parked events applied because their tenant appeared."),
          metrics.GetCounter("tidewire_ingest_transactions_total", "Apply transactions begun."),
          metrics.GetCounter("tidewire_ingest_splits_total",
                             "Batches cut in halves to isolate a poison event."),
          metrics.GetGauge("tidewire_ingest_applied_sequence",
                           "The last inbox sequence whose effects are committed."),
          metrics.GetHistogram("tidewire_ingest_apply_seconds", "Duration of apply transactions.")};
}

}  // namespace

IngestState::IngestState(std::vector<std::shared_ptr<const Source>> all,
                         std::unique_ptr<Effects> database, std::unique_ptr<DayEffects> day_effects,
                         Clock& time, telemetry::Registry& registry, const ApplierOptions& limits)
    : sources(std::move(all)),
      effects(std::move(database)),
      clock(time),
      options(limits),
      days(std::move(day_effects), sources),
      counters(*effects, days, sources),
      tenants(*effects, sources),
      events(*effects, sources, tenants, counters, days, limits.delivery_delay_max),
      metrics(MakeMetrics(registry)) {
  for (size_t i = 0; i < sources.size(); ++i) {
    source_by_name.emplace(sources[i]->name, static_cast<uint16_t>(i));
  }
}

Status IngestState::Begin() {
  tenants.Forget();
  metrics.transactions.Add();
  return effects->Begin();
}

Status IngestState::Abandon() {
  effects->Rollback();
  counters.Clear();
  TW_RETURN_IF_ERROR(days.Load());
  parked.clear();
  for (size_t i = 0; i < sources.size(); ++i) {
    TW_ASSIGN_OR_RETURN(auto keys, effects->ParkedTenants(sources[i]->name));
    for (std::string& key : keys) parked.emplace(static_cast<uint16_t>(i), std::move(key));
  }
  return {};
}

std::string_view HealthOf(const FreshnessPlan& plan, std::chrono::microseconds silence) {
  if (silence > plan.error_after) return "critical";
  if (silence > plan.warn_after) return "warning";
  return "healthy";
}

}  // namespace tw::ingest
