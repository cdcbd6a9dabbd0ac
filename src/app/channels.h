// The configuration of channels in the terms of the rooms below.
#pragma once

#include "app/config.h"
#include "base/result.h"
#include "policy/channel_policy.h"
#include "session/session.h"

namespace tw::app {

session::SessionLimits SessionLimitsOf(const MainConfig& config);
session::SnapshotDeskLimits SnapshotLimitsOf(const HistoryConfig& config);
session::ChannelBusOptions ChannelBusOptionsOf(const ChannelsConfig& config);
session::RateLimits RateLimitsOf(const LimitsConfig& config);

// Errors: kInvalidArgument with the policy's place.
Result<policy::ChannelPolicyPtr> CompileChannelPolicy(const ChannelsConfig& config);

}  // namespace tw::app
