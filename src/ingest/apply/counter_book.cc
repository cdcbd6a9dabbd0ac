#include "ingest/apply/counter_book.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "ingest/apply/local_day.h"
#include "ingest/poll/pull_work.h"

namespace tw::ingest {

void CounterBook::Add(uint16_t source, const TenantContext& tenant, std::string_view contribution,
                      std::string_view day, int64_t delta, std::string_view channel) {
  if (contribution.empty()) return;
  Sums& sums = sums_[{source, tenant.tenant.id}];
  if (sums.tenant.zone == nullptr) sums.tenant = tenant;
  // Rows say that it was polled, not by which stream.
  const auto& streams = sources_[source]->streams;
  const bool polled = std::ranges::find(streams, channel, &StreamPlan::name) != streams.end();
  sums.channel = polled ? ToString(PullPurpose::kPoll) : channel;
  for (const std::string_view metric : Split(contribution, ',')) {
    sums.days[{std::string(day), std::string(metric)}] += delta;
  }
}

Status CounterBook::Flush(WallTime now) {
  const auto sums = std::exchange(sums_, {});
  for (const auto& [key, tenant] : sums) {
    TW_RETURN_IF_ERROR(FlushTenant(key.first, tenant, now));
  }
  if (noted_ == nullptr) return {};
  for (const auto& [key, tenant] : sums) {
    for (const auto& [day_metric, delta] : tenant.days) {
      if (delta == 0) continue;
      noted_->push_back({tenant.tenant.tenant.name, day_metric.second, day_metric.first, delta});
    }
  }
  return {};
}

Status CounterBook::FlushTenant(uint16_t source, const Sums& sums, WallTime now) {
  const CounterPlan& plan = *sources_[source]->counters;
  TW_ASSIGN_OR_RETURN(const std::vector<Value> key,
                      DayKeyOf(source, sums.tenant, sums.channel, now));
  // Days are sorted, so the days of one month follow each other.
  std::string_view month;
  std::string_view day_of_month;
  std::vector<int64_t> deltas(plan.metrics.size());
  const auto write_month = [&]() -> Status {
    if (std::ranges::all_of(deltas, [](int64_t delta) { return delta == 0; })) return {};
    return WriteMonth(source, sums.tenant, sums.channel, day_of_month, deltas, now);
  };
  for (const auto& [day_metric, delta] : sums.days) {
    const auto& [day, metric] = day_metric;
    if (month != std::string_view(day).substr(0, 7)) {
      TW_RETURN_IF_ERROR(write_month());
      std::ranges::fill(deltas, 0);
      month = std::string_view(day).substr(0, 7);
      day_of_month = day;
    }
    if (delta == 0) continue;
    TW_RETURN_IF_ERROR(effects_.AddToDay(source, key, metric, day, delta));
    TW_ASSIGN_OR_RETURN(const int64_t adjusted,
                        days_.Settle(source, sums.tenant.tenant.id, key, metric, day));
    // A metric of an older version of the source file has no column any more.
    const auto found = std::ranges::find(plan.metrics, metric);
    if (found != plan.metrics.end()) {
      deltas[static_cast<size_t>(found - plan.metrics.begin())] += delta + adjusted;
    }
  }
  return write_month();
}

Result<std::vector<Value>> CounterBook::DayKeyOf(uint16_t source, const TenantContext& tenant,
                                                 std::string_view channel, WallTime now) const {
  const BindingInput input{
      .source = sources_[source].get(), .tenant = &tenant, .channel = channel, .now = now};
  std::vector<Value> key;
  for (const ColumnBinding& column : sources_[source]->counters->day_key) {
    TW_ASSIGN_OR_RETURN(key.emplace_back(), Evaluate(column, input));
  }
  return key;
}

Result<int64_t> CounterBook::Follow(uint16_t source, const TenantContext& tenant,
                                    std::string_view metric, std::string_view day, int64_t total,
                                    WallTime now) {
  TW_CHECK(sums_.empty());
  const CounterPlan& plan = *sources_[source]->counters;
  const auto found = std::ranges::find(plan.metrics, metric);
  if (found == plan.metrics.end()) {
    return Fail(ErrorCode::kInvalidArgument, "no metric " + std::string(metric));
  }
  TW_ASSIGN_OR_RETURN(const std::vector<Value> key,
                      DayKeyOf(source, tenant, kAdjustmentChannel, now));
  TW_ASSIGN_OR_RETURN(const int64_t change,
                      days_.Follow(source, tenant.tenant.id, key, metric, day, total, now));
  if (change == 0) return change;
  std::vector<int64_t> deltas(plan.metrics.size());
  deltas[static_cast<size_t>(found - plan.metrics.begin())] = change;
  TW_RETURN_IF_ERROR(WriteMonth(source, tenant, kAdjustmentChannel, day, deltas, now));
  return change;
}

Result<int64_t> CounterBook::Shown(uint16_t source, const TenantContext& tenant,
                                   std::string_view metric, std::string_view from,
                                   std::string_view to, WallTime now) {
  TW_ASSIGN_OR_RETURN(const std::vector<Value> key,
                      DayKeyOf(source, tenant, kAdjustmentChannel, now));
  TW_ASSIGN_OR_RETURN(const DayCount count,
                      days_.effects().SumDays(source, key, metric, from, to));
  return count.facts + count.adjusted;
}

Status CounterBook::OpenMonth(uint16_t source, const TenantContext& tenant, std::string_view day,
                              WallTime now) {
  return WriteMonth(source, tenant, kRolloverChannel, day, {}, now);
}

Status CounterBook::WriteMonth(uint16_t source, const TenantContext& tenant,
                               std::string_view channel, std::string_view day,
                               std::span<const int64_t> deltas, WallTime now) {
  const CounterPlan& plan = *sources_[source]->counters;
  TW_ASSIGN_OR_RETURN(const WallTime noon, NoonOf(*tenant.zone, day));
  const BindingInput input{.source = sources_[source].get(),
                           .tenant = &tenant,
                           .channel = channel,
                           .now = now,
                           .at = noon};
  std::vector<Value> key;
  for (const ColumnBinding& column : plan.key) {
    TW_ASSIGN_OR_RETURN(key.emplace_back(), Evaluate(column, input));
  }
  std::vector<Value> stamps;
  for (const ColumnBinding& column : plan.stamps) {
    TW_ASSIGN_OR_RETURN(stamps.emplace_back(), Evaluate(column, input));
  }
  if (deltas.empty()) return effects_.OpenMonth(source, key, stamps);
  return effects_.AddToMonth(source, key, deltas, stamps);
}

}  // namespace tw::ingest
