// A source file, checked and compiled: every name resolved, every expression compiled, every table
// and column known to exist. Immutable; what the endpoint and the applier work from.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/strings.h"
#include "ingest/mapping/expression.h"
#include "ingest/poll/plan.h"
#include "ingest/source_config.h"
#include "model/value.h"
#include "sqlite/sqlite.h"

namespace tw::ingest {

// Index into Source::field_names.
using FieldIndex = uint16_t;

// Where a column's value comes from. Plain names are resolved when the file is loaded; only what is
// left is evaluated as an expression.
struct Binding {
  enum class Kind : uint8_t {
    kField,
    kTenantId,
    kTenantName,
    kSourceName,
    kNow,         // Time of the apply transaction.
    kChannel,     // "webhook", or the stream's name.
    kWebhookNow,  // kNow on the channel webhook, else the column is left as it is.
    kPollNow,     // kNow on any other channel, else the column is left as it is.
    kExpression,  // Over the fields, tenant.id, tenant.name, tenant.timezone, channel and at.
  };
  Kind kind = Kind::kExpression;
  FieldIndex field = 0;
  mapping::Expression expression;
};

struct ColumnBinding {
  std::string column;
  ColumnType type = ColumnType::kText;
  Binding value;
};

struct TenantPlan {
  TenantIdType id_type = TenantIdType::kText;
  std::string table;
  std::string id_column;
  std::string name_column;
  std::string active_column;    // Empty: every tenant is active.
  std::string timezone_column;  // Empty: the default.
  std::string timezone_default;
  // An outside name leads to the tenant through a table of its own; empty: it does not.
  std::string via_table;
  std::string via_column;
  std::string via_tenant_column;
  // Further columns of the registry, for requests: name, column.
  std::vector<std::pair<std::string, std::string>> more;
  std::optional<CredentialsPlan> credentials;
  std::chrono::microseconds park_keep{};
  uint64_t park_events_max = 0;
};

struct FactPlan {
  struct Id {
    std::string name_space;
    FieldIndex field = 0;
  };
  std::string name;
  std::vector<Id> ids;
  std::vector<FieldIndex> match_on;
  // How far apart two channels may report it; nullopt: one for ever per match values.
  std::optional<std::chrono::microseconds> window;
  Ambiguous on_ambiguous = Ambiguous::kNearest;
  std::vector<uint16_t> metrics;  // Indices into CounterPlan::metrics that it counts in.
  std::string contribution;       // Their names, comma-separated, as stored with each fact.
};

struct CounterPlan {
  std::string table;
  std::vector<ColumnBinding> key;
  std::string day_table;
  std::vector<ColumnBinding> day_key;  // The part of `key` that names the tenant.
  std::vector<std::string> metrics;    // Columns of `table`.
  std::vector<ColumnBinding> stamps;
  bool create_at_rollover = false;
  // Days beyond it are sealed: their counts are final.
  std::chrono::microseconds fact_retention{};
};

struct StagePlan {
  std::string column;
  std::vector<std::string> ladder;
  std::vector<std::string> terminal;
  std::string previous_column;  // Empty: not remembered.
};

struct TablePlan {
  std::string name;
  std::vector<ColumnBinding> key;
  std::vector<std::string> tie;  // Channels or sources, the strongest first.
  std::vector<ColumnBinding> set;
  std::vector<ColumnBinding> insert_only;
  bool null_never_overwrites = true;
  std::optional<StagePlan> stage;
};

struct StageAction {
  enum class Kind : uint8_t { kAdvance, kTerminal };
  Kind kind = Kind::kAdvance;
  uint16_t table = 0;  // Index into Source::tables.
  uint16_t value = 0;  // Index into ladder or terminal.
};

// What an event means, or a record of a stream.
struct EventPlan {
  struct Field {
    FieldIndex field = 0;
    mapping::Expression expression;
  };
  std::string type;  // The event's; of a record "stream NAME".
  std::optional<mapping::Expression> condition;
  bool approximate = false;  // occurred_at is only the latest time that it can have happened.
  std::vector<Field> fields;
  std::optional<mapping::Expression> occurred_at;
  std::optional<uint16_t> fact;   // Index into Source::facts.
  std::vector<uint16_t> upserts;  // Indices into Source::tables.
  std::optional<StageAction> stage;
};

// What a column of a freshness row says.
enum class FreshValue : uint8_t {
  kLastPollAt,
  kPollCount,
  kLastSuccessAt,
  kStatus,  // Of the last run: success, partial, failed, …
  kError,
  kRows,
  kNextDue,
  kRunId,
};

struct FreshnessPlan {
  std::string table;
  // One row per tenant and source, written by runs. Without it: one health row per tenant.
  std::vector<ColumnBinding> sync_key;
  std::vector<std::pair<std::string, FreshValue>> sync_columns;
  Touch touch_when = Touch::kAlways;
  std::string key_column;        // Of the health row; empty with sync_key.
  std::string tenant_id_column;  // This and the next three may be empty: not written.
  std::string last_webhook_column;
  std::string count_column;
  std::string status_column;
  std::chrono::microseconds warn_after{};
  std::chrono::microseconds error_after{};
};

struct LogPlan {
  std::string table;  // Empty: no row per delivery.
  std::string tenant_column;
  LogKeepConfig keep;
  std::string delivery_id_column;  // Empty: the table has no column delivery_id.
};

struct Source {
  std::string name;
  std::string title;
  // SHA-256 of the file's text, 12 hex digits: recorded with every log row.
  std::string version;
  std::optional<WebhookConfig> webhook;  // With ${secret.…} resolved.
  mapping::Expression events;
  mapping::Expression type;
  StringMap<std::string> type_alias;
  mapping::Expression tenant;
  TenantPlan tenants;
  std::vector<std::string> field_names;
  std::vector<FactPlan> facts;
  std::optional<CounterPlan> counters;
  std::vector<TablePlan> tables;
  std::vector<EventPlan> event_plans;
  StringMap<uint16_t> event_by_type;  // Index into event_plans.
  std::string constant_type;          // Every event has it; empty: the type is read from the event.
  StringMap<config::Secret> secrets;
  std::vector<HttpPlan> http;
  std::vector<StreamPlan> streams;
  std::optional<FallbackPlan> fallback;
  std::vector<JobPlan> jobs;
  std::optional<ConsistencyPlan> consistency;
  std::optional<FreshnessPlan> freshness;
  LogPlan log;
};

// Checks `config` against the schema of `database` and compiles it. `text` is the file's text.
// Errors: kInvalidArgument, one line "file:line:column: reason" per finding, with the nearest name
// where one was mistyped.
Result<std::shared_ptr<const Source>> CompileSource(const SourceConfig& config,
                                                    std::string_view text,
                                                    sqlite::Database& database);

}  // namespace tw::ingest
