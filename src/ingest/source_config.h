// A source file as written: one provider's webhooks, what its events mean, and where they go
// (ingestion spec §3.2, the part that webhooks need). Names are still text with their
// places in the file; source.h is the checked form.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/environment.h"
#include "config/node.h"
#include "config/types.h"
#include "ingest/mapping/expression.h"
#include "ingest/poll/poll_config.h"
#include "ingest/webhook/handshake.h"

namespace tw::ingest {

using config::Located;
using config::OneOrList;
using config::OrderedMap;

// A name, with its place.
using Text = Located<std::string>;
// A compiled expression, or a list of them of which the first that is not null counts.
using Formula = Located<mapping::Expression>;

enum class TenantIdType : uint8_t { kInteger, kText, kUuid };
enum class UnknownTenant : uint8_t { kPark };
enum class UnknownType : uint8_t { kLog };
enum class Fold : uint8_t { kNone, kLower };
enum class Ambiguous : uint8_t { kNearest, kNew };
enum class SetDefault : uint8_t { kNewest };
enum class DeleteRule : uint8_t { kNever };
enum class LocalEdit : uint8_t { kKeep };
enum class CounterZone : uint8_t { kTenant };

struct RegistryConfig {
  Text table;
  // id and name; active and timezone where they exist; any other becomes ${tenant.NAME}.
  OrderedMap<Text> columns;
};
struct ParkLimitConfig {
  std::chrono::microseconds keep = std::chrono::days{7};
  uint64_t events = 100'000;
};
struct TenantsConfig {
  TenantIdType id = TenantIdType::kText;
  RegistryConfig registry;
  Text timezone_default{std::string("UTC")};
  UnknownTenant on_unknown = UnknownTenant::kPark;
  ParkLimitConfig park_limit;
  std::optional<CredentialsConfig> credentials;
};

// One way to prove who sends. `scheme` is a preset's name; the other keys are its knobs, empty for
// "as the preset says" (spec §2.1).
struct AuthenticateConfig {
  Text scheme;
  OneOrList<config::Secret> secret;  // Any of them; several while one is rotated.
  Text param;                        // path-token: the path's parameter.
  Text user;                         // basic
  Text header;                       // Where the signature or the token is.
  Text algorithm;                    // sha1, sha256, sha512
  Text encoding;                     // hex, base64, base64url
  Text key;                          // utf8, base64, hex
  Text prefix;                       // In front of the signature.
  Text message;                      // Template, e.g. "v0:{timestamp}:{body}"; default "{body}".
  Text timestamp_header;
  Text timestamp_unit;                     // s, ms
  Text id_header;                          // A delivery id that the message covers.
  std::chrono::microseconds tolerance{0};  // Zero: the preset's.
};
struct AuthenticateAnyConfig {
  std::vector<AuthenticateConfig> any_of;
};

struct ReplyConfig {
  uint32_t status = 200;
  std::string content_type = "application/json";
  std::string body = "{\"ok\":true}";
};
struct RefusedConfig {
  uint32_t status = 401;
  std::chrono::microseconds keep = std::chrono::days{7};
  config::ByteSize keep_bytes = config::MiB(256);
};
struct TypeConfig {
  Formula at;
  Text constant;  // Written as `const`: every event has this type.
  Fold fold = Fold::kLower;
  OrderedMap<Text> alias;
  UnknownType unknown = UnknownType::kLog;
};
// A table that says which tenant an outside name belongs to.
struct ViaConfig {
  Text table;
  Text column;  // The outside name.
  Text tenant;  // The tenant's id; empty: the table's only other key column is not guessed.
};
struct WebhookTenantConfig {
  Formula at;
  std::optional<ViaConfig> via;
};
struct WebhookConfig {
  Text path;
  Text public_url;  // What senders call in front of the path: "https://hooks.example.com".
  std::vector<Text> methods{Text(std::string("POST"))};
  AuthenticateAnyConfig authenticate;
  std::vector<HandshakeConfig> handshake;
  config::ByteSize max_body = config::MiB(1);
  ReplyConfig reply;
  RefusedConfig refused;
  Formula events;  // Default $.
  TypeConfig type;
  WebhookTenantConfig tenant;
};

struct MatchConfig {
  std::vector<Text> on;
  Text window;  // A duration or "forever".
};
struct FactConfig {
  OrderedMap<Text> ids;
  MatchConfig match;
  Text at{std::string("occurred_at")};
  Ambiguous on_ambiguous = Ambiguous::kNearest;
};

struct MetricConfig {
  Text fact;
};
struct CountersConfig {
  Text table;
  OrderedMap<Formula> key;
  Text day_table;
  CounterZone time_zone = CounterZone::kTenant;
  bool create_at_rollover = false;
  std::chrono::microseconds fact_retention = std::chrono::days{400};
  OrderedMap<MetricConfig> metrics;
  OrderedMap<Formula> stamp;
};

struct VersionConfig {
  Text at{std::string("occurred_at")};
  std::vector<Text> tie;
};
struct SetRuleConfig {
  SetDefault default_rule = SetDefault::kNewest;
  bool null_never_overwrites = true;
};
struct TableConfig {
  Text table;  // Empty: the entry's name.
  OrderedMap<Formula> key;
  VersionConfig version;
  OrderedMap<Formula> set;
  SetRuleConfig set_rule;
  OrderedMap<Formula> insert_only;
  std::vector<Text> local_owned;
  DeleteRule delete_rule = DeleteRule::kNever;
};
struct StagesConfig {
  Text column;  // "table.column"
  std::vector<Text> ladder;
  std::vector<Text> terminal;
  LocalEdit local_edit = LocalEdit::kKeep;
  Text remember_previous_in;
};

struct StageConfig {
  Text advance_to;
  Text terminal;
};
struct EventConfig {
  std::vector<Text> fields;
  OrderedMap<Formula> set;
  Formula occurred_at;
  Text fact;
  std::vector<Text> upsert;
  StageConfig stage;
};

struct FreshnessConfig {
  Text table;
  // Without `key`: one health row per tenant; `columns` is value → column. With it: one row per
  // tenant and source for syncs; `columns` is column → value.
  OrderedMap<Formula> key;
  OrderedMap<Text> columns;
  Touch touch_when = Touch::kAlways;
  std::chrono::microseconds warn_after = std::chrono::minutes{5};
  std::chrono::microseconds error_after = std::chrono::minutes{10};
};

struct LogKeepConfig {
  std::chrono::microseconds ok = std::chrono::days{30};
  std::chrono::microseconds ok_body = std::chrono::days{7};
  std::chrono::microseconds failed = std::chrono::days{90};
};
struct LogConfig {
  Text table;
  Text tenant_column{std::string("workspace_name")};
  LogKeepConfig keep;
};

struct SourceConfig {
  uint32_t version = 0;
  Text source;
  std::string title;
  OrderedMap<config::Secret> secrets;
  TenantsConfig tenants;
  OrderedMap<HttpClientConfig> http;
  std::optional<WebhookConfig> webhook;
  OrderedMap<OrderedMap<Formula>> fields;
  OrderedMap<FactConfig> facts;
  std::optional<CountersConfig> counters;
  OrderedMap<TableConfig> tables;
  std::optional<StagesConfig> stages;  // Written as tables.stages.
  OrderedMap<EventConfig> events;
  OrderedMap<StreamConfig> streams;
  std::optional<FallbackConfig> fallback;
  OrderedMap<JobConfig> jobs;
  std::optional<ConsistencyConfig> consistency;
  std::optional<FreshnessConfig> freshness;
  std::optional<LogConfig> log;
};

// Reads a source file of one source, or of several under `sources:` that share its tenants,
// freshness and jobs. `file` is its name for messages. A key of the language that this version
// does not have yet is refused by name. Secrets come from `environment`: a caller that wants
// defaults (development) hands in an environment that has them.
// Errors: kInvalidArgument, one line "file:line:column: reason" per finding.
Result<std::vector<SourceConfig>> LoadSourceConfigs(std::string_view text, std::string_view file,
                                                    const config::Environment& environment);
// The same for a file that must have exactly one source.
Result<SourceConfig> LoadSourceConfig(std::string_view text, std::string_view file,
                                      const config::Environment& environment);

}  // namespace tw::ingest
