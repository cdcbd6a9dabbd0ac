// The pull side of a source file as written: HTTP clients, streams, jobs, fallback (ingestion spec
// §3.2–3.4). plan.h is the checked form.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/node.h"
#include "config/types.h"
#include "ingest/mapping/expression.h"

namespace tw::ingest {

// As in source_config.h, which includes this file.
using PollText = config::Located<std::string>;
using PollFormula = config::Located<mapping::Expression>;

enum class HttpMethod : uint8_t { kGet, kPost };
enum class StreamOrder : uint8_t { kAny, kNewestFirst, kOldestFirst };
enum class StreamMode : uint8_t { kIncremental, kSnapshot };
enum class StopRule : uint8_t { kNoNext, kNoCursor, kEmptyPage };
enum class GuardRule : uint8_t { kError };
enum class Misfire : uint8_t { kRunOnce, kSkip };
enum class Overlap : uint8_t { kSkip, kQueueOne };
enum class OnTenantError : uint8_t { kContinue, kStop };
enum class ForEach : uint8_t { kTenant };
enum class SweepAfter : uint8_t { kComplete };
enum class AlertLevel : uint8_t { kInfo, kWarning, kCritical };
enum class Jitter : uint8_t { kFull };
enum class CursorFormat : uint8_t { kRfc3339 };
enum class Touch : uint8_t { kAlways, kChanged };
enum class CheckWindow : uint8_t { kMonthToDate };
enum class ReconcileThen : uint8_t { kNothing, kAdjustDays };

struct HttpAuthConfig {
  PollText bearer;
  config::OrderedMap<PollText> query;
  config::OrderedMap<PollText> headers;
};
struct ConcurrencyConfig {
  uint32_t per_tenant = 1;
  uint32_t per_credential = 0;  // 1: whole runs one after another; see enter_tenant.
  uint32_t total = 8;
};
struct RequestConfig {
  PollText http;  // Name of a client; empty: the only one.
  HttpMethod method = HttpMethod::kGet;
  PollText path;
  PollText url;  // In the place of path: a whole address.
  config::OrderedMap<config::Node> query;
  config::Node json;  // Body.
  bool enter_tenant = true;
};
struct VerifyTenantConfig {
  PollFormula at;
  PollText equals{std::string("tenant.id")};
  bool when_present = true;
};
struct EnterTenantConfig {
  RequestConfig request;
  std::chrono::milliseconds settle{0};
  std::optional<VerifyTenantConfig> verify;
};
struct TimeoutConfig {
  std::chrono::milliseconds connect{5'000};
  std::chrono::milliseconds first_byte{15'000};
  std::chrono::milliseconds total{60'000};
};
struct JsonCodeConfig {
  PollFormula at;
  std::vector<int64_t> rate_limited;
  std::vector<int64_t> fatal;
};
struct RetryConfig {
  uint32_t max_attempts = 6;
  std::chrono::milliseconds base{1'000};
  std::chrono::milliseconds cap = std::chrono::minutes{5};
  Jitter jitter = Jitter::kFull;
  std::vector<int64_t> statuses{408, 425, 429, 500, 502, 503, 504};
  std::optional<JsonCodeConfig> json_code;
};
struct RateConfig {
  uint32_t requests = 60;
  std::chrono::milliseconds per = std::chrono::minutes{1};
};
struct RateLimitConfig {
  std::optional<RateConfig> per_tenant;
  std::vector<std::string> obey{"retry-after", "x-ratelimit-reset"};
  std::chrono::seconds give_up_above = std::chrono::minutes{15};
};
struct BreakerConfig {
  uint32_t open_after = 10;
  std::chrono::seconds half_open_after{60};
};
struct HttpClientConfig {
  PollText base_url;
  HttpAuthConfig auth;
  ConcurrencyConfig concurrency;
  std::optional<EnterTenantConfig> enter_tenant;
  TimeoutConfig timeout;
  config::ByteSize max_response = config::MiB(32);
  RetryConfig retry;
  RateLimitConfig rate_limit;
  BreakerConfig breaker;
};

struct LoopGuardConfig {
  GuardRule same_cursor = GuardRule::kError;
  GuardRule same_page_hash = GuardRule::kError;
  uint32_t max_pages = 5'000;
};
struct CursorToConfig {
  std::string query;
};
struct PagesConfig {
  PollFormula next;
  PollFormula cursor_from;
  CursorToConfig cursor_to;
  PollFormula total;
  PollFormula last;
  std::vector<StopRule> stop;
  LoopGuardConfig loop_guard;
};
struct CursorConfig {
  PollFormula field;
  CursorFormat format = CursorFormat::kRfc3339;
  std::chrono::microseconds lookback{0};
  std::chrono::microseconds lag{0};
  bool inclusive = true;
};
struct WindowConfig {
  PollText field;
  std::chrono::microseconds lookback = std::chrono::days{1};
  std::chrono::microseconds slice{0};
  PollText tz{std::string("tenant")};
};
struct StageActionConfig {
  PollText advance_to;
  PollText terminal;
};
struct ObserveConfig {
  PollFormula condition;
  config::OrderedMap<PollFormula> map;
  PollText fact;
  std::vector<PollText> upsert;
  StageActionConfig stage;
  bool approx = false;
};
struct SweepConfig {
  config::OrderedMap<PollFormula> set;
  SweepAfter only_after = SweepAfter::kComplete;
  config::Percent refuse_above{20};
};
struct ScheduleConfig {
  PollText cron;
  PollText tz{std::string("UTC")};
  std::chrono::milliseconds every{0};
  std::chrono::milliseconds splay{0};
};
struct StreamFreshnessConfig {
  std::chrono::microseconds warn_after{0};
  std::chrono::microseconds error_after{0};
};
struct ExportPollConfig {
  PollText path;
  PollText url;
  std::chrono::milliseconds every{10'000};
  std::chrono::milliseconds up_to = std::chrono::minutes{20};
  PollFormula ready;
  PollFormula failed;
  PollFormula url_at;
};
struct ExportConfig {
  RequestConfig create;
  ExportPollConfig poll;
};
enum class CsvEncoding : uint8_t { kUtf8Sig, kWindows1252 };
enum class UnknownColumns : uint8_t { kLog, kError };
enum class MissingColumns : uint8_t { kError, kNull };
struct BadRowConfig {
  bool keep = true;
  config::Percent abort_above{1};
};
struct CsvConfig {
  CsvEncoding encoding = CsvEncoding::kUtf8Sig;
  bool header = true;
  std::string delimiter = ",";
  bool trim = false;
  std::vector<std::string> null_values{""};
  BadRowConfig bad_row;
  UnknownColumns unknown_columns = UnknownColumns::kLog;
  MissingColumns missing_columns = MissingColumns::kError;
  uint64_t min_rows = 0;
  std::optional<config::Percent> max_shrink;
  config::ByteSize max_bytes = config::GiB(4);
};
struct StreamConfig {
  RequestConfig request;
  std::optional<ExportConfig> export_file;  // Written as `export`.
  std::optional<CsvConfig> csv;
  PollFormula records;
  PollFormula id;
  // What the source itself counts, in the place of records: an object, and metric → number in it.
  PollFormula object;
  config::OrderedMap<PollFormula> totals;
  PagesConfig pages;
  StreamOrder order = StreamOrder::kAny;
  StreamMode mode = StreamMode::kIncremental;
  std::optional<CursorConfig> cursor;
  std::optional<WindowConfig> window;
  std::vector<ObserveConfig> observe;
  bool replace_slice = false;
  std::optional<SweepConfig> sweep;
  std::optional<ScheduleConfig> schedule;
  StreamFreshnessConfig freshness;
};

struct JobConfig {
  ScheduleConfig schedule;
  ForEach for_each = ForEach::kTenant;
  std::vector<PollText> run;  // "stream", or "source.stream" in a file of several sources.
  uint32_t tenants_in_parallel = 4;
  OnTenantError on_tenant_error = OnTenantError::kContinue;
  Overlap overlap = Overlap::kSkip;
  Misfire misfire = Misfire::kRunOnce;
  std::chrono::milliseconds max_runtime = std::chrono::hours{1};
  std::chrono::milliseconds late_after = std::chrono::minutes{30};
};

struct FallbackCheckConfig {
  std::chrono::milliseconds every = std::chrono::minutes{5};
};
struct LeaveConfig {
  uint32_t webhook_seen = 2;
};
struct MissedConfig {
  AlertLevel alert = AlertLevel::kWarning;
  PollText text{
      std::string("Polling found ${n} ${fact} events the webhook missed for ${tenant.name}")};
  uint32_t critical_above = 20;
};
struct FallbackConfig {
  FallbackCheckConfig check;
  std::chrono::microseconds quiet_after = std::chrono::minutes{10};
  std::vector<PollText> streams;
  std::chrono::microseconds also_every = std::chrono::hours{24};
  LeaveConfig leave_when;
  std::chrono::microseconds settle = std::chrono::minutes{2};
  MissedConfig missed;
};

struct CheckSourceConfig {
  PollText stream;
  config::OrderedMap<config::Node> query;  // Added to the stream's own.
  PollFormula count;                       // Of a stream that has no totals.
};
struct CheckMirrorConfig {
  bool counters = false;
  PollText table;
  PollText where;
};
struct ToleranceConfig {
  uint64_t abs = 0;
  double pct = 0;
};
struct CheckConfig {
  PollText name;
  CheckSourceConfig source;
  CheckMirrorConfig mirror;
  CheckWindow window = CheckWindow::kMonthToDate;
  uint32_t day_lag = 1;
  ToleranceConfig tolerance;
  config::Percent warning{5};
  config::Percent critical{10};
};
struct ReconcileConfig {
  config::Percent above{5};
  std::vector<PollText> run;
  ReconcileThen then = ReconcileThen::kNothing;
  std::chrono::microseconds cooldown = std::chrono::hours{2};
  uint32_t max_per_day = 3;
  config::Percent dry_run_above{30};
};
struct ConsistencyConfig {
  ScheduleConfig schedule;
  std::vector<CheckConfig> checks;
  std::optional<ReconcileConfig> reconcile;
};

// Where the tenants' own secrets for outside systems are: one row per tenant and name.
struct CredentialsConfig {
  PollText table;
  std::vector<PollText> key;  // Column of the tenant's id, column of the credential's name.
  PollText value;
};

}  // namespace tw::ingest
