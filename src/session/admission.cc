// Who may join, and whose token counts from when on.
#include <utility>

#include "session/channel.h"
#include "session/session.h"
#include "telemetry/log.h"

namespace tw::session {

using protocol::ClientMessage;
using protocol::ReplyStatus;

std::expected<policy::ChannelRights, std::string> Session::Admit(
    const protocol::JoinRequest& request, const Claims& claims, std::string_view name) {
  const SessionLimits& limits = services_.limits;
  if (channels_.size() >= limits.channels_max) {
    return std::unexpected("ChannelRateLimitReached: Too many channels");
  }
  if (!services_.rates.joins.Take(1, services_.clock.Mono())) {
    services_.metrics.rate_limited.Add();
    return std::unexpected("ClientJoinRateLimitReached: Too many joins per second");
  }
  if (request.presence_key.size() > limits.presence_key_bytes_max) {
    return std::unexpected("InvalidJoinPayload: The presence key is longer than " +
                           std::to_string(limits.presence_key_bytes_max) + " bytes");
  }
  if (request.replay && !request.is_private) {
    return std::unexpected(
        "UnableToReplayMessages: Replay is not allowed for public channels");
  }
  if (request.replay && !request.replay->valid) {
    return std::unexpected("UnableToReplayMessages: Replay params are not valid");
  }
  if (!request.is_private) {
    if (limits.public_channels == PublicChannels::kRefused) {
      return std::unexpected("PrivateOnly: This project only allows private channels");
    }
    return policy::ChannelRights{.broadcast = true, .presence = true};
  }
  const auto rights = services_.channel_policy->Readable(claims, name);
  if (!rights.ok()) {
    telemetry::Log(telemetry::Level::kWarning, "RlsPolicyError",
                   "a policy of channels failed; a join was refused",
                   {{"error", rights.error().message}});
  }
  if (!rights.ok() || !rights->any()) {
    services_.metrics.denied_reads.Add();
    return std::unexpected(
        "Unauthorized: You do not have permissions to read from this Channel topic: " +
        std::string(name));
  }
  return *rights;
}

void Session::OnAccessToken(Channel& channel, const ClientMessage& message) {
  const std::string_view token = protocol::AccessTokenOf(message.payload);
  if (token.empty() || channel.KeepToken(token)) return;
  ApplyToken(channel, token);
}

void Session::ApplyToken(Channel& channel, std::string_view token) {
  auto claims = services_.verifier.Verify(token);
  if (!claims) return Settle(channel, channel.End(claims.error().message));
  if (*claims == channel.claims()) return;
  // Another person's token does not take over a channel: whose rows were shown must stay clear.
  if ((*claims)->sub != channel.claims()->sub && !channel.claims()->sub.empty()) {
    return Settle(channel, channel.End("The token belongs to another user"));
  }
  Settle(channel, channel.SetClaims(std::move(*claims)));
  ArmExpiry();
}

bool Channel::KeepToken(std::string_view token) {
  const SessionServices& services = session_.services_;
  const MonoTime now = services.clock.Mono();
  if (now >= token_allowed_at_) {
    token_allowed_at_ = now + services.limits.access_token_throttle;
    return false;
  }
  kept_token_ = token;
  if (!token_due_.armed()) {
    services.timers.Arm<&Channel::OnTokenDue>(token_due_, token_allowed_at_ - now, this);
  }
  return true;
}

void Channel::OnTokenDue() {
  const std::string token = std::exchange(kept_token_, {});
  token_allowed_at_ =
      session_.services_.clock.Mono() + session_.services_.limits.access_token_throttle;
  session_.ApplyToken(*this, token);  // May remove this channel.
}

}  // namespace tw::session
