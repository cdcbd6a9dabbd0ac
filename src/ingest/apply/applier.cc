#include "ingest/apply/applier.h"

#include <algorithm>

#include "base/check.h"
#include "ingest/apply/batch.h"
#include "ingest/apply/day_work.h"
#include "ingest/apply/ingest_state.h"
#include "ingest/apply/postgres_days.h"
#include "ingest/apply/postgres_effects.h"
#include "ingest/apply/postgres_pull.h"
#include "ingest/apply/pull_applier.h"
#include "ingest/apply/scout.h"
#include "ingest/apply/sqlite_days.h"
#include "ingest/apply/sqlite_effects.h"
#include "ingest/apply/sqlite_pull.h"
#include "ingest/apply/sqlite_replay.h"
#include "ingest/apply/timer_work.h"
#include "json/json.h"
#include "telemetry/log.h"

namespace tw::ingest {

struct Applier::Parts {
  Parts(std::unique_ptr<PostgresSession> connection,
        std::vector<std::shared_ptr<const Source>> sources, std::unique_ptr<Effects> effects,
        std::unique_ptr<DayEffects> day_effects, Clock& clock, telemetry::Registry& metrics,
        const ApplierOptions& options)
      : session(std::move(connection)),
        state(std::move(sources), std::move(effects), std::move(day_effects), clock, metrics,
              options),
        timer(state),
        days(state) {}

  static Result<std::unique_ptr<Parts>> OnSqlite(sqlite::Database& database,
                                                 std::vector<std::shared_ptr<const Source>> sources,
                                                 Clock& clock, telemetry::Registry& metrics,
                                                 const ApplierOptions& options);
  static std::unique_ptr<Parts> OnPostgres(const PostgresSessionOptions& database,
                                           std::vector<std::shared_ptr<const Source>> sources,
                                           Clock& clock, telemetry::Registry& metrics,
                                           const ApplierOptions& options);

  Status ApplyRange(std::span<const DeliveryView> range, ApplyOutcome& total);
  Status Try(std::span<const DeliveryView> range, Isolation isolation, ApplyOutcome& total);
  void Count(const ApplyOutcome& outcome, ApplyOutcome& total);

  const std::unique_ptr<PostgresSession> session;  // Null on the embedded store.
  IngestState state;
  TimerWork timer;
  DayWork days;
  std::unique_ptr<PullApplier> pull;
  // Of a PostgreSQL store only.
  PostgresEffects* prefetching = nullptr;
  std::unique_ptr<Scout> scout;
};

Applier::Applier(MakeParts make, std::unique_ptr<Parts> parts)
    : make_(std::move(make)), parts_(std::move(parts)) {}
Applier::~Applier() = default;

Result<std::unique_ptr<Applier>> Applier::Create(sqlite::Database& database,
                                                 std::vector<std::shared_ptr<const Source>> sources,
                                                 Clock& clock, telemetry::Registry& metrics,
                                                 const ApplierOptions& options) {
  MakeParts make = [&database, &clock, &metrics](std::vector<std::shared_ptr<const Source>> given,
                                                 const ApplierOptions& now) {
    return Parts::OnSqlite(database, std::move(given), clock, metrics, now);
  };
  TW_ASSIGN_OR_RETURN(auto parts, make(std::move(sources), options));
  return std::unique_ptr<Applier>(new Applier(std::move(make), std::move(parts)));
}

std::unique_ptr<Applier> Applier::CreateOnPostgres(
    const PostgresSessionOptions& database, std::vector<std::shared_ptr<const Source>> sources,
    Clock& clock, telemetry::Registry& metrics, const ApplierOptions& options) {
  auto parts = Parts::OnPostgres(database, std::move(sources), clock, metrics, options);
  MakeParts make = [database, &clock, &metrics](std::vector<std::shared_ptr<const Source>> given,
                                                const ApplierOptions& now)
      -> Result<std::unique_ptr<Parts>> {
    return Parts::OnPostgres(database, std::move(given), clock, metrics, now);
  };
  return std::unique_ptr<Applier>(new Applier(std::move(make), std::move(parts)));
}

Status Applier::SetSources(std::vector<std::shared_ptr<const Source>> sources,
                           const ApplierOptions& options) {
  TW_ASSIGN_OR_RETURN(auto parts, make_(std::move(sources), options));
  // On PostgreSQL the new session gets its lock once the former one has ended with these.
  parts_ = std::move(parts);
  return {};
}

Result<std::unique_ptr<Applier::Parts>> Applier::Parts::OnSqlite(
    sqlite::Database& database, std::vector<std::shared_ptr<const Source>> sources, Clock& clock,
    telemetry::Registry& metrics, const ApplierOptions& options) {
  TW_CHECK(options.batch_deliveries_max > 0);
  TW_ASSIGN_OR_RETURN(auto effects, SqliteEffects::Create(database, sources));
  TW_ASSIGN_OR_RETURN(auto pull, SqlitePull::Create(database, sources, options.jobs_table));
  TW_ASSIGN_OR_RETURN(auto days, SqliteDays::Create(database, sources));
  auto parts = std::make_unique<Parts>(nullptr, std::move(sources), std::move(effects),
                                       std::move(days), clock, metrics, options);
  IngestState& state = parts->state;
  parts->pull = std::make_unique<PullApplier>(
      state, std::move(pull), std::make_unique<SqliteReplay>(database, state.sources));
  TW_RETURN_IF_ERROR(state.Recover());
  return parts;
}

std::unique_ptr<Applier::Parts> Applier::Parts::OnPostgres(
    const PostgresSessionOptions& database, std::vector<std::shared_ptr<const Source>> sources,
    Clock& clock, telemetry::Registry& metrics, const ApplierOptions& options) {
  TW_CHECK(options.batch_deliveries_max > 0);
  auto session = std::make_unique<PostgresSession>(database, clock);
  auto effects = std::make_unique<PostgresEffects>(*session, sources);
  auto pull = std::make_unique<PostgresPull>(*session, sources, options.jobs_table);
  auto days = std::make_unique<PostgresDays>(*session, sources);
  PostgresEffects& prefetching = *effects;
  auto parts = std::make_unique<Parts>(std::move(session), std::move(sources), std::move(effects),
                                       std::move(days), clock, metrics, options);
  parts->pull = std::make_unique<PullApplier>(parts->state, std::move(pull), nullptr);
  parts->scout = std::make_unique<Scout>(parts->state.sources, prefetching, clock, options);
  parts->prefetching = &prefetching;
  return parts;
}

Status Applier::Recover() {
  return parts_->state.Recover();
}

uint64_t Applier::applied_sequence() const {
  return parts_->state.applied_sequence.load(std::memory_order_relaxed);
}

bool Applier::known() const {
  return parts_->state.known;
}

PullApplier& Applier::pull() {
  return *parts_->pull;
}

Result<ApplyOutcome> Applier::Apply(std::span<const Delivery> deliveries) {
  std::vector<DeliveryView> views;
  views.reserve(deliveries.size());
  for (const Delivery& delivery : deliveries) views.push_back(ViewOf(delivery));
  return Apply(views);
}

Result<ApplyOutcome> Applier::Apply(std::span<const DeliveryView> deliveries) {
  TW_CHECK(std::ranges::is_sorted(deliveries, std::less_equal<>{}, &DeliveryView::sequence) ||
           deliveries.size() < 2);
  TW_RETURN_IF_ERROR(parts_->state.Recover());
  const auto first = std::ranges::find_if(deliveries, [&](const DeliveryView& delivery) {
    return delivery.sequence > applied_sequence();
  });
  auto rest = deliveries.subspan(static_cast<size_t>(first - deliveries.begin()));
  ApplyOutcome total;
  while (!rest.empty()) {
    const auto batch =
        rest.first(std::min(rest.size(), parts_->state.options.batch_deliveries_max));
    TW_RETURN_IF_ERROR(parts_->ApplyRange(batch, total));
    rest = rest.subspan(batch.size());
  }
  total.applied_sequence = applied_sequence();
  return total;
}

Status Applier::Parts::ApplyRange(std::span<const DeliveryView> range, ApplyOutcome& total) {
  const Status whole = Try(range, Isolation::kWhole, total);
  if (whole.ok() || whole.error().code != ErrorCode::kInvalidArgument) return whole;
  if (range.size() > 1) {
    state.metrics.splits.Add();
    const size_t half = range.size() / 2;
    TW_RETURN_IF_ERROR(ApplyRange(range.first(half), total));
    return ApplyRange(range.subspan(half), total);
  }
  const Status alone = Try(range, Isolation::kIsolated, total);
  if (alone.ok() || alone.error().code != ErrorCode::kInvalidArgument) return alone;
  // Not an event's fault: our own log or health row was refused. Losing it silently is no choice.
  return Fail(ErrorCode::kInternal, "cannot record delivery " +
                                        std::to_string(range.front().sequence) + ": " +
                                        alone.error().message);
}

Status Applier::Parts::Try(std::span<const DeliveryView> range, Isolation isolation,
                           ApplyOutcome& total) {
  const MonoTime start = state.clock.Mono();
  ++total.transactions;
  TW_RETURN_IF_ERROR(state.Begin());
  Batch batch(state, isolation);
  const auto work = [&]() -> Status {
    // An event that is looked at alone may be one that a look breaks.
    if (scout != nullptr && isolation == Isolation::kWhole) {
      TW_RETURN_IF_ERROR(prefetching->Prefetch(scout->Look(range)));
    }
    for (const DeliveryView& delivery : range) TW_RETURN_IF_ERROR(batch.Add(delivery));
    TW_RETURN_IF_ERROR(batch.Finish());
    TW_RETURN_IF_ERROR(state.effects->WriteAppliedSequence(range.back().sequence));
    return state.Commit();
  };
  if (const Status done = work(); !done.ok()) {
    state.Abandon();
    return done;
  }
  state.applied_sequence = range.back().sequence;
  state.metrics.sequence.Set(static_cast<int64_t>(state.applied_sequence));
  state.metrics.seconds.Observe(state.clock.Mono() - start);
  Count(batch.outcome(), total);
  return {};
}

void Applier::Parts::Count(const ApplyOutcome& outcome, ApplyOutcome& total) {
  const auto add = [](uint64_t& sum, uint64_t count, telemetry::Counter* metric) {
    sum += count;
    if (metric != nullptr && count > 0) metric->Add(count);
  };
  add(total.deliveries, outcome.deliveries, nullptr);
  add(total.events, outcome.events, nullptr);
  add(total.ok, outcome.ok, &state.metrics.ok);
  add(total.duplicate, outcome.duplicate, &state.metrics.duplicate);
  add(total.ignored, outcome.ignored, &state.metrics.ignored);
  add(total.parked, outcome.parked, &state.metrics.parked);
  add(total.dead, outcome.dead, &state.metrics.dead);
  add(total.released, outcome.released, &state.metrics.released);
}

Status Applier::OnTimer(WallTime now) {
  TW_RETURN_IF_ERROR(parts_->timer.Run(now));
  return parts_->days.Run(now);
}

Status Applier::Observe(std::string_view source, std::string_view channel,
                        std::string_view private_id, std::string_view event_json,
                        WallTime received_at) {
  IngestState& state = parts_->state;
  const auto found = state.source_by_name.find(source);
  if (found == state.source_by_name.end()) {
    return Fail(ErrorCode::kInvalidArgument, "no source " + std::string(source));
  }
  TW_ASSIGN_OR_RETURN(const json::Document document, json::Parse(event_json));
  TW_RETURN_IF_ERROR(state.Begin());
  const EventOrigin origin{.source = found->second,
                           .channel = channel,
                           .stamp_channel = channel,
                           .private_id = private_id,
                           .received_at = received_at,
                           .sequence = state.applied_sequence,
                           .now = state.clock.Wall()};
  const auto work = [&]() -> Status {
    TW_ASSIGN_OR_RETURN(const EventResult result, state.events.Apply(origin, document.root(), {}));
    if (result.status == EventStatus::kDead) {
      return Fail(ErrorCode::kInvalidArgument, result.error);
    }
    if (result.status == EventStatus::kParked) {
      return Fail(ErrorCode::kInvalidArgument, "no tenant " + result.tenant_key);
    }
    TW_RETURN_IF_ERROR(state.counters.Flush(origin.now));
    return state.Commit();
  };
  const Status done = work();
  if (!done.ok()) state.Abandon();
  return done;
}

}  // namespace tw::ingest
