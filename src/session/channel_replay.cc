// What a channel missed of row changes, from where its client was told last: found, judged, sent at
// the client's pace. The same for one that joins with a position and for one that fell behind.
#include <algorithm>
#include <utility>

#include "session/channel_follow.h"
#include "session/channel_snapshot.h"
#include "session/session.h"
#include "telemetry/log.h"

namespace tw::session {

using protocol::ReplyStatus;
using protocol::SlowPolicy;

namespace {

// Changes that are read at a time from the log for a channel that the memory has left behind.
constexpr uint64_t kReadOnChangesMax = 1'000;
// Memory of the changes that are conflated at a time.
constexpr uint64_t kConflatedBytesMax = 4u << 20;

// The offset of the change of `batch` that follows `after`; the batch's end behind the last one.
uint64_t NextOffset(const Batch& batch, uint64_t after) {
  const size_t next = FirstChangeAfter(batch, after);
  return next < batch.changes.size() ? batch.changes[next].offset : batch.position.offset;
}

}  // namespace

void Channel::StopWaiting() {
  wait_.Cancel();
  if (waiting_) session_.services_.feed.Forget(*waiting_);
  waiting_.reset();
}

void Channel::OnWaitEnd() {
  StopWaiting();
  BeginAnew({false, "unknown_position"});
}

void Channel::CatchUp(uint64_t after) {
  if (session_.services_.feed.Covers(after)) return StartReplay(after);
  const uint64_t wanted = session_.services_.limits.replay_changes_max + 1 - missed_changes_;
  session_.services_.history.Read(
      after, wanted,
      [this, after, attempt = attempt_, alive = alive_](Result<BatchPtr> batch) {
        if (*alive && attempt == attempt_) OnHistory(after, std::move(batch));
      });
}

void Channel::OnHistory(uint64_t after, Result<BatchPtr> batch) {
  const SessionLimits& limits = session_.services_.limits;
  if (!batch.ok()) {
    const bool trimmed = batch.error().code == ErrorCode::kOutOfRange;
    return BeginAnew({false, trimmed ? "expired" : "unavailable"});
  }
  // The memory begins behind `after`, so the log must hold something there.
  if (*batch == nullptr) return BeginAnew({false, "unavailable"});
  missed_changes_ += (*batch)->changes.size();
  missed_bytes_ += (*batch)->bytes;
  after = (*batch)->position.offset;
  missed_.push_back(std::move(*batch));
  if (missed_changes_ > limits.replay_changes_max || missed_bytes_ > limits.replay_bytes_max) {
    return BeginAnew({false, "too_many"});
  }
  CatchUp(after);
}

// `missed_` and the memory behind `after` hold all that was missed: the verdict is certain.
void Channel::StartReplay(uint64_t after) {
  const SessionLimits& limits = session_.services_.limits;
  LiveFeed& feed = session_.services_.feed;
  feed.ForEachAfter(after, [&](const BatchPtr& batch) {
    // The position may lie within the first one.
    missed_changes_ += batch->changes.size() - FirstChangeAfter(*batch, after);
    missed_bytes_ += batch->bytes;
    missed_.push_back(batch);
  });
  if (missed_changes_ > limits.replay_changes_max || missed_bytes_ > limits.replay_bytes_max) {
    return BeginAnew({false, "too_many"});
  }
  if (const auto why = Unjudgeable(); !why.empty()) return BeginAnew({false, why});
  if (TooLateToJudge()) return BeginAnew({false, "rights_unknown"});
  // The rows of a snapshot are true where they were read; what was missed ends at the head.
  SendJoinReply(snapshot_ ? Position{feed.head().epoch, replayed_} : feed.head());
  state_ = ChannelState::kReplaying;
  ContinueReplay();
}

std::string_view Channel::Unjudgeable() const {
  if (std::ranges::any_of(missed_, [&](const BatchPtr& batch) {
        return router::HasOtherShapes(spec_, *batch);
      })) {
    // Rights and filters are compiled for today's columns: older rows cannot be judged.
    return "schema_changed";
  }
  if (!session_.services_.feed.router().CanJudgeSince(spec_, replayed_)) return "rights_unknown";
  return {};
}

void Channel::ContinueReplay() {
  if (following_ != nullptr) return Follow();
  if (state_ != ChannelState::kReplaying) return;
  if (snapshot_ != nullptr && !SendPages()) return;
  if (!SendMissed()) return;
  const Position head = session_.services_.feed.head();
  if (!std::exchange(lagged_, false)) return GoLive(head);
  ForgetMissed();
  state_ = ChannelState::kLive;
  JoinStream();
  // The claims may be others by now.
  ListenBroadcasts();
  ListenPresence();
  SendCaughtUp(head);
}

// Nothing else runs on this loop between the last slice and GoLive: replay and stream meet exactly.
// What was read beyond the loop's head comes again with the stream.
bool Channel::SendMissed() {
  LiveFeed& feed = session_.services_.feed;
  // What could be judged when the replay began may be too old by now. One that follows has its own
  // rights at each place.
  bool judged = following_ != nullptr;
  for (;;) {
    // Looked at before each change, and before what ends the replay.
    if (session_.transport_.Congested()) return false;
    if (following_ != nullptr) RebindAtHead();
    if (replayed_ >= feed.head().offset) break;
    if (missed_.empty()) {
      if (!feed.Covers(replayed_)) {
        ReadOn();
        return false;
      }
      feed.ForEachAfter(replayed_, [&](const BatchPtr& batch) { missed_.push_back(batch); });
      judged = following_ != nullptr;
    }
    if (!std::exchange(judged, true)) {
      if (const auto why = Unjudgeable(); !why.empty()) {
        GiveUp(why);
        return false;
      }
    }
    Conflate();
    if (!missed_.empty() && !SendNextMissed()) return false;
  }
  // Rows that came into sight, or left it, without a change of their own.
  if (std::exchange(rights_touched_, false)) {
    session_.transport_.OnFrame(router::Router::AccessChanged(spec_, feed.head()));
  }
  return true;
}

bool Channel::SendNextMissed() {
  LiveFeed& feed = session_.services_.feed;
  const BatchPtr batch = missed_.front();
  const uint64_t last = std::min(NextOffset(*batch, replayed_), feed.head().offset);
  const router::Router::Range range{replayed_, last};
  const router::ChannelSpec& spec = SpecAt(last);
  if (!Judged(spec, *batch, range)) return false;
  rights_touched_ |= feed.router().TouchesRights(spec_, *batch, range);
  session_.replaying_ = true;
  feed.router().Replay(
      spec, *batch, range,
      [this](const io::SharedBytes& frame) { session_.transport_.OnFrame(frame); },
      session_.services_.verdicts);
  session_.replaying_ = false;
  replayed_ = std::max(replayed_, last);
  if (replayed_ < batch->position.offset) return true;
  missed_.pop_front();
  conflated_ = false;
  return true;
}

// Takes the place of the missed changes up to the head with what they came to for each row. Changes
// that wait for a place of their own binding (`floors_`), and those that the database judges, are
// told one by one.
void Channel::Conflate() {
  if (slow_ != SlowPolicy::kConflate || floors_ != nullptr || conflated_) return;
  if (spec_.AsksDatabase()) return;
  LiveFeed& feed = session_.services_.feed;
  std::vector<BatchPtr> taken;
  uint64_t bytes = 0;
  // A batch that reaches beyond the head waits until the head has come to its end.
  while (!missed_.empty() && missed_.front()->position.offset <= feed.head().offset &&
         (taken.empty() || bytes + missed_.front()->bytes <= kConflatedBytesMax)) {
    bytes += missed_.front()->bytes;
    taken.push_back(std::move(missed_.front()));
    missed_.pop_front();
  }
  if (taken.empty()) return;
  const uint64_t last = taken.back()->position.offset;
  for (const BatchPtr& batch : taken) {
    rights_touched_ |= feed.router().TouchesRights(spec_, *batch, {replayed_, last});
  }
  router::Conflated conflated = router::Conflate(taken, replayed_, spec_);
  session_.services_.metrics.conflated.Add(conflated.left_out);
  if (conflated.batch->changes.empty()) {
    replayed_ = last;
    return;
  }
  missed_.push_front(std::move(conflated.batch));
  conflated_ = true;
}

// The memory no longer holds what comes next, but the log does.
void Channel::ReadOn() {
  if (reading_) return;
  reading_ = true;
  session_.services_.metrics.replays_overtaken.Add();
  session_.services_.history.Read(
      replayed_, kReadOnChangesMax,
      [this, attempt = attempt_, alive = alive_](Result<BatchPtr> batch) {
        if (*alive && attempt == attempt_) OnReadOn(std::move(batch));
      });
}

void Channel::OnReadOn(Result<BatchPtr> batch) {
  reading_ = false;
  if (!batch.ok() || *batch == nullptr) {
    const bool trimmed = !batch.ok() && batch.error().code == ErrorCode::kOutOfRange;
    GiveUp(trimmed ? "expired" : "unavailable");
  } else {
    missed_.push_back(std::move(*batch));
    if (following_ != nullptr && TooLateToJudge()) return GiveUp("rights_unknown");
    ContinueReplay();
  }
}

void Channel::Lag(uint64_t after) {
  if (state_ != ChannelState::kLive || spec_.bindings.empty()) return;
  // It has its own place, and has dropped nothing.
  if (following_ != nullptr) return;
  membership_.Leave();
  replayed_ = after;
  lagged_ = true;
  state_ = ChannelState::kReplaying;
  TellBehind("postgres_changes");
}

void Channel::TellBehind(std::string_view what) {
  SessionMetrics& metrics = session_.services_.metrics;
  (slow_ == SlowPolicy::kConflate ? metrics.behind_conflate : metrics.behind_resync).Add();
  telemetry::Log(telemetry::Level::kInfo, "ChannelBehind",
                 "a client is behind on a channel; it gets what it missed at its own pace",
                 {{"channel", name()},
                  {"what", what},
                  {"slow", slow_ == SlowPolicy::kConflate ? "conflate" : "resync"},
                  {"sub", claims_->sub}});
}

// The client comes back by itself, and its join's verdict says what became of its position.
void Channel::GiveUp(std::string_view reason) {
  session_.services_.metrics.behind_lost.Add();
  telemetry::Log(telemetry::Level::kWarning, "ChannelBehindLost",
                 "what a slow client missed is no longer to be had; it was asked to join anew",
                 {{"channel", name()}, {"reason", reason}, {"sub", claims_->sub}});
  SendSystem("tidewire", ReplyStatus::kError, "too slow to catch up: " + std::string(reason));
  SendPush("phx_error", "{}");
  ForgetMissed();
  following_.reset();
  membership_.Leave();
  broadcasts_.Leave();
  state_ = ChannelState::kEnded;
  // In a turn of its own: here somebody may go through the session's channels.
  session_.services_.timers.Arm<&Session::RemoveEnded>(wait_, {}, &session_);
}

}  // namespace tw::session
