// The `queries` of the main configuration file, as structs. Reference: docs/config.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"

namespace tw::query {

using namespace std::chrono_literals;

enum class ParameterType : uint8_t { kText, kInt, kNumber, kBool, kUuid, kDate, kTimestamptz };

constexpr auto ConfigNames(ParameterType) {
  return std::array{config::Named{ParameterType::kText, "text"},
                    config::Named{ParameterType::kInt, "int"},
                    config::Named{ParameterType::kNumber, "number"},
                    config::Named{ParameterType::kBool, "bool"},
                    config::Named{ParameterType::kUuid, "uuid"},
                    config::Named{ParameterType::kDate, "date"},
                    config::Named{ParameterType::kTimestamptz, "timestamptz"}};
}

struct ParameterConfig {
  config::Located<ParameterType> type;
  std::optional<config::Node> default_value;
  std::optional<double> min;
  std::optional<double> max;
  bool nullable = false;
};

constexpr void Describe(config::Of<ParameterConfig> auto& config, auto&& field) {
  field(config::Required("type"), config.type, "Type of the value.");
  field("default", config.default_value, "Value when a client gives none; without it one is due.");
  field("min", config.min, "Least number allowed.");
  field("max", config.max, "Greatest number allowed; for text the greatest number of bytes.");
  field("nullable", config.nullable, "Whether null is a value; it is then also the default.");
}

enum class QueryAccess : uint8_t { kCaller, kPublic };

constexpr auto ConfigNames(QueryAccess) {
  return std::array{config::Named{QueryAccess::kCaller, "caller"},
                    config::Named{QueryAccess::kPublic, "public"}};
}

enum class LiveMode : uint8_t { kAuto, kRows, kResult, kInvalidate, kOff };

constexpr auto ConfigNames(LiveMode) {
  return std::array{config::Named{LiveMode::kAuto, "auto"}, config::Named{LiveMode::kRows, "rows"},
                    config::Named{LiveMode::kResult, "result"},
                    config::Named{LiveMode::kInvalidate, "invalidate"},
                    config::Named{LiveMode::kOff, "off"}};
}

struct QueryCacheConfig {
  std::chrono::milliseconds ttl = 60s;
  std::chrono::milliseconds prefetch_before = 10s;
  std::chrono::milliseconds stale_max = 5min;
  std::chrono::milliseconds idle_after = 5min;
};

constexpr void Describe(config::Of<QueryCacheConfig> auto& config, auto&& field) {
  field("ttl", config.ttl, 100ms, 24h, "Age at which a result is read again.");
  field("prefetch_before", config.prefetch_before, 0ms, 1h,
        "While somebody reads or follows it, a result is read again so long before its ttl.");
  field("stale_max", config.stale_max, 0ms, 24h,
        "An older result is still answered, with its age, while it is read again or cannot be.");
  field("idle_after", config.idle_after, 1s, 24h, "An unused result leaves the memory.");
}

struct QueryLimitsConfig {
  uint32_t rows = 10'000;
  config::ByteSize bytes = config::MiB(4);
  std::chrono::milliseconds time = 2s;
};

constexpr void Describe(config::Of<QueryLimitsConfig> auto& config, auto&& field) {
  field("rows", config.rows, 1u, 1'000'000u, "Rows of a result; more is an error.");
  field("bytes", config.bytes, config::KiB(1), config::MiB(64), "Size of a result as JSON.");
  field("time", config.time, 1ms, 60s, "Time that an execution may take.");
}

struct QueryPolicyConfig {
  std::optional<std::chrono::milliseconds> poll;
  bool invalidate = true;
  bool realtime = true;
  bool optimistic = false;
};

constexpr void Describe(config::Of<QueryPolicyConfig> auto& config, auto&& field) {
  field("poll", config.poll, 1s, 24h, "How often a page polls when it is not live.");
  field("invalidate", config.invalidate, "Whether a page refreshes on invalidation.");
  field("realtime", config.realtime, "Whether a page follows the query.");
  field("optimistic", config.optimistic, "Whether a page shows its own writes at once.");
}

struct QueryConfig {
  config::Located<std::string> sql;
  config::OrderedMap<ParameterConfig> params;
  QueryAccess access = QueryAccess::kCaller;
  std::vector<std::string> roles;
  std::vector<config::Located<config::Node>> key;
  config::Located<std::vector<std::string>> row_key;
  config::Located<LiveMode> live = LiveMode::kAuto;
  config::Located<std::vector<std::string>> reads;
  std::vector<std::string> tags;
  QueryCacheConfig cache;
  QueryLimitsConfig limits;
  QueryPolicyConfig page;
};

constexpr void Describe(config::Of<QueryConfig> auto& config, auto&& field) {
  field(config::Required("sql"), config.sql,
        "One SELECT. :name is a parameter, :claims.path a claim of the caller's token.");
  field("params", config.params, "Parameters: name → type.");
  field("access", config.access,
        "caller: a caller gets the rows that row policies show them; public: nothing about the"
        " caller matters, refused where a table has row-level security.");
  field("roles", config.roles, "Roles that may run it; empty: every valid token.");
  field("key", config.key, "Client cache key; \":name\" stands for a parameter. Default: [name, args].");
  field("row_key", config.row_key, "Columns that identify a row: enables differences by row.");
  field("live", config.live, "How clients that follow it are kept true; auto: as well as it can be.");
  field("reads", config.reads,
        "Tables that it depends on, for what cannot be derived from the SQL.");
  field("tags", config.tags, "Tags for invalidation.");
  field("cache", config.cache, "How long results are kept.");
  field("limits", config.limits, "What an execution may cost.");
  field("page", config.page, "Policy of the pages that show it, for SDKs.");
}

}  // namespace tw::query
