// What a channel missed, at its client's pace.
#include <algorithm>
#include <utility>

#include "session/channel_follow.h"
#include "session/channel_snapshot.h"
#include "session/session.h"

namespace tw::session {
namespace {

// RFC 6455's registry, 1013: come back.
constexpr uint16_t kTryAgainLater = 1013;

// The offset of the change of `batch` that follows `after`; the batch's end behind the last one.
uint64_t NextOffset(const Batch& batch, uint64_t after) {
  const size_t next = FirstChangeAfter(batch, after);
  return next < batch.changes.size() ? batch.changes[next].offset : batch.position.offset;
}

}  // namespace

void Channel::ContinueReplay() {
  if (following_ != nullptr) return Follow();
  if (state_ != ChannelState::kReplaying) return;
  if (snapshot_ != nullptr && !SendPages()) return;
  if (!SendMissed()) return;
  const Position head = session_.services_.feed.head();
  if (!std::exchange(lagged_, false)) return GoLive(head);
  state_ = ChannelState::kLive;
  JoinStream();
  SendCaughtUp(head);
}

bool Channel::SendMissed() {
  LiveFeed& feed = session_.services_.feed;
  const auto send = [this](const io::SharedBytes& frame) { session_.transport_.OnFrame(frame); };
  // Nothing else runs on this loop between the last slice and GoLive: replay and stream meet
  // exactly. What was read beyond the loop's head comes again with the stream.
  for (;;) {
    // Looked at before each change, and before what ends the replay.
    if (session_.transport_.Congested()) return false;
    if (following_ != nullptr) RebindAtHead();
    if (replayed_ >= feed.head().offset) break;
    if (missed_.empty()) {
      if (!feed.Covers(replayed_)) {
        session_.services_.metrics.replays_overtaken.Add();
        session_.transport_.CloseWith(kTryAgainLater, "too slow to catch up");
        return false;
      }
      feed.ForEachAfter(replayed_, [&](const BatchPtr& batch) { missed_.push_back(batch); });
    }
    const BatchPtr batch = missed_.front();
    const uint64_t last = std::min(NextOffset(*batch, replayed_), feed.head().offset);
    const router::Router::Range range{replayed_, last};
    const router::ChannelSpec& spec = SpecAt(last);
    if (!Judged(spec, *batch, range)) return false;
    rights_touched_ |= feed.router().TouchesRights(spec_, *batch, range);
    session_.replaying_ = true;
    feed.router().Replay(spec, *batch, range, send, session_.services_.verdicts);
    session_.replaying_ = false;
    replayed_ = std::max(replayed_, last);
    if (replayed_ >= batch->position.offset) missed_.pop_front();
  }
  // Rows that came into sight, or left it, without a change of their own.
  if (std::exchange(rights_touched_, false)) {
    send(router::Router::AccessChanged(spec_, feed.head()));
  }
  return true;
}

void Channel::Lag(uint64_t after) {
  if (state_ != ChannelState::kLive || spec_.bindings.empty()) return;
  // It has its own place, and has dropped nothing.
  if (following_ != nullptr) return;
  membership_.Leave();
  replayed_ = after;
  lagged_ = true;
  state_ = ChannelState::kReplaying;
}

}  // namespace tw::session
