// PullBatch: the source's own numbers against ours, and closed days that follow them.
#include <algorithm>
#include <cstdlib>

#include "ingest/apply/pull_batch.h"
#include "ingest/poll/consistency.h"

namespace tw::ingest {

Status PullBatch::ApplyCounted(const Counted& counted) {
  const CheckPlan& plan = source().consistency->checks[counted.check];
  if (counted.windows.empty()) return WriteUnknown(plan);
  for (const Counted::Window& window : counted.windows) {
    if (window.closed_day) continue;
    TW_RETURN_IF_ERROR(Compare(plan, window));
  }
  TW_RETURN_IF_ERROR(FollowDays(counted));
  const auto& reconcile = source().consistency->reconcile;
  if (!reconcile || reconcile->streams.empty()) return {};
  TW_ASSIGN_OR_RETURN(
      result_.reconciled,
      effects_.RunsOf(source().name, source().streams[reconcile->streams.front()].name,
                      work_.tenant, ToString(PullPurpose::kReconcile),
                      now_ - std::chrono::hours(24)));
  return {};
}

Status PullBatch::WriteUnknown(const CheckPlan& plan) {
  return effects_.WriteCheck({.source = source().name,
                              .check = plan.name,
                              .tenant = work_.tenant,
                              .metric = {},
                              .status = "unknown",
                              .source_total = std::nullopt,
                              .mirror_total = std::nullopt,
                              .at = now_});
}

Status PullBatch::Compare(const CheckPlan& plan, const Counted::Window& window) {
  for (const auto& [metric, total] : window.totals) {
    int64_t mirror = 0;
    if (plan.table) {
      TW_ASSIGN_OR_RETURN(const auto where, TenantColumns(source().tables[*plan.table]));
      TW_ASSIGN_OR_RETURN(mirror,
                          effects_.CountRows({work_.source, *plan.table}, where, plan.where));
    } else {
      TW_ASSIGN_OR_RETURN(mirror, state_.counters.Shown(work_.source, tenant_, metric, window.from,
                                                        window.to, now_));
    }
    result_.compared.push_back({metric, total, mirror});
    TW_RETURN_IF_ERROR(effects_.WriteCheck({.source = source().name,
                                            .check = plan.name,
                                            .tenant = work_.tenant,
                                            .metric = metric,
                                            .status = ToString(LevelOf(plan, total, mirror)),
                                            .source_total = total,
                                            .mirror_total = mirror,
                                            .at = now_}));
  }
  return {};
}

// A source can be wrong for a while: a day follows it when a second check, some time later, says
// the same.
Status PullBatch::FollowDays(const Counted& counted) {
  const bool asked = std::ranges::any_of(counted.windows, &Counted::Window::closed_day);
  if (!asked) return {};
  const std::string key = PlaceKey(source().name, stream().name, work_.tenant, work_.place);
  TW_ASSIGN_OR_RETURN(const std::string stored, effects_.ReadState(key));
  const PendingDays before = PendingDays::Decode(stored);
  const bool later = before.at + kAgreeAfter <= now_;
  PendingDays pending{.at = later ? now_ : before.at, .totals = {}};
  for (const Counted::Window& window : counted.windows) {
    if (!window.closed_day) continue;
    if (state_.days.IsSealed(work_.source, tenant_.tenant.id, window.from)) continue;
    for (const auto& [metric, total] : window.totals) {
      TW_ASSIGN_OR_RETURN(const int64_t shown,
                          state_.counters.Shown(work_.source, tenant_, metric, window.from,
                                                window.to, now_));
      if (shown == total) continue;
      const auto known = before.totals.find({window.from, metric});
      const bool agree = known != before.totals.end() && known->second == total;
      if (!agree || !later) {
        pending.totals[{window.from, metric}] = total;
        continue;
      }
      TW_ASSIGN_OR_RETURN(const int64_t change,
                          state_.counters.Follow(work_.source, tenant_, metric, window.from, total,
                                                 now_));
      if (change != 0) result_.adjusted.push_back({metric, window.from, change});
    }
  }
  return effects_.WriteState(key, pending.Encode());
}

// The part of a table's key that is the tenant.
Result<std::vector<ColumnValue>> PullBatch::TenantColumns(const TablePlan& table) {
  std::vector<ColumnValue> where;
  const BindingInput input{.source = &source(), .tenant = &tenant_, .now = now_};
  for (const ColumnBinding& column : table.key) {
    if (column.value.kind != Binding::Kind::kTenantId &&
        column.value.kind != Binding::Kind::kTenantName) {
      continue;
    }
    TW_ASSIGN_OR_RETURN(Value value, Evaluate(column, input));
    where.push_back({column.column, std::move(value)});
  }
  return where;
}

}  // namespace tw::ingest
