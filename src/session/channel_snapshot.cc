// Where a channel's row changes begin: at positions that the client names, or with the rows that
// there are.
//
//   since ──▶ replay ─────────────────────────────▶ live
//     └─ not to be had, or not asked for
//          └─ rows wanted ─▶ read at P ─▶ reply P ─▶ pages ─▶ replay from P ─▶ live
#include <algorithm>
#include <utility>

#include "json/json.h"
#include "session/channel.h"
#include "session/channel_snapshot.h"
#include "session/session.h"

namespace tw::session {

using protocol::ReplyStatus;

namespace {

// How long a join waits for a position ahead of its loop before it is called unknown.
constexpr std::chrono::seconds kHeadWaitMax{2};
// Snapshots read until the stream could go on from one.
constexpr int kAttemptsMax = 3;
// RFC 6455's registry, 1013: come back.
constexpr uint16_t kTryAgainLater = 1013;

}  // namespace

std::expected<std::optional<Position>, std::string_view> Channel::AskedPosition() {
  const Position head = session_.services_.feed.head();
  // Our SDK sends one position for the channel; unmodified clients carry one in each binding.
  const auto parse = [&](const std::string& text) -> std::expected<uint64_t, std::string_view> {
    const auto since = ParsePosition(text);
    if (!since.ok()) return std::unexpected("unknown_position");
    if (since->epoch != head.epoch) return std::unexpected("epoch_changed");
    return since->offset;
  };
  if (!request_.since.empty()) {
    const auto since = parse(request_.since);
    if (!since) return std::unexpected(since.error());
    return Position{head.epoch, *since};
  }
  std::optional<uint64_t> first;
  auto floors = std::make_unique<Floors>();
  auto& by_id = floors->by_id;
  for (const auto& binding : request_.bindings) {
    if (binding.since.empty()) continue;
    const auto since = parse(binding.since);
    if (!since) return std::unexpected(since.error());
    const auto [floor, added] = by_id.emplace(binding.id, *since);
    if (!added) floor->second = std::min(floor->second, *since);
    first = std::min(first.value_or(*since), *since);
  }
  if (!first) return std::nullopt;
  // What names no position begins now.
  for (const auto& binding : request_.bindings) by_id.emplace(binding.id, UINT64_MAX);
  const bool same = std::ranges::all_of(by_id, [&](const auto& f) { return f.second == *first; });
  if (!same) floors_ = std::move(floors);
  return Position{head.epoch, *first};
}

const router::ChannelSpec& Channel::SpecAt(uint64_t offset) {
  if (floors_ == nullptr) return spec_;
  const auto begun = [&](const router::TableBinding& binding) {
    const auto floor = floors_->by_id.find(binding.id);
    return floor == floors_->by_id.end() || floor->second < offset;
  };
  const auto count = static_cast<size_t>(std::ranges::count_if(spec_.bindings, begun));
  auto& partial = floors_->partial;
  if (!partial || partial->bindings.size() != count) {
    partial = spec_;
    std::erase_if(partial->bindings, [&](const auto& binding) { return !begun(binding); });
  }
  return *partial;
}

void Channel::ContinueFrom(Position since) {
  LiveFeed& feed = session_.services_.feed;
  if (since.epoch != feed.head().epoch) return BeginAnew({false, "epoch_changed"});
  replayed_ = since.offset;
  if (since.offset <= feed.head().offset) return CatchUp(since.offset);
  // A read may have seen a commit that is still on its way to this loop.
  session_.services_.timers.Arm<&Channel::OnWaitEnd>(wait_, kHeadWaitMax, this);
  waiting_ = feed.WhenReached(since.offset, [this, offset = since.offset] {
    StopWaiting();
    CatchUp(offset);
  });
}

void Channel::ForgetMissed() {
  ++attempt_;
  reading_ = false;
  StopWaiting();
  missed_.clear();
  missed_changes_ = 0;
  missed_bytes_ = 0;
  floors_.reset();
}

void Channel::BeginAnew(const Verdict& verdict) {
  if (snapshot_ != nullptr) {
    // What follows the rows was not to be had.
    if (++snapshot_->attempts < kAttemptsMax) return AskSnapshot();
    return GiveUpSnapshot("unavailable");
  }
  verdict_ = verdict;
  const bool wanted = std::ranges::any_of(
      spec_.bindings, [this](const auto& binding) { return WantsSnapshot(binding); });
  if (!wanted) return GoLive(session_.services_.feed.head());
  snapshot_ = std::make_unique<SnapshotJob>();
  AskSnapshot();
}

bool Channel::WantsSnapshot(const router::TableBinding& binding) const {
  return request_.snapshot || std::ranges::any_of(request_.bindings, [&](const auto& request) {
           return request.snapshot && request.id == binding.id;
         });
}

void Channel::AskSnapshot() {
  ForgetMissed();
  snapshot_->held.reset();
  snapshot_->bindings.clear();
  for (const router::TableBinding& binding : spec_.bindings) {
    // Equal bindings are told once.
    const bool told = std::ranges::any_of(snapshot_->bindings, [&](const auto& other) {
      return other.id == binding.id && other.relation == binding.relation;
    });
    if (!told && WantsSnapshot(binding)) snapshot_->bindings.push_back(binding);
  }
  const SessionServices& services = session_.services_;
  if (services.snapshots == nullptr) return GiveUpSnapshot("unavailable");
  const bool asked =
      services.snapshots->Ask({.catalog = services.catalog,
                               .claims = claims_,
                               .bindings = snapshot_->bindings,
                               .alive = alive_,
                               .done = [this, attempt = attempt_](Result<SnapshotDesk::Held> held) {
                                 if (attempt == attempt_) OnSnapshot(std::move(held));
                               }});
  if (!asked) GiveUpSnapshot("busy");
}

void Channel::OnSnapshot(Result<SnapshotDesk::Held> held) {
  if (!held.ok()) {
    switch (held.error().code) {
      case ErrorCode::kResourceExhausted:
        return GiveUpSnapshot("too_large");
      case ErrorCode::kPermissionDenied:
        return GiveUpSnapshot("denied");
      default:
        return GiveUpSnapshot("unavailable");
    }
  }
  snapshot_->held = std::move(*held);
  ContinueFrom(snapshot_->held->snapshot.position);
}

void Channel::GiveUpSnapshot(std::string_view reason) {
  SessionMetrics& metrics = session_.services_.metrics;
  telemetry::Counter& counter = reason == "too_large" ? metrics.snapshots_too_large
                                : reason == "busy"    ? metrics.snapshots_busy
                                : reason == "denied"  ? metrics.snapshots_denied
                                                      : metrics.snapshots_unavailable;
  counter.Add();
  snapshot_->held.reset();
  snapshot_->failure = reason;
  SendJoinReply(session_.services_.feed.head());
  snapshot_.reset();
  // Unmodified clients do not see the reply.
  json::Writer writer;
  writer.Object().Key("extension").String("tidewire").Key("status").String("error");
  writer.Key("message").String("snapshot").Key("channel").String(name());
  writer.Key("reason").String(reason).End();
  SendPush("system", writer.Take());
  GoLive(session_.services_.feed.head());
}

void Channel::AppendSnapshotVerdict(json::Writer& writer) const {
  if (snapshot_ == nullptr) return;
  writer.Key("snapshot").Object().Key("complete").Bool(snapshot_->failure.empty());
  if (snapshot_->failure.empty()) {
    writer.Key("rows").Int(static_cast<int64_t>(snapshot_->Rows()));
    writer.Key("pages").Int(static_cast<int64_t>(snapshot_->Pages()));
  } else {
    writer.Key("reason").String(snapshot_->failure);
  }
  writer.End();
}

bool Channel::SendPages() {
  SnapshotJob& job = *snapshot_;
  Snapshot& snapshot = job.held->snapshot;
  if (job.sent == 0) {
    session_.services_.timers.Arm<&Channel::OnSnapshotLate>(
        wait_, session_.services_.limits.snapshot_time_max, this);
  }
  const size_t pages = job.Pages();
  while (job.table < snapshot.tables.size()) {
    if (session_.transport_.Congested()) return false;
    const router::TableBinding& binding = job.bindings[job.table];
    SnapshotTable& table = snapshot.tables[job.table];
    json::Writer writer;
    writer.Object().Key("extension").String("tidewire").Key("status").String("ok");
    writer.Key("message").String("snapshot").Key("channel").String(name());
    writer.Key("binding").Int(binding.id).Key("schema").String(binding.relation->schema);
    writer.Key("table").String(binding.relation->table);
    writer.Key("position").String(ToString(snapshot.position));
    writer.Key("page").Int(static_cast<int64_t>(++job.sent));
    writer.Key("pages").Int(static_cast<int64_t>(pages));
    writer.Key("rows").Raw(table.pages[job.page]).End();
    session_.replaying_ = true;
    SendPush("system", writer.Take());
    session_.replaying_ = false;
    table.pages[job.page] = {};
    if (++job.page == table.pages.size()) {
      ++job.table;
      job.page = 0;
    }
  }
  wait_.Cancel();
  session_.services_.metrics.snapshots_sent.Add();
  snapshot_.reset();
  return true;
}

void Channel::OnSnapshotLate() {
  session_.services_.metrics.snapshots_slow.Add();
  session_.transport_.CloseWith(kTryAgainLater, "too slow to take the rows");
}

// Unmodified clients hand system messages to the application, but not their join reply.
void Channel::SendChangesVerdict(Position position) {
  if (!spec_.stamps) return;
  json::Writer writer;
  writer.Object().Key("extension").String("tidewire").Key("status").String("ok");
  writer.Key("message").String("changes").Key("channel").String(name());
  writer.Key("position").String(ToString(position));
  AppendVerdict(writer);
  writer.End();
  SendPush("system", writer.Take());
  told_offset_ = position.offset;
}

void Channel::TellPosition() {
  const Position head = session_.services_.feed.head();
  if (!spec_.stamps || !live() || head.offset == told_offset_) return;
  told_offset_ = head.offset;
  json::Writer writer;
  writer.Object().Key("extension").String("tidewire").Key("status").String("ok");
  writer.Key("message").String("position").Key("channel").String(name());
  writer.Key("position").String(ToString(head)).End();
  SendPush("system", writer.Take());
}

}  // namespace tw::session
