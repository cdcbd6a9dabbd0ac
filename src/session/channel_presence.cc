// A channel's presence, and what its claims let it write.
#include "protocol/presence.h"
#include "session/channel.h"
#include "session/session.h"
#include "telemetry/log.h"

namespace tw::session {

using protocol::PresenceEvent;
using protocol::ReplyStatus;

ChannelFate Channel::End(std::string_view reason) {
  SendSystem("system", ReplyStatus::kError, reason);
  SendClose();
  return ChannelFate::kEnds;
}

ChannelFate Channel::TakeRights() {
  may_write_[0] = may_write_[1] = std::nullopt;
  if (!request_.is_private) return ChannelFate::kStays;
  const auto rights = session_.services_.channel_policy->Readable(*claims_, name());
  if (!rights.ok() || !rights->any()) {
    session_.services_.metrics.denied_reads.Add();
    return End("You no longer have permission to read from this Channel topic: " +
               std::string(name()));
  }
  rights_ = *rights;
  return ChannelFate::kStays;
}

bool Channel::MayWrite(policy::Extension extension) {
  if (!request_.is_private) return true;
  auto& known = may_write_[static_cast<int>(extension)];
  if (!known) {
    const auto allowed =
        session_.services_.channel_policy->Writable(*claims_, name(), extension);
    if (!allowed.ok()) {
      telemetry::Log(telemetry::Level::kWarning, "RlsPolicyError",
                     "a policy of channels failed; writing was denied",
                     {{"error", allowed.error().message}});
    }
    known = allowed.ok() && *allowed;
  }
  if (!*known) session_.services_.metrics.denied_writes.Add();
  return *known;
}

ChannelFate Channel::Presence(std::optional<std::string_view> ref, const json::Value& payload) {
  const auto answer = [&](ReplyStatus status, std::string_view response) {
    session_.Reply({join_ref_, ref, topic_}, status, response);
    return ChannelFate::kStays;
  };
  SessionServices& services = session_.services_;
  const PresenceEvent event = protocol::PresenceEventOf(payload);
  if (event == PresenceEvent::kUnknown) {
    services.metrics.messages_malformed.Add();
    return answer(ReplyStatus::kError, R"({"reason":"Unknown presence event"})");
  }
  const MonoTime now = services.clock.Mono();
  const json::Value tracked = payload["payload"];
  const std::string text =
      tracked.is_object() ? protocol::TrackedText(tracked) : std::string("}");
  if (!session_.presence_calls_.Take(1, now)) {
    services.metrics.rate_limited.Add();
    return End("Client presence rate limit exceeded");
  }
  if (!services.rates.presence_events.Take(1, now)) {
    services.metrics.rate_limited.Add();
    return End("Too many presence messages per second");
  }
  if (text.size() > services.limits.presence_bytes_max) return End("Track message size exceeded");
  if (!WithinRates(text.size())) return End("Too many messages per second");
  if (event == PresenceEvent::kUntrack) {
    if (presence_.attached()) services.bus.presence().Untrack(presence_);
    return answer(ReplyStatus::kOk, "{}");
  }
  if (!tracked.is_object()) {
    return answer(ReplyStatus::kError, R"({"reason":"Presence track payload must be a map"})");
  }
  if (!MayWrite(policy::Extension::kPresence)) {
    return answer(ReplyStatus::kError, R"({"reason":"unauthorized"})");
  }
  if (presence_key_.empty()) presence_key_ = services.random.Uuid();
  if (!presence_.attached()) {
    services.bus.presence().Attach(bus_, topic_, session_.version_, session_.transport_, presence_);
  }
  if (services.bus.presence().Track(presence_, presence_key_, text) !=
      router::PresenceHub::Tracked::kOk) {
    return answer(ReplyStatus::kError, R"({"reason":"Too many presences on this channel"})");
  }
  answer(ReplyStatus::kOk, "{}");
  // Who tracks takes part, whatever the join said.
  presence_wanted_ = true;
  if (state_ == ChannelState::kLive) ListenPresence();
  return ChannelFate::kStays;
}

void Channel::ListenPresence() {
  if (!presence_wanted_) return;
  if (!rights_.presence) {
    // Whoever may only write stays silent and tracked.
    if (presence_.attached()) session_.services_.bus.presence().Silence(presence_);
    return;
  }
  if (!presence_.attached()) {
    session_.services_.bus.presence().Attach(bus_, topic_, session_.version_, session_.transport_,
                                             presence_);
  }
  session_.services_.bus.presence().Listen(presence_);
}

void Channel::SendReadiness() {
  if (!request_.replication_ready) return;
  SendSystem("system", ReplyStatus::kOk, "Replication connection established");
}

}  // namespace tw::session
