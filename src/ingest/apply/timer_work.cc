#include "ingest/apply/timer_work.h"

#include <algorithm>
#include <vector>

#include "ingest/apply/batch.h"
#include "ingest/apply/local_day.h"

namespace tw::ingest {
namespace {

constexpr std::chrono::seconds kNewTenantDelay{60};  // Until a new tenant gets its month row.
constexpr std::chrono::seconds kHealthPeriod{10};
constexpr std::chrono::seconds kTrimPeriod{60};
constexpr int kParkedLookupsMax = 500;  // Per run.

bool Due(const std::optional<WallTime>& due, WallTime now) {
  return !due || now >= *due;
}

}  // namespace

template <typename Work>
Status TimerWork::InTransaction(Work work) {
  TW_RETURN_IF_ERROR(state_.Begin());
  Status done = work();
  if (done.ok()) done = state_.Commit();
  if (!done.ok()) state_.Abandon();
  return done;
}

Status TimerWork::Run(WallTime now) {
  if (Due(rollover_due_, now)) {
    TW_RETURN_IF_ERROR(InTransaction([&] { return Rollover(now); }));
  }
  if (!state_.parked.empty()) {
    TW_RETURN_IF_ERROR(ReleaseParked());
    TW_RETURN_IF_ERROR(InTransaction([&] { return ExpireParked(now); }));
  }
  if (Due(health_due_, now)) {
    TW_RETURN_IF_ERROR(InTransaction([&] { return RefreshHealth(now); }));
    health_due_ = now + kHealthPeriod;
  }
  if (Due(trim_due_, now)) {
    TW_RETURN_IF_ERROR(InTransaction([&] { return Trim(now); }));
    trim_due_ = now + kTrimPeriod;
  }
  return {};
}

Status TimerWork::Rollover(WallTime now) {
  WallTime next = now + kNewTenantDelay;
  std::map<std::pair<uint16_t, std::string>, std::string> opened;
  for (uint16_t source = 0; source < state_.sources.size(); ++source) {
    const auto& counters = state_.sources[source]->counters;
    if (!counters || !counters->create_at_rollover) continue;
    TW_ASSIGN_OR_RETURN(const auto tenants, state_.tenants.Active(source));
    for (const TenantContext& tenant : tenants) {
      next = std::min(next, NextMonth(*tenant.zone, now));
      const std::string day = LocalDay(*tenant.zone, now);
      const std::string month = day.substr(0, 7);
      const std::pair key{source, tenant.tenant.id};
      const auto known = open_months_.find(key);
      if (known == open_months_.end() || known->second != month) {
        TW_RETURN_IF_ERROR(state_.counters.OpenMonth(source, tenant, day, now));
      }
      opened[key] = month;
    }
  }
  // Should the commit fail, the rows are only inserted again.
  open_months_ = std::move(opened);
  rollover_due_ = next;
  return {};
}

Status TimerWork::RefreshHealth(WallTime now) {
  for (uint16_t source = 0; source < state_.sources.size(); ++source) {
    const auto& freshness = state_.sources[source]->freshness;
    if (!freshness || freshness->key_column.empty()) continue;
    TW_ASSIGN_OR_RETURN(const auto tenants, state_.tenants.Active(source));
    for (const TenantContext& tenant : tenants) {
      TW_ASSIGN_OR_RETURN(const auto last, state_.effects->LastDelivery(source, tenant.tenant.id));
      if (!last) continue;  // Nothing to say before its first delivery.
      TW_ASSIGN_OR_RETURN(
          const int64_t count,
          state_.effects->DeliveriesSince(source, tenant.tenant.id, now - std::chrono::hours(24)));
      TW_RETURN_IF_ERROR(
          state_.effects->WriteFreshness(source, tenant.tenant.id, tenant.tenant.name,
                                         {.last_webhook_at = std::nullopt,
                                          .webhook_count_24h = count,
                                          .status = HealthOf(*freshness, now - *last)}));
    }
  }
  return {};
}

Status TimerWork::ReleaseParked() {
  std::vector<std::pair<uint16_t, std::string>> keys;
  auto at = state_.parked.upper_bound(parked_cursor_);
  const size_t lookups = std::min<size_t>(state_.parked.size(), kParkedLookupsMax);
  while (keys.size() < lookups) {
    if (at == state_.parked.end()) at = state_.parked.begin();
    keys.push_back(*at++);
  }
  parked_cursor_ = keys.back();
  state_.tenants.Forget();
  for (const auto& [source, key] : keys) {
    TW_ASSIGN_OR_RETURN(const TenantContext* tenant, state_.tenants.Resolve(source, key));
    if (tenant == nullptr) continue;
    const Status released = InTransaction([&, from = source, waiting = key]() -> Status {
      Batch batch(state_, Isolation::kIsolated);
      TW_RETURN_IF_ERROR(batch.Release(from, waiting));
      TW_RETURN_IF_ERROR(batch.Finish());
      state_.metrics.released.Add(batch.outcome().released);
      return {};
    });
    TW_RETURN_IF_ERROR(released);
  }
  return {};
}

Status TimerWork::ExpireParked(WallTime now) {
  for (uint16_t index = 0; index < state_.sources.size(); ++index) {
    const Source& source = *state_.sources[index];
    TW_ASSIGN_OR_RETURN(
        const auto expired,
        state_.effects->ExpiredParked(source.name, now - source.tenants.park_keep,
                                      static_cast<int64_t>(source.tenants.park_events_max),
                                      state_.options.trimmed_rows_max));
    Batch batch(state_, Isolation::kIsolated);
    for (const KeptEvent& event : expired) {
      const std::string error = "no tenant " + event.tenant_key + " appeared in time";
      TW_RETURN_IF_ERROR(state_.effects->RemoveParked(event.id));
      TW_RETURN_IF_ERROR(batch.Bury(event, "tenant", error));
      if (source.log.table.empty()) continue;
      TW_RETURN_IF_ERROR(state_.effects->UpdateLog(index, event.sequence, std::nullopt,
                                                   "dead:tenant", error, now));
    }
  }
  return {};
}

Status TimerWork::Trim(WallTime now) {
  for (uint16_t source = 0; source < state_.sources.size(); ++source) {
    if (state_.sources[source]->log.table.empty()) continue;
    TW_RETURN_IF_ERROR(state_.effects->TrimLog(source, now, state_.options.trimmed_rows_max));
  }
  return state_.effects->TrimDeliveryCounts(now - std::chrono::hours(24 * 35));
}

}  // namespace tw::ingest
