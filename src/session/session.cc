#include "session/session.h"

#include <algorithm>

#include "io/bytes.h"
#include "json/json.h"
#include "protocol/broadcast.h"
#include "protocol/join.h"
#include "router/topic_pattern.h"
#include "session/channel.h"
#include "session/live_queries.h"
#include "websocket/shared_frame.h"

namespace tw::session {

using protocol::Address;
using protocol::ClientMessage;
using protocol::ReplyStatus;

namespace {

constexpr std::string_view kTopicPrefix = "realtime:";
// Of 3500 and above: a client that knows our codes does not come back by itself.
constexpr uint16_t kRevoked = 3501;

// A topic is safe to log, to route and to send back.
bool IsTopic(std::string_view topic, uint32_t bytes_max) {
  return topic.size() <= bytes_max &&
         topic.find_first_of(std::string_view("\0\r\n", 3)) == std::string_view::npos;
}

std::string ExpiredText(std::chrono::seconds ago) {
  return "Token has expired " + std::to_string(ago.count()) + " seconds ago";
}

telemetry::Counter& SnapshotCounter(telemetry::Registry& registry, const char* outcome) {
  return registry.GetCounter("tidewire_session_snapshots_total",
                             "Joins that asked for rows, by outcome.", {{"outcome", outcome}});
}

telemetry::Counter& BehindCounter(telemetry::Registry& registry, const char* slow) {
  return registry.GetCounter("tidewire_session_behind_total",
                             "Times that a channel fell behind its client, by what it got then.",
                             {{"slow", slow}});
}

std::string ReasonJson(std::string_view reason) {
  json::Writer writer;
  writer.Object().Key("reason").String(reason).End();
  return writer.Take();
}

}  // namespace

SessionMetrics::SessionMetrics(telemetry::Registry& registry)
    : sessions(registry.GetGauge("tidewire_session_sessions", "Open realtime sessions.")),
      channels(registry.GetGauge("tidewire_session_channels", "Joined channels.")),
      joins_ok(registry.GetCounter("tidewire_session_joins_total", "Channel joins, by outcome.",
                                   {{"outcome", "ok"}})),
      joins_refused(registry.GetCounter("tidewire_session_joins_total",
                                        "Channel joins, by outcome.", {{"outcome", "refused"}})),
      messages_malformed(
          registry.GetCounter("tidewire_session_messages_dropped_total",
                              "Messages that could not be read and were dropped.")),
      resumed(registry.GetCounter("tidewire_session_resumes_total",
                                  "Joins with a position, by verdict.", {{"recovered", "true"}})),
      not_resumed(registry.GetCounter("tidewire_session_resumes_total",
                                      "Joins with a position, by verdict.",
                                      {{"recovered", "false"}})),
      expired(registry.GetCounter("tidewire_session_expired_total",
                                  "Channels closed because their token ended.")),
      revoked(registry.GetCounter("tidewire_session_revoked_total",
                                  "Channels and connections closed because their token was "
                                  "revoked.")),
      broadcasts_refused(registry.GetCounter("tidewire_session_broadcasts_refused_total",
                                             "Broadcasts over the size limit.")),
      replays_overtaken(registry.GetCounter(
          "tidewire_session_replays_overtaken_total",
          "Reads of the log for clients so slow that the changes behind them left the memory.")),
      denied_reads(registry.GetCounter("tidewire_session_denied_total",
                                       "Private channels refused by policy, by what was asked.",
                                       {{"right", "read"}})),
      denied_writes(registry.GetCounter("tidewire_session_denied_total",
                                        "Private channels refused by policy, by what was asked.",
                                        {{"right", "write"}})),
      rate_limited(registry.GetCounter("tidewire_session_rate_limited_total",
                                       "Messages and joins refused by a rate.")),
      broadcasts_resumed(registry.GetCounter("tidewire_session_broadcast_resumes_total",
                                             "Joins with a position of broadcasts, by verdict.",
                                             {{"recovered", "true"}})),
      broadcasts_not_resumed(registry.GetCounter("tidewire_session_broadcast_resumes_total",
                                                 "Joins with a position of broadcasts, by verdict.",
                                                 {{"recovered", "false"}})),
      snapshots_sent(SnapshotCounter(registry, "sent")),
      snapshots_too_large(SnapshotCounter(registry, "too_large")),
      snapshots_busy(SnapshotCounter(registry, "busy")),
      snapshots_unavailable(SnapshotCounter(registry, "unavailable")),
      snapshots_denied(SnapshotCounter(registry, "denied")),
      snapshots_slow(SnapshotCounter(registry, "slow")),
      behind_resync(BehindCounter(registry, "resync")),
      behind_conflate(BehindCounter(registry, "conflate")),
      behind_lost(registry.GetCounter("tidewire_session_behind_lost_total",
                                      "Channels ended because what their slow client had missed "
                                      "was no longer to be had.")),
      conflated(registry.GetCounter("tidewire_session_conflated_total",
                                    "Changes and broadcasts left out because a newer one took "
                                    "their place.")) {}

protocol::SlowPolicy SessionLimits::SlowPolicyOf(std::string_view name) const {
  for (const SlowClass& candidate : slow_classes) {
    if (router::TopicFits(candidate.pattern, name)) return candidate.policy;
  }
  return slow;
}

Session::Session(SessionServices& services, Transport& transport, protocol::Version version,
                 ClaimsPtr claims)
    : services_(services),
      transport_(transport),
      version_(version),
      claims_(std::move(claims)),
      events_(services.limits.client_events_per_second_max),
      presence_calls_(services.limits.presence_calls_max, services.limits.presence_calls_window,
                      services.limits.presence_calls_window) {
  services_.metrics.sessions.Add(1);
  services_.sessions.insert(this);
}

Session::~Session() {
  services_.sessions.erase(this);
  services_.metrics.sessions.Add(-1);
}

void Session::OnText(std::string_view text) {
  const auto message = protocol::ParseClientMessage(text, version_);
  if (!message.ok()) {
    services_.metrics.messages_malformed.Add();
    return;
  }
  if (message->topic == "phoenix") {
    if (message->event == "heartbeat") OnHeartbeat(*message);
    return;
  }
  if (message->event == "phx_join") return OnJoin(*message);
  if (message->event == "phx_leave") return OnLeave(*message);
  Channel* const channel = FindChannel(message->topic);
  if (channel == nullptr) {
    return Reply({std::nullopt, message->ref, message->topic}, ReplyStatus::kError,
                 ReasonJson("unmatched topic"));
  }
  // A stale join ref belongs to an instance of the channel that is gone.
  if (message->join_ref && *message->join_ref != channel->join_ref()) return;
  if (message->event == "access_token") return OnAccessToken(*channel, *message);
  if (message->event == "query_open" || message->event == "query_close") {
    return channel->OnQueryMessage(*message);
  }
  if (message->event == "broadcast") return OnBroadcast(*channel, *message);
  if (message->event == "presence") {
    Settle(*channel, channel->Presence(message->ref, message->payload));
  }
}

void Session::OnBinary(std::string_view message) {
  const auto push = version_ == protocol::Version::kV2
                        ? protocol::ParseUserBroadcastPush(message)
                        : Fail(ErrorCode::kInvalidArgument, "version 1 has no binary messages");
  if (!push.ok()) return services_.metrics.messages_malformed.Add();
  Channel* channel = FindChannel(push->topic);
  // Some clients garble topics that are not ASCII; the join ref names the channel as well.
  for (const auto& candidate : channels_) {
    if (channel == nullptr && push->join_ref && push->join_ref == candidate->join_ref()) {
      channel = candidate.get();
    }
  }
  if (channel == nullptr) {
    return Reply({std::nullopt, push->ref, push->topic}, ReplyStatus::kError,
                 ReasonJson("unmatched topic"));
  }
  if (push->join_ref && *push->join_ref != channel->join_ref()) return;
  if (push->encoding == protocol::BroadcastEncoding::kRaw) {
    return Settle(*channel, channel->Broadcast(push->ref, {.event = push->event,
                                                           .bytes = std::string(push->payload)}));
  }
  const auto document = json::Parse(push->payload);
  if (!document.ok()) return services_.metrics.messages_malformed.Add();
  Settle(*channel,
         channel->Broadcast(push->ref,
                            {.payload = protocol::BroadcastPayload(push->event, push->payload)}));
}

void Session::Settle(Channel& channel, ChannelFate fate) {
  if (fate == ChannelFate::kEnds) Remove(channel);
}

void Session::OnBroadcast(Channel& channel, const ClientMessage& message) {
  if (!message.payload.is_object()) return services_.metrics.messages_malformed.Add();
  Settle(channel, channel.Broadcast(message.ref, {.payload = message.payload.ToText()}));
}

void Session::OnHeartbeat(const ClientMessage& message) {
  for (const auto& channel : channels_) channel->TellPosition();
  const bool positions = std::ranges::any_of(
      channels_, [](const auto& channel) {
        return channel->wants_positions() || channel->follows_queries();
      });
  std::string response = "{}";
  if (positions) {
    response = "{\"tidewire\":{\"position\":\"" + ToString(services_.feed.head()) + "\"";
    if (services_.queries != nullptr) {
      response +=
          ",\"queries\":\"" + ToString(services_.queries->front().settled()) + "\"";
    }
    response += "}}";
  }
  Reply({std::nullopt, message.ref, "phoenix"}, ReplyStatus::kOk, response);
}

void Session::OnJoin(const ClientMessage& message) {
  if (!message.topic.starts_with(kTopicPrefix) ||
      !IsTopic(message.topic, services_.limits.topic_bytes_max)) {
    return RefuseJoin(message, "unmatched topic");
  }
  if (message.topic.size() == kTopicPrefix.size()) {
    return RefuseJoin(message, "TopicNameRequired: You must provide a topic name");
  }
  // Also when the new join is refused: its client has given up the old instance already.
  if (Channel* const joined = FindChannel(message.topic)) {
    joined->SendClose();
    Remove(*joined);
  }
  auto request = protocol::ParseJoin(message.payload);
  if (!request.ok()) return RefuseJoin(message, request.error().message);
  if (request->since.empty() &&
      std::ranges::all_of(request->bindings, &std::string::empty, &protocol::BindingRequest::since)) {
    request->since = resume_at_;
  }
  ClaimsPtr claims = claims_;
  if (!request->access_token.empty()) {
    auto verified = services_.verifier.Verify(request->access_token);
    if (!verified) {
      return RefuseJoin(message, std::string(UpstreamCode(verified.error().code)) + ": " +
                                     verified.error().message);
    }
    claims = std::move(*verified);
  } else if (claims->expires_at <= services_.clock.Wall()) {
    const auto ago =
        std::chrono::duration_cast<std::chrono::seconds>(services_.clock.Wall() - claims->expires_at);
    return RefuseJoin(message, "InvalidJWTToken: " + ExpiredText(ago));
  }
  const auto rights = Admit(*request, *claims, message.topic.substr(kTopicPrefix.size()));
  if (!rights) return RefuseJoin(message, rights.error());
  // Version 1 carries no join ref before the join: its own ref is the channel's.
  std::optional<std::string> join_ref(message.join_ref ? message.join_ref : message.ref);
  channels_.push_back(std::make_unique<Channel>(*this, std::move(join_ref),
                                                std::string(message.topic), std::move(*request),
                                                std::move(claims), *rights));
  Channel& channel = *channels_.back();
  ArmExpiry();
  channel.Start(message.ref);
}

void Session::RefuseJoin(const ClientMessage& message, std::string_view reason) {
  services_.metrics.joins_refused.Add();
  Reply({message.join_ref, message.ref, message.topic}, ReplyStatus::kError, ReasonJson(reason));
}

void Session::RefuseStarted(Channel& channel, std::string_view reason) {
  services_.metrics.joins_refused.Add();
  Reply({channel.join_ref(), channel.join_reference(), channel.topic()}, ReplyStatus::kError,
        ReasonJson(reason));
  Remove(channel);
}

void Session::OnLeave(const ClientMessage& message) {
  Channel* const channel = FindChannel(message.topic);
  if (channel != nullptr && message.join_ref && *message.join_ref != channel->join_ref()) return;
  if (channel == nullptr) {
    return Reply({message.join_ref, message.ref, message.topic}, ReplyStatus::kOk, "{}");
  }
  Reply({channel->join_ref(), message.ref, message.topic}, ReplyStatus::kOk, "{}");
  channel->SendClose();
  Remove(*channel);
}

void Session::OnDrained() {
  // A replay that cannot be finished ends its channel, not the list.
  for (const auto& channel : channels_) {
    channel->ContinueReplay();
    channel->ContinueBehind();
  }
}

void Session::RemoveEnded() {
  if (std::erase_if(channels_, [](const auto& channel) { return channel->ended(); }) > 0) {
    ArmExpiry();
  }
}

std::optional<Position> Session::SettledPosition() const {
  const bool settled = !channels_.empty() && std::ranges::all_of(channels_, &Channel::live);
  return settled ? std::optional(services_.feed.head()) : std::nullopt;
}

Excess Session::OnExcess(const io::SharedBytes& frame) {
  if (replaying_) return Excess::kSend;
  if (const uint64_t change = services_.feed.router().publishing(); change > 0) {
    if (behind_from_ == 0) {
      const bool cut = std::ranges::any_of(channels_, [](const auto& channel) {
        return channel->follows_changes() && channel->slow() == protocol::SlowPolicy::kCut;
      });
      if (cut) return Excess::kCut;
      behind_from_ = change;
      behind_ = true;
    }
    // The change at which the outbox was full goes whole, so that all channels stand at the same
    // place; those behind it come again with the replay.
    return change > behind_from_ ? Excess::kDrop : Excess::kSend;
  }
  const router::BroadcastHub::Sending& broadcast = services_.bus.members().sending();
  const router::PresenceMember* const presence = services_.bus.presence().telling();
  for (const auto& channel : channels_) {
    const bool ours = broadcast.membership == &channel->broadcasts();
    if (!ours && presence != &channel->presence()) continue;
    const Excess outcome = ours ? channel->OnExcessBroadcast(*broadcast.message, frame)
                                : channel->OnExcessPresence();
    behind_ |= outcome == Excess::kDrop;
    return outcome;
  }
  // A reply, or a message that is told once.
  return behind_ ? Excess::kSend : Excess::kCut;
}

void Session::Resync() {
  behind_ = false;
  const uint64_t after = std::exchange(behind_from_, 0);
  for (const auto& channel : channels_) {
    if (after > 0) channel->Lag(after);
    channel->StepBack();
  }
  OnDrained();
}

void Session::OnRevocations() {
  const std::string reason = MakeAuthError(auth::AuthErrorCode::kRevoked).message;
  const bool all = services_.verifier.IsRevoked(*claims_);
  for (size_t i = 0; i < channels_.size();) {
    Channel& channel = *channels_[i];
    if (!all && !services_.verifier.IsRevoked(*channel.claims())) {
      ++i;
      continue;
    }
    services_.metrics.revoked.Add();
    Settle(channel, channel.End(reason));
  }
  if (!all) return ArmExpiry();
  services_.metrics.revoked.Add();
  transport_.CloseWith(kRevoked, reason);
}

void Session::AnnounceRestart() {
  for (const auto& channel : channels_) {
    channel->SendSystem("system", ReplyStatus::kOk, "Server requested disconnect");
  }
}

void Session::OnCatalog() {
  for (const auto& channel : channels_) channel->OnCatalog();
}

void Session::OnDatabase(Database state) {
  const bool away = state == Database::kAway;
  for (const auto& channel : channels_) {
    if (!channel->wants_positions()) continue;
    channel->SendSystem("tidewire", away ? ReplyStatus::kError : ReplyStatus::kOk,
                        away ? "database_unreachable" : "database_reachable");
  }
}

void Session::OnTruncate(const Relation& relation) {
  for (const auto& channel : channels_) channel->OnTruncate(relation);
}

void Session::AnnounceGap() {
  constexpr uint16_t kServiceRestart = 1012;
  for (const auto& channel : channels_) {
    channel->SendSystem("tidewire", ReplyStatus::kError, "history_lost");
  }
  transport_.CloseWith(kServiceRestart, "changes were lost; read anew");
}

Channel* Session::FindChannel(std::string_view topic) {
  const auto found = std::ranges::find(channels_, topic,
                                       [](const auto& channel) { return channel->topic(); });
  return found == channels_.end() ? nullptr : found->get();
}

void Session::Remove(Channel& channel) {
  channel.LeavePresence(router::Departure::kSaid);
  std::erase_if(channels_, [&](const auto& entry) { return entry.get() == &channel; });
}

// One timer for the earliest end; re-armed whenever the set of tokens changes.
void Session::ArmExpiry() {
  WallTime earliest = WallTime::max();
  for (const auto& channel : channels_) {
    earliest = std::min(earliest, channel->claims()->expires_at);
  }
  if (earliest == WallTime::max()) return expiry_.Cancel();
  // Long waits are cut, so that a step of the wall clock is noticed.
  constexpr std::chrono::microseconds kCheckAtLeastEvery = std::chrono::minutes{5};
  const auto left = earliest - services_.clock.Wall();
  // The grace counts from the token's end, however often the timer is set anew meanwhile.
  const auto wait = left >= kCheckAtLeastEvery
                        ? kCheckAtLeastEvery
                        : std::clamp(left + std::chrono::microseconds(services_.limits.expiry_grace),
                                     std::chrono::microseconds{0}, kCheckAtLeastEvery);
  services_.timers.Arm<&Session::OnExpiry>(expiry_, wait, this);
}

void Session::OnExpiry() {
  const WallTime now = services_.clock.Wall();
  for (size_t i = 0; i < channels_.size();) {
    Channel& channel = *channels_[i];
    if (channel.claims()->expires_at > now - services_.limits.expiry_grace) {
      ++i;
      continue;
    }
    const auto ago = std::chrono::duration_cast<std::chrono::seconds>(
        now - channel.claims()->expires_at);
    channel.SendSystem("system", ReplyStatus::kError, ExpiredText(ago));
    channel.SendClose();
    services_.metrics.expired.Add();
    Remove(channel);
  }
  ArmExpiry();
}

void Session::Reply(const Address& address, ReplyStatus status, std::string_view response) {
  SendText(EncodeReply(version_, address, status, response));
}

void Session::SendText(std::string_view text) {
  transport_.OnFrame(websocket::ShareFrame(websocket::Opcode::kText, text));
}

}  // namespace tw::session
