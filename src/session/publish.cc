#include "session/publish.h"

#include "protocol/broadcast.h"
#include "telemetry/log.h"

namespace tw::session {
namespace {

constexpr std::string_view kTopicPrefix = "realtime:";

}  // namespace

PublishOutcome MayPublish(const SessionServices& services, const Claims& claims,
                          const router::Broadcast& message) {
  const bool raw = message.payload.empty();
  if (message.payload.size() + message.bytes.size() > services.limits.broadcast_bytes_max ||
      (raw && (message.topic.size() > protocol::kBinaryNameBytesMax ||
               message.event.size() > protocol::kBinaryNameBytesMax))) {
    services.metrics.broadcasts_refused.Add();
    return PublishOutcome::kTooLarge;
  }
  if (message.bus == router::Bus::kPublic) {
    return services.limits.public_channels == PublicChannels::kAllowed ? PublishOutcome::kOk
                                                                       : PublishOutcome::kDenied;
  }
  const auto allowed = services.channel_policy->Writable(
      claims, std::string_view(message.topic).substr(kTopicPrefix.size()),
      policy::Extension::kBroadcast);
  if (!allowed.ok()) {
    telemetry::Log(telemetry::Level::kWarning, "RlsPolicyError",
                   "a policy of channels failed; writing was denied",
                   {{"error", allowed.error().message}});
  }
  if (allowed.ok() && *allowed) return PublishOutcome::kOk;
  services.metrics.denied_writes.Add();
  return PublishOutcome::kDenied;
}

RateOutcome TakeRates(SessionServices& services, uint64_t messages, uint64_t bytes) {
  const MonoTime now = services.clock.Mono();
  if (!services.rates.events.Fits(messages) || !services.rates.bytes.Fits(bytes)) {
    services.metrics.rate_limited.Add();
    return RateOutcome::kNeverFits;
  }
  if (services.rates.events.Take(messages, now) && services.rates.bytes.Take(bytes, now)) {
    return RateOutcome::kOk;
  }
  services.metrics.rate_limited.Add();
  return RateOutcome::kExceeded;
}

}  // namespace tw::session
