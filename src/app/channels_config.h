// What the configuration says of channels: who may use them, what is kept, what is too much.
#pragma once

#include <array>
#include <chrono>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"

namespace tw::app {

using namespace std::chrono_literals;

// What becomes of a channel whose client's outbox is full.
enum class SlowClients : uint8_t { kResync, kConflate, kCut };

constexpr auto ConfigNames(SlowClients) {
  return std::array{config::Named{SlowClients::kResync, "resync"},
                    config::Named{SlowClients::kConflate, "conflate"},
                    config::Named{SlowClients::kCut, "cut"}};
}

// Under upstream's names (realtime-protocol §7.1).
struct LimitsConfig {
  uint32_t max_channels_per_client = 100;
  uint64_t max_joins_per_second = 0;
  uint64_t max_events_per_second = 0;
  uint64_t max_bytes_per_second = 0;
  uint64_t max_presence_events_per_second = 0;
  uint64_t max_client_events_per_second = 0;
  uint32_t max_payload_size_in_kb = 3'000;
  uint64_t client_presence_max_calls = 0;
  std::chrono::milliseconds client_presence_window = 30s;
};

constexpr void Describe(config::Of<LimitsConfig> auto& config, auto&& field) {
  constexpr uint64_t kMost = 1'000'000'000;
  field("max_channels_per_client", config.max_channels_per_client, 1u, 99'999u,
        "Channels of one connection; more joins are refused.");
  field("max_joins_per_second", config.max_joins_per_second, uint64_t{0}, kMost,
        "Joins of the whole process; more are refused, the connection stays. 0: no limit.");
  field("max_events_per_second", config.max_events_per_second, uint64_t{0}, kMost,
        "Broadcasts and presence messages of the whole process; more end their channel or get a"
        " 429. 0: no limit.");
  field("max_bytes_per_second", config.max_bytes_per_second, uint64_t{0}, uint64_t{1} << 40,
        "Payload bytes of the same. 0: no limit.");
  field("max_presence_events_per_second", config.max_presence_events_per_second, uint64_t{0},
        kMost, "Presence messages of the whole process; more end their channel. 0: no limit.");
  field("max_client_events_per_second", config.max_client_events_per_second, uint64_t{0}, kMost,
        "Broadcasts and presence messages of one connection; more end their channel. 0: no limit.");
  field("max_payload_size_in_kb", config.max_payload_size_in_kb, 1u, 65'000u,
        "Payload of one broadcast or presence message, in 1000 bytes.");
  field("client_presence_max_calls", config.client_presence_max_calls, uint64_t{0}, kMost,
        "Presence messages of one connection per client_presence_window; more end their channel."
        " 0: no limit.");
  field("client_presence_window", config.client_presence_window, 1s, 1h,
        "Window of client_presence_max_calls.");
}

struct BroadcastHistoryConfig {
  uint32_t messages_max = 100;
  std::chrono::milliseconds age_max = 5min;
  config::ByteSize bytes_max = config::MiB(1);
};

constexpr void DescribeHistory(auto& config, auto&& field) {
  field("messages_max", config.messages_max, 0u, 1'000'000u,
        "Newest broadcasts kept per channel; 0 keeps none.");
  field("age_max", config.age_max, 1s, 72h, "How long a broadcast is kept.");
  field("bytes_max", config.bytes_max, config::KiB(1), config::GiB(1),
        "Memory of one channel's broadcasts.");
}

constexpr void Describe(config::Of<BroadcastHistoryConfig> auto& config, auto&& field) {
  DescribeHistory(config, field);
}

struct ChannelClassConfig {
  std::string pattern;
  uint32_t messages_max = 100;
  std::chrono::milliseconds age_max = 5min;
  config::ByteSize bytes_max = config::MiB(1);
  std::optional<SlowClients> slow_clients;
};

constexpr void Describe(config::Of<ChannelClassConfig> auto& config, auto&& field) {
  field(config::Required("pattern"), config.pattern,
        "Name of a channel, or its beginning followed by *.");
  DescribeHistory(config, field);
  field("slow_clients", config.slow_clients, "As server.slow_clients, which counts without it.");
}

enum class ChannelRight : uint8_t { kAll, kSelect, kInsert };

constexpr auto ConfigNames(ChannelRight) {
  return std::array{config::Named{ChannelRight::kAll, "all"},
                    config::Named{ChannelRight::kSelect, "select"},
                    config::Named{ChannelRight::kInsert, "insert"}};
}

enum class ChannelPolicyKind : uint8_t { kPermissive, kRestrictive };

constexpr auto ConfigNames(ChannelPolicyKind) {
  return std::array{config::Named{ChannelPolicyKind::kPermissive, "permissive"},
                    config::Named{ChannelPolicyKind::kRestrictive, "restrictive"}};
}

struct ChannelPolicyConfig {
  std::string name;
  ChannelPolicyKind kind = ChannelPolicyKind::kPermissive;
  ChannelRight right = ChannelRight::kAll;
  std::vector<std::string> roles;
  config::Located<std::string> using_sql;
  config::Located<std::string> check_sql;
};

constexpr void Describe(config::Of<ChannelPolicyConfig> auto& config, auto&& field) {
  field(config::Required("name"), config.name, "Name, for messages.");
  field("kind", config.kind, "permissive policies are OR-ed, restrictive ones AND-ed.");
  field("for", config.right, "select: receiving; insert: sending; all: both.");
  field("roles", config.roles, "Roles it applies to; empty: all.");
  field("using", config.using_sql,
        "SQL expression over realtime.topic(), extension ('broadcast' or 'presence'), auth.uid(),"
        " auth.jwt() and auth.role(): who may receive.");
  field("with_check", config.check_sql, "The same for who may send; absent: as `using`.");
}

struct PresenceConfig {
  bool split_updates = true;
  std::chrono::milliseconds lost_after = 7s;
  uint32_t members_max = 100'000;
  config::ByteSize memory_max = config::MiB(256);
};

constexpr void Describe(config::Of<PresenceConfig> auto& config, auto&& field) {
  field("split_updates", config.split_updates,
        "An update is told as a leave and then a join, which every client release understands.");
  field("lost_after", config.lost_after, 0s, 5min,
        "A member whose connection was lost leaves after this time unless it comes back.");
  field("members_max", config.members_max, 1u, 10'000'000u, "Members of one channel.");
  field("memory_max", config.memory_max, config::MiB(1), config::GiB(64),
        "Memory of all channels' members, per event loop; more are refused.");
}

enum class DeletesTo : uint8_t { kReaders, kFollowers };

constexpr auto ConfigNames(DeletesTo) {
  return std::array{config::Named{DeletesTo::kReaders, "readers"},
                    config::Named{DeletesTo::kFollowers, "followers"}};
}

struct ChannelsConfig {
  bool private_only = false;
  DeletesTo deletes = DeletesTo::kReaders;
  std::vector<ChannelPolicyConfig> policies;
  PresenceConfig presence;
  BroadcastHistoryConfig history;
  std::vector<ChannelClassConfig> classes;
  config::ByteSize history_total_max = config::MiB(64);
  std::chrono::milliseconds access_token_throttle = 10s;
};

constexpr void Describe(config::Of<ChannelsConfig> auto& config, auto&& field) {
  field("private_only", config.private_only, "Whether channels that are not private are refused.");
  field("deletes", config.deletes,
        "Who is told of a DELETE: readers, who could see the row; followers, as Supabase does it: all "
        "who follow the table and whose filter fits, without row-level security the whole row, with "
        "it the primary key.");
  field("policies", config.policies,
        "Who may use private channels, as on realtime.messages; none: nobody but service_role.");
  field("presence", config.presence, "Who is there.");
  field("history", config.history, "What is kept of broadcasts for clients that return.");
  field("classes", config.classes,
        "Other histories and manners, by name of the channel; the first whose pattern fits counts.");
  field("history_total_max", config.history_total_max, config::MiB(1), config::GiB(64),
        "Memory of all channels' broadcasts, per event loop.");
  field("access_token_throttle", config.access_token_throttle, 0s, 1min,
        "A channel's token changes at most this often; the newest one counts in the end.");
}

}  // namespace tw::app
