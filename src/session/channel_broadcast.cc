// A channel's broadcasts: what its client sends, and what it missed.
#include <utility>
#include <vector>

#include "protocol/broadcast.h"
#include "session/channel.h"
#include "session/channel_behind.h"
#include "session/channel_catch_up.h"
#include "session/session.h"

namespace tw::session {

using protocol::ReplyStatus;
using router::BroadcastOrigin;
using router::BroadcastPositions;

namespace {

// RFC 6455's registry, 1013: come back.
constexpr uint16_t kTryAgainLater = 1013;

}  // namespace

bool Channel::WithinRates(size_t bytes) {
  const MonoTime now = session_.services_.clock.Mono();
  Rates& rates = session_.services_.rates;
  if (session_.events_.Take(1, now) && rates.events.Take(1, now) && rates.bytes.Take(bytes, now)) {
    return true;
  }
  session_.services_.metrics.rate_limited.Add();
  return false;
}

ChannelFate Channel::Broadcast(std::optional<std::string_view> ref, router::Broadcast message) {
  const auto answer = [&](ReplyStatus status, std::string_view response) {
    if (request_.broadcast_ack) session_.Reply({join_ref_, ref, topic_}, status, response);
    return ChannelFate::kStays;
  };
  const size_t bytes = message.payload.size() + message.bytes.size();
  const bool raw = message.payload.empty();
  if (bytes > session_.services_.limits.broadcast_bytes_max ||
      (raw && topic_.size() > protocol::kBinaryNameBytesMax)) {
    session_.services_.metrics.broadcasts_refused.Add();
    return answer(ReplyStatus::kError, R"({"error":"payload_size_exceeded"})");
  }
  if (!WithinRates(bytes)) return End("Too many messages per second");
  if (!MayWrite(policy::Extension::kBroadcast)) {
    return answer(ReplyStatus::kError, R"({"error":"unauthorized"})");
  }
  message.topic = topic_;
  message.bus = bus_;
  message.sender = request_.broadcast_self ? 0 : broadcasts_.id();
  session_.services_.bus.Publish(std::move(message));
  return answer(ReplyStatus::kOk, "{}");
}

void Channel::AskBroadcasts() {
  router::HistoryQuery query{.bus = bus_, .topic = topic_, .after = {}, .since = {}, .limit = 0};
  broadcast_catch_up_ =
      std::make_unique<BroadcastCatchUp>(session_.services_.limits.replay_bytes_max);
  if (request_.resume && !request_.resume->since.empty()) {
    const auto since = ParsePosition(request_.resume->since);
    // An epoch that cannot be: the home answers with its head all the same.
    query.after = since.ok() ? *since : Position{};
    broadcast_catch_up_->unreadable = !since.ok();
  } else if (request_.replay) {
    query.since = WallTime{std::chrono::milliseconds{request_.replay->since_ms}};
    query.limit = request_.replay->limit;
  }
  session_.services_.bus.ReadHistory(
      std::move(query), [this, alive = alive_](router::HistoryAnswer answer) {
        if (*alive) OnBroadcasts(std::move(answer));
      });
}

void Channel::OnBroadcasts(router::HistoryAnswer answer) {
  BroadcastCatchUp& missed = *broadcast_catch_up_;
  missed.answer = std::move(answer);
  if (missed.unreadable) missed.answer.reason = "unknown_position";
  size_t bytes = 0;
  for (const auto& message : missed.answer.messages) bytes += message->ApproximateBytes();
  if (bytes > session_.services_.limits.replay_bytes_max) missed.Refuse("too_many");
  if (slow_ == protocol::SlowPolicy::kConflate) {
    session_.services_.metrics.conflated.Add(KeepNewest(missed.answer.messages));
  }
  // From here on nothing is missed: the home sends what follows behind its answer.
  if (rights_.broadcast) JoinBroadcasts(missed.held);
  Begin();
}

void Channel::JoinBroadcasts(router::Receiver& receiver) {
  session_.services_.bus.members().Join(
      {.bus = bus_,
       .topic = topic_,
       .version = session_.version_,
       .positions = request_.resume ? BroadcastPositions::kYes : BroadcastPositions::kNo},
      receiver, broadcasts_);
}

void Channel::ListenBroadcasts() {
  if (!rights_.broadcast) {
    behind_.reset();
    return broadcasts_.Leave();
  }
  // What it missed comes first.
  if (behind_ != nullptr) return;
  if (!broadcasts_.joined()) JoinBroadcasts(session_.transport_);
}

// False when the connection had to be closed.
bool Channel::SendMissedBroadcasts() {
  if (broadcast_catch_up_ == nullptr) return true;
  const auto missed = std::move(broadcast_catch_up_);
  broadcasts_.Leave();
  if (missed->held.overflown()) {
    session_.services_.metrics.replays_overtaken.Add();
    session_.transport_.CloseWith(kTryAgainLater, "too slow to catch up");
    return false;
  }
  if (missed->answer.recovered) {
    auto& metrics = session_.services_.metrics;
    (*missed->answer.recovered ? metrics.broadcasts_resumed : metrics.broadcasts_not_resumed).Add();
  }
  if (rights_.broadcast) {
    std::string scratch;
    for (const auto& message : missed->answer.messages) {
      const io::SharedBytes frame = EncodeBroadcast(
          *message, session_.version_,
          request_.resume ? BroadcastPositions::kYes : BroadcastPositions::kNo,
          BroadcastOrigin::kReplayed, scratch);
      if (frame) session_.transport_.OnFrame(frame);
    }
    for (const io::SharedBytes& frame : missed->held.Take()) session_.transport_.OnFrame(frame);
  }
  if (request_.resume) {
    // Unmodified clients hand system messages to the application, but not their join reply.
    json::Writer writer;
    writer.Object().Key("extension").String("tidewire").Key("status").String("ok");
    writer.Key("message").String("broadcasts").Key("channel").String(name());
    missed->AppendVerdict(writer);
    writer.End();
    SendPush("system", writer.Take());
  }
  return true;
}

// In the join reply, beside what is said of row changes.
void Channel::AppendBroadcastVerdict(json::Writer& writer) const {
  if (!request_.resume || broadcast_catch_up_ == nullptr) return;
  writer.Key("broadcast").Object();
  broadcast_catch_up_->AppendVerdict(writer);
  writer.End();
}

}  // namespace tw::session
