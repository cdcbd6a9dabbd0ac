#include "ingest/poll/consistency.h"

#include <algorithm>

#include "ingest/apply/local_day.h"
#include "json/json.h"

namespace tw::ingest {

double DriftOf(int64_t source, int64_t mirror) {
  if (source == mirror) return 0;
  const auto difference = std::abs(static_cast<double>(source) - static_cast<double>(mirror));
  return difference / std::max(1.0, std::abs(static_cast<double>(source)));
}

std::string_view ToString(DriftLevel level) {
  switch (level) {
    case DriftLevel::kOk:
      return "ok";
    case DriftLevel::kInfo:
      return "info";
    case DriftLevel::kWarning:
      return "warning";
    case DriftLevel::kCritical:
      return "critical";
  }
  return "";
}

DriftLevel LevelOf(const CheckPlan& plan, int64_t source, int64_t mirror) {
  const double difference = std::abs(static_cast<double>(source) - static_cast<double>(mirror));
  const double drift = DriftOf(source, mirror);
  const bool near = difference <= static_cast<double>(plan.tolerance.abs) ||
                    drift * 100 <= plan.tolerance.pct;
  if (near) return DriftLevel::kOk;
  if (drift > plan.critical) return DriftLevel::kCritical;
  return drift > plan.warning ? DriftLevel::kWarning : DriftLevel::kInfo;
}

DriftAction ActionOf(const ReconcilePlan& plan, double drift, const Reconciled& before,
                     WallTime now) {
  if (drift <= plan.above) return DriftAction::kNone;
  if (drift > plan.dry_run_above) return DriftAction::kAsk;
  if (before.today >= plan.max_per_day) return DriftAction::kGiveUp;
  if (before.last && now - *before.last < plan.cooldown) return DriftAction::kWait;
  return DriftAction::kReconcile;
}

CheckDays CheckDaysAt(const date::time_zone& zone, WallTime now, int64_t day_lag) {
  CheckDays days{.today = LocalDay(zone, now)};
  days.last_closed = *AddDays(days.today, -(day_lag + 1));
  days.first = days.last_closed.substr(0, 8) + "01";
  return days;
}

WallTime ReconcileSince(const Source& source, const date::time_zone& zone, WallTime now) {
  int64_t lag = 0;
  for (const CheckPlan& check : source.consistency->checks) lag = std::max(lag, check.day_lag);
  // Noon less a day: whatever the zone does at that midnight.
  WallTime since = *NoonOf(zone, CheckDaysAt(zone, now, lag).first) - std::chrono::hours(24);
  // What is older than facts are kept would only be refused.
  if (source.counters) {
    since = std::max(since, now - source.counters->fact_retention + std::chrono::hours(48));
  }
  return since;
}

PendingDays PendingDays::Decode(std::string_view text) {
  PendingDays pending;
  if (text.empty()) return pending;
  const auto document = json::Parse(text);
  if (!document.ok()) return pending;
  pending.at = WallTime(std::chrono::microseconds(document->root()["at"].AsInt().value_or(0)));
  for (const json::Member& day : document->root()["days"].members()) {
    for (const json::Member& metric : day.value.members()) {
      const auto total = metric.value.AsInt();
      if (total) pending.totals[{std::string(day.key), std::string(metric.key)}] = *total;
    }
  }
  return pending;
}

std::string PendingDays::Encode() const {
  if (totals.empty()) return "";
  json::Writer writer;
  writer.Object().Key("at").Int(at.time_since_epoch().count()).Key("days").Object();
  std::string_view open;
  for (const auto& [key, total] : totals) {
    if (key.first != open) {
      if (!open.empty()) writer.End();
      open = key.first;
      writer.Key(open).Object();
    }
    writer.Key(key.second).Int(total);
  }
  writer.End().End().End();
  return writer.Take();
}

}  // namespace tw::ingest
