// A live channel whose client had no room for a broadcast or for presence: what it gets instead.
#include "session/channel_behind.h"

#include <algorithm>
#include <unordered_set>

#include "json/json.h"
#include "protocol/broadcast.h"
#include "session/session.h"

namespace tw::session {

using protocol::ReplyStatus;
using protocol::SlowPolicy;
using router::BroadcastOrigin;
using router::BroadcastPositions;

std::string EventOf(const router::Broadcast& message) {
  if (message.payload.empty()) return message.event;
  const auto payload = json::Parse(message.payload);
  if (!payload.ok()) return {};
  return std::string(payload->root()["event"].AsString().value_or(""));
}

size_t KeepNewest(std::vector<router::BroadcastPtr>& messages) {
  const size_t before = messages.size();
  std::unordered_set<std::string> seen;
  std::ranges::reverse(messages);
  std::erase_if(messages,
                [&](const auto& message) { return !seen.insert(EventOf(*message)).second; });
  std::ranges::reverse(messages);
  return before - messages.size();
}

void NewestFrames::OnFrame(const io::SharedBytes& frame) {
  std::string event = EventOf(*hub_.sending().message);
  const auto older = std::ranges::find(frames_, event, &Entry::event);
  if (older != frames_.end()) {
    bytes_ -= older->frame.size() + older->event.size();
    frames_.erase(older);
    ++left_out_;
  }
  bytes_ += frame.size() + event.size();
  if (!overflown()) frames_.push_back({std::move(event), frame});
}

io::SharedBytes NewestFrames::TakeOldest() {
  Entry oldest = std::move(frames_.front());
  frames_.pop_front();
  bytes_ -= oldest.frame.size() + oldest.event.size();
  return std::move(oldest.frame);
}

Excess Channel::OnExcessBroadcast(const router::Broadcast& message, const io::SharedBytes& frame) {
  if (slow_ == SlowPolicy::kCut) return Excess::kCut;
  if (behind_ == nullptr) {
    behind_ = std::make_unique<BehindBroadcasts>(session_.services_.bus.members(),
                                                 session_.services_.limits.replay_bytes_max);
    behind_->after = {message.position.epoch, message.position.offset - 1};
    TellBehind("broadcast");
  }
  if (slow_ == SlowPolicy::kConflate) behind_->newest.OnFrame(frame);
  return Excess::kDrop;
}

// Who is there is told as a whole afterwards.
Excess Channel::OnExcessPresence() {
  if (slow_ == SlowPolicy::kCut) return Excess::kCut;
  if (!std::exchange(presence_behind_, true)) TellBehind("presence");
  return Excess::kDrop;
}

void Channel::StepBack() {
  if (behind_ != nullptr) {
    broadcasts_.Leave();
    if (slow_ == SlowPolicy::kConflate) JoinBroadcasts(behind_->newest);
  }
  if (presence_behind_ && presence_.attached()) {
    session_.services_.bus.presence().Silence(presence_);
  }
}

void Channel::ContinueBehind() {
  if (ended() || (behind_ == nullptr && !presence_behind_)) return;
  if (session_.transport_.Congested()) return;
  if (std::exchange(presence_behind_, false)) ListenPresence();
  if (behind_ == nullptr) return;
  if (slow_ == SlowPolicy::kConflate) return SendNewestBroadcasts();
  if (!behind_->asked) AskMissedBroadcasts();
}

void Channel::SendNewestBroadcasts() {
  NewestFrames& newest = behind_->newest;
  session_.services_.metrics.conflated.Add(newest.TakeLeftOut());
  if (newest.overflown()) return GiveUp("too_many");
  while (!newest.empty()) {
    if (session_.transport_.Congested()) return;
    session_.transport_.OnFrame(newest.TakeOldest());
  }
  broadcasts_.Leave();
  behind_.reset();
  ListenBroadcasts();
}

void Channel::AskMissedBroadcasts() {
  behind_->asked = true;
  session_.services_.bus.ReadHistory(
      {.bus = bus_, .topic = topic_, .after = behind_->after, .since = {}, .limit = 0},
      [this, alive = alive_](router::HistoryAnswer answer) {
        if (!*alive || behind_ == nullptr || ended()) return;
        OnMissedBroadcasts(std::move(answer));
      });
}

// The home sends what follows behind its answer: whoever takes all of it at once and joins then
// misses nothing. Who has no room for all asks again later, from where it has come to.
void Channel::OnMissedBroadcasts(router::HistoryAnswer answer) {
  behind_->asked = false;
  if (answer.recovered != true) return GiveUp(answer.reason);
  const auto positions = request_.resume ? BroadcastPositions::kYes : BroadcastPositions::kNo;
  std::string scratch;
  for (const auto& message : answer.messages) {
    if (session_.transport_.Congested()) return;
    behind_->after = message->position;
    if (message->sender != 0 && message->sender == broadcasts_.id()) continue;
    const io::SharedBytes frame = EncodeBroadcast(*message, session_.version_, positions,
                                                  BroadcastOrigin::kReplayed, scratch);
    if (frame) session_.transport_.OnFrame(frame);
  }
  behind_.reset();
  ListenBroadcasts();
  if (!request_.resume) return;
  json::Writer writer;
  writer.Object().Key("extension").String("tidewire").Key("status").String("ok");
  writer.Key("message").String("broadcasts").Key("channel").String(name());
  writer.Key("position").String(ToString(answer.head));
  writer.Key("recovered").Bool(true).Key("reason").Null().End();
  SendPush("system", writer.Take());
}

}  // namespace tw::session
