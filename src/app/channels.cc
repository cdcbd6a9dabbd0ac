#include "app/channels.h"

#include <vector>

namespace tw::app {
namespace {

router::HistoryLimits HistoryLimitsOf(const auto& config) {
  return {.messages_max = config.messages_max,
          .age_max = config.age_max,
          .bytes_max = config.bytes_max.bytes};
}

policy::PolicyDefinition Definition(const ChannelPolicyConfig& policy,
                                    const config::Located<std::string>& sql) {
  return {.name = policy.name,
          .using_sql = *sql,
          .roles = policy.roles,
          .kind = policy.kind == ChannelPolicyKind::kPermissive
                      ? policy::PolicyDefinition::Kind::kPermissive
                      : policy::PolicyDefinition::Kind::kRestrictive,
          .where = ToString(sql.where)};
}

protocol::SlowPolicy SlowPolicyOf(SlowClients slow) {
  switch (slow) {
    case SlowClients::kResync:
      return protocol::SlowPolicy::kResync;
    case SlowClients::kConflate:
      return protocol::SlowPolicy::kConflate;
    case SlowClients::kCut:
      return protocol::SlowPolicy::kCut;
  }
  return protocol::SlowPolicy::kResync;
}

}  // namespace

session::SessionLimits SessionLimitsOf(const MainConfig& config) {
  // Upstream's sum: its limit is in 1000 bytes, and a little is added for the envelope.
  const uint32_t payload_bytes_max = config.limits.max_payload_size_in_kb * 1'000 + 500;
  session::SessionLimits limits;
  limits.channels_max = config.limits.max_channels_per_client;
  limits.replay_changes_max = config.history.replay_changes_max;
  limits.replay_bytes_max = config.history.replay_max.bytes;
  limits.broadcast_bytes_max = payload_bytes_max;
  limits.presence_bytes_max = payload_bytes_max;
  limits.client_events_per_second_max = config.limits.max_client_events_per_second;
  limits.presence_calls_max = config.limits.client_presence_max_calls;
  limits.presence_calls_window = config.limits.client_presence_window;
  limits.public_channels = config.channels.private_only ? session::PublicChannels::kRefused
                                                        : session::PublicChannels::kAllowed;
  limits.slow = SlowPolicyOf(config.server.slow_clients);
  // The first class that fits counts, also when it says nothing of this.
  for (const ChannelClassConfig& channel_class : config.channels.classes) {
    limits.slow_classes.push_back(
        {channel_class.pattern,
         SlowPolicyOf(channel_class.slow_clients.value_or(config.server.slow_clients))});
  }
  limits.access_token_throttle = config.channels.access_token_throttle;
  return limits;
}

session::SnapshotDeskLimits SnapshotLimitsOf(const HistoryConfig& config) {
  return {.each = {.rows_max = config.snapshot_rows_max, .bytes_max = config.snapshot_max.bytes}};
}

session::ChannelBusOptions ChannelBusOptionsOf(const ChannelsConfig& config) {
  session::ChannelBusOptions options;
  options.history.limits = HistoryLimitsOf(config.history);
  for (const ChannelClassConfig& channel_class : config.classes) {
    options.history.classes.push_back({channel_class.pattern, HistoryLimitsOf(channel_class)});
  }
  options.history.total_bytes_max = config.history_total_max.bytes;
  options.presence.updates = config.presence.split_updates ? router::PresenceUpdates::kSplit
                                                           : router::PresenceUpdates::kWhole;
  options.presence.lost_after = config.presence.lost_after;
  options.presence.metas_max = config.presence.members_max;
  options.presence.bytes_max = config.presence.memory_max.bytes;
  return options;
}

session::RateLimits RateLimitsOf(const LimitsConfig& config) {
  return {.joins_per_second_max = config.max_joins_per_second,
          .events_per_second_max = config.max_events_per_second,
          .bytes_per_second_max = config.max_bytes_per_second,
          .presence_events_per_second_max = config.max_presence_events_per_second};
}

Result<policy::ChannelPolicyPtr> CompileChannelPolicy(const ChannelsConfig& config) {
  std::vector<policy::PolicyDefinition> read, write;
  for (const ChannelPolicyConfig& policy : config.policies) {
    const auto& check = policy.check_sql->empty() ? policy.using_sql : policy.check_sql;
    const bool reads = policy.right != ChannelRight::kInsert;
    if (reads && policy.using_sql->empty()) {
      return Fail(ErrorCode::kInvalidArgument, "channels.policies: policy '" + policy.name +
                                                   "' for receiving needs `using`");
    }
    if (check->empty()) {
      return Fail(ErrorCode::kInvalidArgument, "channels.policies: policy '" + policy.name +
                                                   "' for sending needs `with_check`");
    }
    if (reads) read.push_back(Definition(policy, policy.using_sql));
    if (policy.right != ChannelRight::kSelect) write.push_back(Definition(policy, check));
  }
  return policy::ChannelPolicy::Compile(read, write);
}

}  // namespace tw::app
