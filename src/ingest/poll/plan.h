// The pull side of a source, checked and compiled.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/types.h"
#include "ingest/mapping/expression.h"
#include "ingest/poll/poll_config.h"
#include "ingest/poll/template.h"
#include "ingest/schedule/cron.h"

namespace tw::ingest {

// A body: the JSON of the file, its texts as templates.
struct BodyTemplate {
  config::Node::Kind kind = config::Node::Kind::kNull;
  std::string literal;  // Of a scalar that is no text.
  Template text;
  std::vector<std::pair<std::string, BodyTemplate>> members;  // Keys are empty in lists.
};

struct RequestPlan {
  uint16_t http = 0;  // Index into Source::http.
  HttpMethod method = HttpMethod::kGet;
  Template target;  // A path below base_url, or a whole address.
  bool absolute = false;
  std::vector<std::pair<std::string, Template>> query;
  std::optional<BodyTemplate> body;
  bool enter_tenant = true;
};

struct EnterTenantPlan {
  RequestPlan request;
  std::chrono::milliseconds settle{0};
  std::optional<VerifyTenantConfig> verify;
};

struct HttpPlan {
  std::string name;
  std::string base_url;  // Without a final slash.
  Template bearer;
  std::vector<std::pair<std::string, Template>> query;
  std::vector<std::pair<std::string, Template>> headers;
  ConcurrencyConfig concurrency;
  std::optional<EnterTenantPlan> enter_tenant;
  TimeoutConfig timeout;
  uint64_t response_bytes_max = 0;
  RetryConfig retry;
  RateLimitConfig rate_limit;
  BreakerConfig breaker;
};

// When something is due: by a cron expression, or every so often.
struct SchedulePlan {
  std::optional<Cron> cron;
  const date::time_zone* zone = nullptr;
  std::chrono::milliseconds every{0};
  std::chrono::milliseconds splay{0};

  // The first time after `after`; never, for what only runs when it is asked for. A fixed time
  // counts from the epoch, so that restarts change nothing.
  std::optional<WallTime> Next(WallTime after) const;
  std::string Text() const;
};

struct ExportPlan {
  RequestPlan create;
  RequestPlan poll;
  std::chrono::milliseconds every{0};
  std::chrono::milliseconds up_to{0};
  mapping::Expression ready;
  mapping::Expression failed;
  mapping::Expression url_at;
};

struct SweepPlan {
  std::vector<std::pair<std::string, mapping::Expression>> set;
  double refuse_above = 0.2;  // Share of the known rows.
};

struct StreamPlan {
  std::string name;
  RequestPlan request;
  std::optional<ExportPlan> export_file;
  std::optional<CsvConfig> csv;
  mapping::Expression records;
  mapping::Expression id;
  // Of a stream of totals, which is compared and writes no rows: metric → number in `object`.
  mapping::Expression object;
  std::vector<std::pair<std::string, mapping::Expression>> totals;
  PagesConfig pages;
  StreamOrder order = StreamOrder::kAny;
  StreamMode mode = StreamMode::kIncremental;
  std::optional<CursorConfig> cursor;
  std::optional<WindowConfig> window;
  const date::time_zone* window_zone = nullptr;  // Null: the tenant's.
  std::vector<uint16_t> observes;                // Indices into Source::event_plans.
  bool replace_slice = false;
  std::string slice_column;  // The key's column that holds the day, for replace_slice.
  std::optional<SweepPlan> sweep;
  std::optional<SchedulePlan> schedule;
  std::chrono::microseconds warn_after{0};  // Zero: not watched.
  std::chrono::microseconds error_after{0};
};

struct JobPlan {
  std::string name;
  SchedulePlan schedule;
  // Streams as written: "stream" of the same source, or "source.stream".
  std::vector<std::string> run;
  uint32_t tenants_in_parallel = 4;
  OnTenantError on_tenant_error = OnTenantError::kContinue;
  Overlap overlap = Overlap::kSkip;
  Misfire misfire = Misfire::kRunOnce;
  std::chrono::milliseconds max_runtime{0};
  std::chrono::milliseconds late_after{0};
};

struct FallbackPlan {
  std::chrono::milliseconds check_every{0};
  std::chrono::microseconds quiet_after{0};
  std::vector<uint16_t> streams;  // Indices into Source::streams.
  std::chrono::microseconds also_every{0};
  uint32_t leave_after = 2;
  std::chrono::microseconds settle{0};
  AlertLevel missed_level = AlertLevel::kWarning;
  Template missed_text;  // Of n, fact, tenant.name.
  uint32_t missed_critical_above = 20;
};

// Which rows of a table count, beside that they are the tenant's.
struct RowCondition {
  enum class Kind : uint8_t { kTrue, kFalse, kNull, kNotNull, kEqual, kNotEqual };
  Kind kind = Kind::kTrue;
  std::string column;
  std::string value;  // Of kEqual and kNotEqual.
};

struct CheckPlan {
  std::string name;
  uint16_t stream = 0;  // Index into Source::streams.
  RequestPlan request;
  mapping::Expression count;  // Without totals.
  // What it is compared with: counters of the totals' names, or rows.
  std::optional<uint16_t> table;  // Index into Source::tables; none: counters.
  std::vector<RowCondition> where;
  int64_t day_lag = 1;
  ToleranceConfig tolerance;
  double warning = 0.05;  // Shares of the source's number.
  double critical = 0.1;
};

struct ReconcilePlan {
  double above = 0.05;
  std::vector<uint16_t> streams;
  bool adjust_days = false;
  std::chrono::microseconds cooldown{0};
  uint32_t max_per_day = 3;
  double dry_run_above = 0.3;
};

struct ConsistencyPlan {
  SchedulePlan schedule;
  std::vector<CheckPlan> checks;
  std::optional<ReconcilePlan> reconcile;
};

struct CredentialsPlan {
  std::string table;
  std::string tenant_column;
  std::string name_column;
  std::string value_column;
};

}  // namespace tw::ingest
