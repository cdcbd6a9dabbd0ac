// StreamRun: asks what the source itself counts, for a check.
#include "ingest/apply/local_day.h"
#include "ingest/poll/consistency.h"
#include "ingest/poll/stream_file.h"
#include "ingest/poll/stream_run.h"

namespace tw::ingest {

const CheckPlan* StreamRun::check() const {
  return setup_.check ? &source().consistency->checks[*setup_.check] : nullptr;
}

// The window as a whole; then closed days one by one, when they are to be adjusted: all of them
// after a reconciliation, else those that an earlier check has asked about.
void StreamRun::SetCheckDays(WallTime now) {
  if (plan().totals.empty()) {
    slices_.emplace_back();
    return;
  }
  const date::time_zone& zone = plan().window_zone ? *plan().window_zone : *setup_.zone;
  const CheckDays days = CheckDaysAt(zone, now, check()->day_lag);
  slices_.push_back({days.first, days.today});
  const auto& reconcile = source().consistency->reconcile;
  if (!reconcile || !reconcile->adjust_days) return;
  if (setup_.purpose == PullPurpose::kReconcile) {
    for (std::string day = days.first; day <= days.last_closed; day = *AddDays(day, 1)) {
      slices_.push_back({day, day, true});
    }
    return;
  }
  for (const auto& [key, total] : PendingDays::Decode(setup_.state).totals) {
    if (key.first < days.first || key.first == slices_.back().from) continue;
    slices_.push_back({key.first, key.first, true});
  }
}

void StreamRun::OnTotals(const json::Value& root) {
  const Days& days = slices_[slice_];
  Counted::Window window{.from = days.from, .to = days.to, .closed_day = days.closed_day};
  if (plan().totals.empty()) {
    const auto count = check()->count.Evaluate({.record = root}).value.AsInt();
    if (!count) return Conclude(RunStatus::kFailed, "the answer has no number where count says");
    window.totals[""] = *count;
  } else {
    const auto objects = plan().object.Select(root);
    if (objects.empty()) return Conclude(RunStatus::kFailed, "the answer has no object of totals");
    for (const auto& [metric, expression] : plan().totals) {
      const mapping::Datum found = expression.Evaluate({.record = objects.front().item}).value;
      // Not provided is not zero.
      if (found.is_null()) continue;
      const auto total = found.AsInt();
      if (!total) {
        return Conclude(RunStatus::kFailed, "the answer's " + metric + " is no whole number");
      }
      window.totals[metric] = *total;
    }
    if (window.totals.empty()) {
      return Conclude(RunStatus::kFailed, "the answer has none of the totals");
    }
  }
  ++pages_;
  counted_.windows.push_back(std::move(window));
  const bool last = slice_ + 1 == slices_.size();
  if (!last) ++slice_;
  phase_ = last ? Phase::kStore : Phase::kAsk;
}

StreamRun::Step StreamRun::StoreCounted() {
  ended_ = true;
  status_ = RunStatus::kSuccess;
  stored_ = NewWork();
  stored_.counted = counted_;
  stored_.counted->check = *setup_.check;
  stored_.end = EndOf(now_);
  return Store{stored_};
}

}  // namespace tw::ingest
