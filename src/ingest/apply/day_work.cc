#include "ingest/apply/day_work.h"

#include <date/tz.h>
#include <algorithm>
#include <limits>

#include "ingest/apply/local_day.h"
#include "telemetry/log.h"

namespace tw::ingest {
namespace {

constexpr std::chrono::seconds kLookPeriod{60};
constexpr int kRecutMax = 20'000;  // Facts looked at in one transaction.
constexpr int kFoldMax = 5'000;
constexpr int kSweepMax = 5'000;
// How far ahead of ours a sender's clock may be: its facts are seen before they happen.
constexpr std::chrono::days kClockAheadMax{2};

// How far apart the days of two observations of one fact can be. A fact is folded only so much
// later than its day is sealed: by then no name of it can speak of an unsealed day.
date::days SpreadOf(const Source& source, std::chrono::microseconds delivery_delay_max) {
  std::chrono::microseconds spread{0};
  for (const FactPlan& plan : source.facts) {
    if (plan.window) spread = std::max(spread, *plan.window);
  }
  return date::ceil<date::days>(spread + delivery_delay_max) + date::days{1};
}

}  // namespace

template <typename Work>
Status DayWork::InTransaction(Work work) {
  TW_RETURN_IF_ERROR(state_.Begin());
  Status done = work();
  if (done.ok()) done = state_.Commit();
  if (!done.ok()) TW_RETURN_IF_ERROR(state_.Abandon());
  return done;
}

Status DayWork::Run(WallTime now) {
  if (fold_ == Fold::kUnknown) {
    TW_ASSIGN_OR_RETURN(const bool folding, state_.days.effects().Folding());
    fold_ = folding ? Fold::kFacts : Fold::kNone;
  }
  if (!look_due_ || now >= *look_due_) {
    TW_RETURN_IF_ERROR(LookAtTenants(now));
    look_due_ = now + kLookPeriod;
  }
  if (!recuts_.empty()) {
    Recut next = recuts_.front();
    bool done = false;
    TW_RETURN_IF_ERROR(InTransaction([&] { return RecutPiece(next, done, now); }));
    recuts_.front() = std::move(next);
    if (done) recuts_.pop_front();
  }
  if (fold_ == Fold::kNone && sealed_more_) {
    sealed_more_ = false;
    folded_to_ = 0;
    fold_ = Fold::kFacts;
  }
  if (fold_ == Fold::kFacts) return FoldPiece();
  if (fold_ == Fold::kNames) return SweepPiece();
  return {};
}

Status DayWork::LookAtTenants(WallTime now) {
  std::deque<Recut> before = recuts_;
  const bool sealed_before = sealed_more_;
  const Status looked = InTransaction([&]() -> Status {
    for (uint16_t source = 0; source < state_.sources.size(); ++source) {
      if (!state_.sources[source]->counters) continue;
      TW_ASSIGN_OR_RETURN(const auto tenants, state_.tenants.Active(source));
      for (const TenantContext& tenant : tenants) {
        TW_RETURN_IF_ERROR(SealTenant(source, tenant, now));
        TW_RETURN_IF_ERROR(NoteZone(source, tenant, now));
      }
    }
    if (sealed_more_ && !sealed_before) return state_.days.effects().SetFolding(true);
    return {};
  });
  if (!looked.ok()) {
    recuts_ = std::move(before);
    sealed_more_ = sealed_before;
  }
  return looked;
}

Status DayWork::SealTenant(uint16_t source, const TenantContext& tenant, WallTime now) {
  const std::string day =
      LocalDay(*tenant.zone, now - state_.sources[source]->counters->fact_retention);
  const std::string& id = tenant.tenant.id;
  if (day <= state_.days.SealedBefore(source, id)) return {};
  sealed_more_ = true;
  return state_.days.Seal(source, id, day);
}

// The zone itself is used from the next event on; what was counted before it follows here.
Status DayWork::NoteZone(uint16_t source, const TenantContext& tenant, WallTime now) {
  const std::string& id = tenant.tenant.id;
  const std::string& zone = tenant.zone->name();
  const std::string_view known = state_.days.ZoneOf(source, id);
  if (known == zone) return {};
  if (known.empty()) return state_.days.SetZone(source, id, zone);
  // One that changes while it is being cut anew starts again.
  std::erase_if(recuts_, [&](const Recut& recut) {
    return recut.source == source && recut.tenant == id && recut.zone != zone;
  });
  const auto same = [&](const Recut& recut) {
    return recut.source == source && recut.tenant == id;
  };
  if (std::ranges::any_of(recuts_, same)) return {};
  telemetry::Log(
      telemetry::Level::kInfo, "TenantZoneChanged",
      "the facts of the open month are put on the days of the new zone",
      {{"source", state_.sources[source]->name}, {"tenant", id}, {"from", known}, {"to", zone}});
  const std::string month_start = LocalDay(*tenant.zone, now).substr(0, 8) + "01";
  TW_ASSIGN_OR_RETURN(const WallTime noon, NoonOf(*tenant.zone, month_start));
  recuts_.push_back({.source = source,
                     .tenant = id,
                     .zone = zone,
                     .month_start = month_start,
                     .seen_since = noon - kClockAheadMax,
                     .below = std::numeric_limits<int64_t>::max()});
  return {};
}

// A closed month's figures are not changed by a zone: what would move out of the open month stays
// on its first day.
Status DayWork::RecutPiece(Recut& recut, bool& done, WallTime now) {
  const Source& source = *state_.sources[recut.source];
  TW_ASSIGN_OR_RETURN(const TenantContext* tenant,
                      state_.tenants.Resolve(recut.source, recut.tenant));
  // Gone, or moved once more: the next look sees to it.
  if (tenant == nullptr || tenant->zone->name() != recut.zone) {
    done = true;
    return {};
  }
  TW_ASSIGN_OR_RETURN(const auto facts, state_.days.effects().FactsBefore(recut.below, kRecutMax));
  bool ended = static_cast<int>(facts.size()) < kRecutMax;
  for (const PlacedFact& fact : facts) {
    if (fact.first_seen < recut.seen_since) {
      ended = true;
      break;
    }
    if (fact.merged_into != 0 || fact.source != source.name || fact.tenant != recut.tenant)
      continue;
    if (fact.bucket_day < recut.month_start) continue;
    const std::string day = std::max(LocalDay(*tenant->zone, fact.occurred_at), recut.month_start);
    if (day == fact.bucket_day) continue;
    TW_RETURN_IF_ERROR(state_.days.effects().MoveFact(fact.id, day));
    for (const auto& [on, delta] : {std::pair{&fact.bucket_day, -1}, std::pair{&day, 1}}) {
      state_.counters.Add(recut.source, *tenant, fact.contribution, *on, delta, kRolloverChannel);
    }
  }
  TW_RETURN_IF_ERROR(state_.counters.Flush(now));
  if (!ended) {
    recut.below = facts.back().id;
    return {};
  }
  done = true;
  return state_.days.SetZone(recut.source, recut.tenant, recut.zone);
}

Result<bool> DayWork::Foldable(const PlacedFact& fact) {
  const auto index = state_.source_by_name.find(fact.source);
  if (index == state_.source_by_name.end()) return false;
  const Source& source = *state_.sources[index->second];
  const std::string_view sealed = state_.days.SealedBefore(index->second, fact.tenant);
  if (sealed.empty()) return false;
  // One that may happen only once is remembered for ever.
  const auto plan = std::ranges::find(source.facts, fact.kind, &FactPlan::name);
  if (plan != source.facts.end() && !plan->window) return false;
  TW_ASSIGN_OR_RETURN(
      const std::string cut,
      AddDays(sealed, -SpreadOf(source, state_.options.delivery_delay_max).count()));
  return fact.bucket_day < cut;
}

Status DayWork::FoldPiece() {
  size_t seen = 0;
  int64_t last = folded_to_;
  const Status folded = InTransaction([&]() -> Status {
    TW_ASSIGN_OR_RETURN(const auto facts, state_.days.effects().FactsAfter(folded_to_, kFoldMax));
    seen = facts.size();
    for (const PlacedFact& fact : facts) {
      last = fact.id;
      TW_ASSIGN_OR_RETURN(const bool foldable, Foldable(fact));
      if (foldable) TW_RETURN_IF_ERROR(state_.days.effects().RemoveFact(fact.id));
    }
    return {};
  });
  TW_RETURN_IF_ERROR(folded);
  folded_to_ = last;
  if (seen == static_cast<size_t>(kFoldMax)) return {};
  swept_to_.clear();
  fold_ = Fold::kNames;
  return {};
}

Status DayWork::SweepPiece() {
  std::string cursor = swept_to_;
  const Status swept = InTransaction([&]() -> Status {
    TW_RETURN_IF_ERROR(state_.days.effects().SweepAliases(cursor, kSweepMax));
    if (!cursor.empty() || sealed_more_) return {};
    return state_.days.effects().SetFolding(false);
  });
  TW_RETURN_IF_ERROR(swept);
  swept_to_ = std::move(cursor);
  if (swept_to_.empty()) fold_ = Fold::kNone;
  return {};
}

}  // namespace tw::ingest
