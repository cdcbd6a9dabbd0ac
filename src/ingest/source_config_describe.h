// How a source file is written: keys, bounds and help of source_config.h's structs.
#pragma once

#include <array>

#include "config/config.h"
#include "ingest/mapping/expression_codec.h"
#include "ingest/poll/poll_config_describe.h"
#include "ingest/source_config.h"

namespace tw::ingest {

using config::Named;
using config::Of;
using config::Required;

constexpr auto ConfigNames(TenantIdType) {
  return std::array{Named{TenantIdType::kInteger, "integer"}, Named{TenantIdType::kText, "text"},
                    Named{TenantIdType::kUuid, "uuid"}};
}
constexpr auto ConfigNames(UnknownTenant) {
  return std::array{Named{UnknownTenant::kPark, "park"}};
}
constexpr auto ConfigNames(UnknownType) {
  return std::array{Named{UnknownType::kLog, "log"}};
}
constexpr auto ConfigNames(Fold) {
  return std::array{Named{Fold::kNone, "none"}, Named{Fold::kLower, "lower"}};
}
constexpr auto ConfigNames(Ambiguous) {
  return std::array{Named{Ambiguous::kNearest, "nearest"}, Named{Ambiguous::kNew, "new"}};
}
constexpr auto ConfigNames(SetDefault) {
  return std::array{Named{SetDefault::kNewest, "newest"}};
}
constexpr auto ConfigNames(DeleteRule) {
  return std::array{Named{DeleteRule::kNever, "never"}};
}
constexpr auto ConfigNames(LocalEdit) {
  return std::array{Named{LocalEdit::kKeep, "keep"}};
}
constexpr auto ConfigNames(CounterZone) {
  return std::array{Named{CounterZone::kTenant, "tenant"}};
}

constexpr void Describe(Of<RegistryConfig> auto& config, auto&& field) {
  field(Required("table"), config.table, "Table of the tenants.");
  field(Required("columns"), config.columns,
        "Its columns: id, name, active (in use), timezone, and others for ${tenant.NAME}.");
}
constexpr void Describe(Of<ParkLimitConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field("keep", config.keep, std::chrono::microseconds(1min),
        std::chrono::microseconds(std::chrono::days(365)), "How long parked events are kept.");
  field("events", config.events, uint64_t{1}, uint64_t{10'000'000}, "How many are kept.");
}
constexpr void Describe(Of<TenantsConfig> auto& config, auto&& field) {
  field("id", config.id, "Type of the tenant's id.");
  field(Required("registry"), config.registry, "Where the tenants are.");
  field("timezone_default", config.timezone_default, "Zone of tenants that have none.");
  field("on_unknown", config.on_unknown, "What to do with events of an unknown tenant.");
  field("park_limit", config.park_limit, "Limits of parked events.");
  field("credentials", config.credentials, "The tenants' own secrets, for ${tenant.cred.NAME}.");
}

constexpr void Describe(Of<AuthenticateConfig> auto& config, auto&& field) {
  field(Required("scheme"), config.scheme, "Name of a preset.");
  field(Required("secret"), config.secret, "The secret, or several while one is rotated.");
  field("param", config.param, "path-token: the parameter of the path.");
  field("user", config.user, "basic: the user's name.");
  field("header", config.header, "Header of the signature or token.");
  field("algorithm", config.algorithm, "sha1, sha256 or sha512.");
  field("encoding", config.encoding, "Of the signature: hex, base64 or base64url.");
  field("key", config.key, "How the secret is written: utf8, base64 or hex.");
  field("prefix", config.prefix, "In front of the signature.");
  field("message", config.message, "What is signed, e.g. 'v0:{timestamp}:{body}'.");
  field("timestamp_header", config.timestamp_header, "Header of the time of sending.");
  field("timestamp_unit", config.timestamp_unit, "s or ms.");
  field("id_header", config.id_header, "Header of a delivery id that the message covers.");
  field("tolerance", config.tolerance, "How old a signed time may be at receipt.");
}
constexpr void Describe(Of<AuthenticateAnyConfig> auto& config, auto&& field) {
  field(Required("any_of"), config.any_of, "Ways to prove who sends; one is enough.");
}
constexpr void Describe(Of<HandshakeConfig> auto& config, auto&& field) {
  field("preset", config.preset,
        "dropbox, meta-challenge, microsoft-graph, nylas, slack, x or zoom; fills the rest.");
  field("method", config.method, "Method of the request.");
  field("query", config.query, "Parameters that it has; an empty value: any.");
  field("token_query", config.token_query, "Parameter that must be verify_token.");
  field("verify_token", config.verify_token, "What was agreed with the provider.");
  field("at", config.at, "Where a signed body says that it is a handshake.");
  field("equals", config.equals, "What it says there.");
  field("echo_query", config.echo_query, "Answer: this parameter, as text.");
  field("echo", config.echo, "Answer: this value of the body, as text.");
  field("secret", config.secret, "Key of the HMAC in the answer of zoom and x.");
}
constexpr void Describe(Of<ReplyConfig> auto& config, auto&& field) {
  field("status", config.status, 200u, 299u, "Status of the reply to an accepted delivery.");
  field("content_type", config.content_type, "Its type.");
  field("body", config.body, "Its body.");
}
constexpr void Describe(Of<RefusedConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field("status", config.status, 400u, 499u, "Status of the reply to a refused delivery.");
  field("keep", config.keep, std::chrono::microseconds(1min),
        std::chrono::microseconds(std::chrono::days(365)), "How long refused deliveries are kept.");
  field("keep_bytes", config.keep_bytes, config::ByteSize{0}, config::GiB(16),
        "How much of them is kept.");
}
constexpr void Describe(Of<TypeConfig> auto& config, auto&& field) {
  field("at", config.at, "Where the event's type is.");
  field("const", config.constant, "In the place of at: every event has this type.");
  field("fold", config.fold, "lower: types match in any case.");
  field("alias", config.alias, "Other names of types, folded.");
  field("unknown", config.unknown, "What to do with other types.");
}
constexpr void Describe(Of<ViaConfig> auto& config, auto&& field) {
  field(Required("table"), config.table, "A table of the tenants' names in the outside system.");
  field(Required("column"), config.column, "Its column of the outside name.");
  field(Required("tenant"), config.tenant, "Its column of the tenant's id.");
}
constexpr void Describe(Of<WebhookTenantConfig> auto& config, auto&& field) {
  field(Required("at"), config.at, "Where the tenant's id or name is.");
  field("via", config.via, "How an outside name leads to the tenant.");
}
constexpr void Describe(Of<WebhookConfig> auto& config, auto&& field) {
  field(Required("path"), config.path, "Path of the endpoint; {name} is a parameter.");
  field("public_url", config.public_url,
        "What senders call in front of the path, e.g. https://hooks.example.com; for schemes that "
        "sign the address.");
  field("methods", config.methods, "Methods it takes.");
  field(Required("authenticate"), config.authenticate, "Who may send.");
  field("handshake", config.handshake, "Requests that ask whether the address is ours.");
  field("max_body", config.max_body, config::KiB(1), config::MiB(64), "Largest body.");
  field("reply", config.reply, "Reply to an accepted delivery.");
  field("refused", config.refused, "Reply to a refused one, and what is kept of it.");
  field("events", config.events, "The events of a body: $ for one, $[*] for a list.");
  field(Required("type"), config.type, "What kind of event it is.");
  field(Required("tenant"), config.tenant, "Whose event it is.");
}

constexpr void Describe(Of<MatchConfig> auto& config, auto&& field) {
  field("on", config.on, "Fields that are equal when two channels report the same.");
  field("window", config.window, "How far apart their times may be, or 'forever'.");
}
constexpr void Describe(Of<FactConfig> auto& config, auto&& field) {
  field("ids", config.ids, "The provider's ids: name of the kind of id, field.");
  field("match", config.match, "How to recognise it without a common id.");
  field("at", config.at, "Field of its time.");
  field("on_ambiguous", config.on_ambiguous,
        "When several facts match: the nearest, or a new one.");
}
constexpr void Describe(Of<MetricConfig> auto& config, auto&& field) {
  field(Required("fact"), config.fact, "The fact that it counts.");
}
constexpr void Describe(Of<CountersConfig> auto& config, auto&& field) {
  field(Required("table"), config.table, "Table of the month rows.");
  field(Required("key"), config.key, "Its key: column, expression.");
  field(Required("day_table"), config.day_table,
        "Table of the day rows: the key's tenant columns, metric, local_day, n, adjusted.");
  field("time_zone", config.time_zone, "Whose days are counted.");
  field("create_at_rollover", config.create_at_rollover, "A row of zeros at the month's start.");
  field("fact_retention", config.fact_retention, std::chrono::microseconds(std::chrono::days{40}),
        std::chrono::microseconds(std::chrono::days{36'500}),
        "Days older than this are sealed: their facts are folded into the day rows, and a later "
        "one becomes a dead letter.");
  field(Required("metrics"), config.metrics, "Columns of the month row and what they count.");
  field("stamp", config.stamp, "Columns set with every change.");
}
constexpr void Describe(Of<VersionConfig> auto& config, auto&& field) {
  field("at", config.at, "Field of the version's time.");
  field("tie", config.tie, "Channels, the strongest first, for equal times.");
}
constexpr void Describe(Of<SetRuleConfig> auto& config, auto&& field) {
  field("default", config.default_rule, "Which value stays.");
  field("null_never_overwrites", config.null_never_overwrites,
        "A thin payload does not clear known values.");
}
constexpr void Describe(Of<TableConfig> auto& config, auto&& field) {
  field("table", config.table, "The table, when the entry has another name.");
  field(Required("key"), config.key, "Its key: column, expression.");
  field("version", config.version, "Which of two writes is the newer.");
  field("set", config.set, "Columns written by the newest event that has a value.");
  field("set_rule", config.set_rule, "How they are written.");
  field("insert_only", config.insert_only, "Columns written when the row is made.");
  field("local_owned", config.local_owned, "Columns that this source never writes afterwards.");
  field("delete", config.delete_rule, "Whether the source removes rows.");
}
constexpr void Describe(Of<StagesConfig> auto& config, auto&& field) {
  field(Required("column"), config.column, "table.column of the stage.");
  field(Required("ladder"), config.ladder, "Stages, the lowest first.");
  field("terminal", config.terminal, "Stages that override the ladder.");
  field("local_edit", config.local_edit, "What to do with a stage that a person has set.");
  field("remember_previous_in", config.remember_previous_in,
        "Column of the stage before the terminal one.");
}
constexpr void Describe(Of<StageConfig> auto& config, auto&& field) {
  field("advance_to", config.advance_to, "Stage of the ladder.");
  field("terminal", config.terminal, "Terminal stage.");
}
constexpr void Describe(Of<EventConfig> auto& config, auto&& field) {
  field("fields", config.fields, "Groups of fields that it has.");
  field("set", config.set, "Fields of its own.");
  field("occurred_at", config.occurred_at, "When it happened.");
  field("fact", config.fact, "The fact that it reports.");
  field("upsert", config.upsert, "Tables whose row it writes.");
  field("stage", config.stage, "What it does to the stage.");
}

constexpr void Describe(Of<FreshnessConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  constexpr std::chrono::microseconds kLeast = 1s;
  constexpr std::chrono::microseconds kMost = std::chrono::days(365);
  field(Required("table"), config.table, "Table of the health rows.");
  field("key", config.key, "One row per tenant and source: column, expression.");
  field(
      Required("columns"), config.columns,
      "Without key, value: column, of key, tenant_id, last_webhook_at, webhook_count_24h, "
      "last_poll_at, poll_count_24h, status. With key, column: value, of last_success_at, status, "
      "error, rows, next_due, run_id.");
  field("touch_when", config.touch_when, "Whether a run that changed nothing is news.");
  field("warn_after", config.warn_after, kLeast, kMost, "Silence until 'warning'.");
  field("error_after", config.error_after, kLeast, kMost, "Silence until 'critical'.");
}
constexpr void Describe(Of<LogKeepConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  constexpr std::chrono::microseconds kLeast = 1min;
  constexpr std::chrono::microseconds kMost = std::chrono::days(3650);
  field("ok", config.ok, kLeast, kMost, "How long rows are kept.");
  field("ok_body", config.ok_body, kLeast, kMost, "How long their bodies are kept.");
  field("failed", config.failed, kLeast, kMost, "How long parked and dead ones are kept.");
}
constexpr void Describe(Of<LogConfig> auto& config, auto&& field) {
  field(Required("table"), config.table, "Table with a row per delivery.");
  field("tenant_column", config.tenant_column, "Its column of the tenant's name.");
  field("keep", config.keep, "How long.");
}

constexpr void Describe(Of<SourceConfig> auto& config, auto&& field) {
  field(Required("version"), config.version, 1u, 1u, "Version of the language.");
  field(Required("source"), config.source, "Name of the source.");
  field("title", config.title, "What people call it.");
  field("secrets", config.secrets, "Secrets by name, for ${secret.name}.");
  field(Required("tenants"), config.tenants, "Whose data it is.");
  field("http", config.http, "Clients for its API, by name; a single one may stand here itself.");
  field("webhook", config.webhook, "Its endpoint.");
  field("fields", config.fields, "Groups of named expressions.");
  field("facts", config.facts, "What can happen, and how to recognise it.");
  field("counters", config.counters, "What is counted per day and month.");
  field("tables", config.tables, "Rows that events write.");
  field("stages", config.stages, "Written as tables.stages.");
  field("events", config.events, "What each type of event means.");
  field("streams", config.streams, "What is polled.");
  field("fallback", config.fallback, "Polling in the place of webhooks that stay away.");
  field("jobs", config.jobs, "Streams that run on a schedule, for all tenants.");
  field("consistency", config.consistency, "The source's own totals against ours.");
  field("freshness", config.freshness, "A health row per tenant.");
  field("log", config.log, "A row per delivery; required with a webhook.");
}

}  // namespace tw::ingest
