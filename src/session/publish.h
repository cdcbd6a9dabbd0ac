// Broadcasts from outside of any connection: an HTTP request, a command.
#pragma once

#include <cstdint>
#include <string>

#include "model/claims.h"
#include "router/broadcast.h"
#include "session/session.h"

namespace tw::session {

enum class PublishOutcome : uint8_t {
  kOk,
  kDenied,    // These claims may not write there, or public channels are refused.
  kTooLarge,  // Over the payload limit, or a name too long for a binary message.
};

// Whether the message may go out; of `message` topic, bus, payload or bytes count.
PublishOutcome MayPublish(const SessionServices& services, const Claims& claims,
                          const router::Broadcast& message);

enum class RateOutcome : uint8_t {
  kOk,
  kExceeded,
  kNeverFits,  // The messages alone are more than any burst may be.
};

// Takes `messages` with `bytes` of payload from the process' rates.
RateOutcome TakeRates(SessionServices& services, uint64_t messages, uint64_t bytes);

}  // namespace tw::session
