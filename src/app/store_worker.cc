#include "app/store_worker.h"

#include <algorithm>
#include <span>
#include <vector>

#include "telemetry/log.h"

namespace tw::app {
namespace {

// The deliveries of `group` from sequence `next` on.
std::span<const ingest::Delivery> From(const ingest::DurableGroup& group, uint64_t next) {
  const std::span<const ingest::Delivery> all(group.deliveries);
  const auto first = std::ranges::lower_bound(all, next, {}, &ingest::Delivery::sequence);
  return all.subspan(static_cast<size_t>(first - all.begin()));
}

}  // namespace

StoreWorker::StoreWorker(const Wiring& wiring, const StoreWorkerOptions& options)
    : wiring_(wiring),
      options_(options),
      lag_(wiring.metrics.GetGauge("tidewire_apply_lag_deliveries",
                                   "Durable deliveries that are not applied yet.")),
      apply_seconds_(wiring.metrics.GetHistogram("tidewire_apply_seconds",
                                                 "Time to apply one group of deliveries.")) {}

Result<bool> StoreWorker::Turn() {
  TW_ASSIGN_OR_RETURN(const bool applied, ApplyNext());
  TW_ASSIGN_OR_RETURN(const bool others, wiring_.capture.OthersCommitted());
  if (applied || others || committed_) TW_RETURN_IF_ERROR(PublishCommitted());
  committed_ = false;
  if (wiring_.clock.Mono() >= next_timer_) {
    next_timer_ = wiring_.clock.Mono() + options_.timer_interval;
    TW_RETURN_IF_ERROR(RunTimers());
  }
  return applied;
}

Result<bool> StoreWorker::ApplyNext() {
  const uint64_t next = std::max(wiring_.applier.applied_sequence() + 1, wiring_.oldest_sequence);
  const uint64_t head = wiring_.durable_head();
  lag_.Set(static_cast<int64_t>(head + 1 - std::min(next, head + 1)));
  if (next > head) return false;
  const MonoTime start = wiring_.clock.Mono();
  TW_ASSIGN_OR_RETURN(const bool from_memory, ApplyFromMemory(next));
  if (!from_memory) {
    TW_ASSIGN_OR_RETURN(const bool from_disk, ApplyFromDisk(next, head));
    if (!from_disk) return false;
  }
  apply_seconds_.Observe(wiring_.clock.Mono() - start);
  return true;
}

// Everything that became durable while the last transaction ran goes into the next one.
Result<bool> StoreWorker::ApplyFromMemory(uint64_t next) {
  std::vector<std::shared_ptr<const ingest::DurableGroup>> groups;
  std::vector<ingest::DeliveryView> views;
  while (views.size() < options_.apply_deliveries_max) {
    auto group = wiring_.tail.Take(next);
    if (group == nullptr) break;
    for (const ingest::Delivery& delivery : From(*group, next)) {
      if (views.size() == options_.apply_deliveries_max) break;
      views.push_back(ViewOf(delivery));
    }
    next = views.back().sequence + 1;
    groups.push_back(std::move(group));
  }
  if (views.empty()) return false;
  TW_RETURN_IF_ERROR(wiring_.applier.Apply(views));
  return true;
}

Result<bool> StoreWorker::ApplyFromDisk(uint64_t next, uint64_t head) {
  TW_ASSIGN_OR_RETURN(auto batch, wiring_.reader.Read(next, head, options_.read_bytes_max));
  while (batch.missing() > 0) {
    // Damaged on disk, and quarantined when the inbox was opened; what follows is still applied.
    telemetry::Log(telemetry::Level::kError, "DeliveriesMissing",
                   "acknowledged deliveries cannot be read from the inbox",
                   {{"first", next}, {"count", batch.missing()}});
    next += batch.missing();
    if (!batch.empty() || next > head) break;
    TW_ASSIGN_OR_RETURN(batch, wiring_.reader.Read(next, head, options_.read_bytes_max));
  }
  if (batch.empty()) return false;
  std::vector<ingest::DeliveryView> views;
  for (size_t i = 0; i < batch.size(); ++i) {
    TW_ASSIGN_OR_RETURN(auto view, batch.Get(i));
    views.push_back(std::move(view));
  }
  TW_RETURN_IF_ERROR(wiring_.applier.Apply(views));
  return true;
}

Status StoreWorker::PublishCommitted() {
  for (;;) {
    TW_ASSIGN_OR_RETURN(BatchPtr batch, wiring_.capture.Poll());
    if (batch == nullptr) return {};
    wiring_.publish(std::move(batch));
  }
}

Status StoreWorker::RunTimers() {
  TW_RETURN_IF_ERROR(wiring_.applier.OnTimer(wiring_.clock.Wall()));
  TW_RETURN_IF_ERROR(PublishCommitted());
  TW_RETURN_IF_ERROR(wiring_.housekeeping());
  TW_RETURN_IF_ERROR(wiring_.capture.Trim(options_.retention, wiring_.clock.Wall()));
  const uint64_t applied = wiring_.applier.applied_sequence();
  if (applied > reclaimed_) {
    reclaimed_ = applied;
    wiring_.reclaim(applied);
  }
  return {};
}

}  // namespace tw::app
