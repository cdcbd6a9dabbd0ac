#include "app/store_worker.h"

#include <algorithm>
#include <span>
#include <vector>

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
  if (applied || others) TW_RETURN_IF_ERROR(PublishCommitted());
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
  if (const auto group = wiring_.tail.Take(next)) {
    const auto waiting = From(*group, next);
    TW_RETURN_IF_ERROR(wiring_.applier.Apply(
        waiting.first(std::min(waiting.size(), options_.apply_deliveries_max))));
  } else {
    TW_ASSIGN_OR_RETURN(const auto batch,
                        wiring_.reader.Read(next, head, options_.read_bytes_max));
    if (batch.empty()) return false;
    std::vector<ingest::DeliveryView> views;
    for (size_t i = 0; i < batch.size(); ++i) {
      TW_ASSIGN_OR_RETURN(auto view, batch.Get(i));
      views.push_back(std::move(view));
    }
    TW_RETURN_IF_ERROR(wiring_.applier.Apply(views));
  }
  apply_seconds_.Observe(wiring_.clock.Mono() - start);
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
