#include "ingest/apply/replay.h"

#include <algorithm>

#include "base/check.h"
#include "ingest/apply/batch.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

// A dry run is one transaction, during which nothing else is applied.
constexpr int kDryRunMax = 10'000;
constexpr uint64_t kPerSecondMax = 10'000;
constexpr int kPieceMax = 500;  // Deliveries of one transaction.

Result<ReplayFilter> FilterOf(std::string_view text) {
  TW_ASSIGN_OR_RETURN(const json::Document document, json::Parse(text));
  const json::Value root = document.root();
  const auto part = [&](std::string_view name) {
    return std::string(root[name].AsString().value_or(""));
  };
  const auto number = [&](std::string_view name) {
    return static_cast<uint64_t>(std::max<int64_t>(root[name].AsInt().value_or(0), 0));
  };
  ReplayFilter filter{.source = part("source"),
                      .tenant = part("tenant"),
                      .type = part("type"),
                      .status = part("status"),
                      .first_sequence = number("first"),
                      .last_sequence = number("last"),
                      .dry_run = root["dry_run"].AsBool().value_or(false)};
  for (const auto& [name, into] : {std::pair{"from", &filter.from}, std::pair{"to", &filter.to}}) {
    if (const std::string time = part(name); !time.empty()) {
      TW_ASSIGN_OR_RETURN(*into, ParseTimestamp(time));
    }
  }
  if (const uint64_t rate = number("rate"); rate > 0) {
    filter.per_second_max = std::min(rate, kPerSecondMax);
  }
  return filter;
}

// Without the id that was signed, a delivery would count as another happening.
bool SignsIds(const Source& source) {
  return std::ranges::any_of(source.webhook->authenticate.any_of, [](const auto& entry) {
    const Scheme* scheme = FindPreset(*entry.scheme);
    return (scheme != nullptr && scheme->id_is_signed) || !entry.id_header->empty();
  });
}

}  // namespace

Status Replayer::Begin(int64_t request, std::string_view argument) {
  TW_CHECK(!running_);
  if (effects_ == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "with a PostgreSQL store the log is not replayed");
  }
  TW_ASSIGN_OR_RETURN(ReplayFilter filter, FilterOf(argument));
  const auto found = state_.source_by_name.find(filter.source);
  if (found == state_.source_by_name.end()) {
    return Fail(ErrorCode::kInvalidArgument, "no source '" + filter.source + "'");
  }
  const Source& source = *state_.sources[found->second];
  if (!source.webhook || source.log.table.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "source " + source.name + " keeps no log of deliveries (log.table)");
  }
  if (source.log.delivery_id_column.empty() && SignsIds(source)) {
    return Fail(ErrorCode::kInvalidArgument,
                source.log.table +
                    " has no column delivery_id: the ids that senders signed are "
                    "not known, and events would count twice");
  }
  running_ = Running{.request = request,
                     .source = found->second,
                     .filter = std::move(filter),
                     .after = 0,
                     .totals = {}};
  if (running_->filter.first_sequence > 0) running_->after = running_->filter.first_sequence - 1;
  return {};
}

Result<std::optional<std::string>> Replayer::Turn() {
  TW_CHECK(running_.has_value());
  const bool dry = running_->filter.dry_run;
  uint64_t left = dry ? static_cast<uint64_t>(kDryRunMax) : running_->filter.per_second_max;
  bool ended = false;
  while (left > 0 && !ended) {
    Running next = *running_;
    const int max =
        dry ? kDryRunMax : static_cast<int>(std::min<uint64_t>(left, uint64_t{kPieceMax}));
    TW_RETURN_IF_ERROR(state_.Begin());
    const Status done = Piece(next, max, ended);
    if (!done.ok() || dry) {
      state_.Abandon();
      TW_RETURN_IF_ERROR(done);
      next.truncated = !ended;
      ended = true;
    } else if (const Status committed = state_.Commit(); !committed.ok()) {
      state_.Abandon();
      return std::unexpected(committed.error());
    }
    running_ = std::move(next);
    left -= std::min<uint64_t>(left, static_cast<uint64_t>(max));
  }
  if (!ended) return std::optional<std::string>();
  std::string said = Say(*running_);
  running_.reset();
  return std::optional(std::move(said));
}

Status Replayer::Piece(Running& run, int max, bool& ended) {
  TW_ASSIGN_OR_RETURN(const auto deliveries,
                      effects_->LoggedDeliveries(run.source, run.filter, run.after, max));
  changes_.clear();
  state_.counters.Note(&changes_);
  Status applied;
  for (const LoggedDelivery& delivery : deliveries) {
    run.after = delivery.sequence;
    ++run.totals.deliveries;
    if (!delivery.body) {
      ++run.totals.without_body;
      continue;
    }
    applied = Apply(run, delivery);
    if (!applied.ok()) break;
  }
  if (applied.ok()) applied = state_.counters.Flush(state_.clock.Wall());
  state_.counters.Note(nullptr);
  TW_RETURN_IF_ERROR(applied);
  for (const CounterBook::Change& change : changes_) {
    run.totals.counters[{change.tenant, change.metric, change.day.substr(0, 7)}] += change.delta;
  }
  ended = deliveries.size() < static_cast<size_t>(max);
  return {};
}

Status Replayer::Apply(Running& run, const LoggedDelivery& delivery) {
  const size_t changes_before = changes_.size();
  Batch batch(state_, Isolation::kIsolated);
  TW_ASSIGN_OR_RETURN(const Batch::Replayed replayed,
                      batch.Replay(run.source, {.source = run.filter.source,
                                                .sequence = delivery.sequence,
                                                .channel = "replay",
                                                .signed_id = delivery.signed_id,
                                                .received_at = delivery.received_at,
                                                .event = *delivery.body}));
  Totals& totals = run.totals;
  totals.facts += replayed.facts;
  totals.rows += replayed.rows;
  switch (replayed.worst.status) {
    case EventStatus::kDuplicate:
      ++totals.unchanged;
      break;
    case EventStatus::kOk:
      if (replayed.facts + replayed.rows == 0 && changes_.size() == changes_before) {
        ++totals.unchanged;
        break;
      }
      ++totals.applied;
      if (delivery.status == "ok" || delivery.status == "duplicate") break;
      TW_RETURN_IF_ERROR(state_.effects->UpdateLog(
          run.source, delivery.sequence,
          replayed.worst.tenant == nullptr
              ? std::nullopt
              : std::optional<std::string_view>(replayed.worst.tenant->tenant.name),
          "ok", "", state_.clock.Wall()));
      break;
    case EventStatus::kIgnored:
      ++totals.ignored;
      break;
    case EventStatus::kParked:
      ++totals.parked;
      break;
    case EventStatus::kDead:
      ++totals.failed;
      if (totals.error.empty()) {
        totals.error = std::to_string(delivery.sequence) + ": " + replayed.worst.error;
      }
      break;
  }
  return {};
}

std::string Replayer::Say(const Running& run) const {
  const Totals& totals = run.totals;
  json::Writer writer;
  writer.Object().Key("dry_run").Bool(run.filter.dry_run);
  const std::pair<std::string_view, uint64_t> counts[] = {{"deliveries", totals.deliveries},
                                                          {"applied", totals.applied},
                                                          {"unchanged", totals.unchanged},
                                                          {"ignored", totals.ignored},
                                                          {"parked", totals.parked},
                                                          {"failed", totals.failed},
                                                          {"without_body", totals.without_body},
                                                          {"new_facts", totals.facts},
                                                          {"changed_rows", totals.rows}};
  for (const auto& [name, count] : counts) {
    writer.Key(name).Int(static_cast<int64_t>(count));
  }
  writer.Key("truncated").Bool(run.truncated);
  if (!totals.error.empty()) writer.Key("first_error").String(totals.error);
  writer.Key("counters").Array();
  for (const auto& [key, delta] : totals.counters) {
    if (delta == 0) continue;
    const auto& [tenant, metric, month] = key;
    writer.Object().Key("tenant").String(tenant).Key("metric").String(metric);
    writer.Key("month").String(month).Key("delta").Int(delta).End();
  }
  writer.End();
  writer.End();
  return writer.Take();
}

}  // namespace tw::ingest
