// How the pull side of a source file is written: keys, bounds and help of poll_config.h's structs.
#pragma once

#include <array>

#include "config/config.h"
#include "ingest/mapping/expression_codec.h"
#include "ingest/poll/poll_config.h"

namespace tw::ingest {

#define TW_NAMES(Enum, ...) \
  constexpr auto ConfigNames(Enum) { return std::array{__VA_ARGS__}; }
TW_NAMES(HttpMethod, config::Named{HttpMethod::kGet, "GET"},
         config::Named{HttpMethod::kPost, "POST"})
TW_NAMES(StreamOrder, config::Named{StreamOrder::kAny, "any"},
         config::Named{StreamOrder::kNewestFirst, "newest_first"},
         config::Named{StreamOrder::kOldestFirst, "oldest_first"})
TW_NAMES(StreamMode, config::Named{StreamMode::kIncremental, "incremental"},
         config::Named{StreamMode::kSnapshot, "snapshot"})
TW_NAMES(StopRule, config::Named{StopRule::kNoNext, "no_next"},
         config::Named{StopRule::kNoCursor, "no_cursor"},
         config::Named{StopRule::kEmptyPage, "empty_page"})
TW_NAMES(CheckWindow, config::Named{CheckWindow::kMonthToDate, "month_to_date"})
TW_NAMES(ReconcileThen, config::Named{ReconcileThen::kNothing, "nothing"},
         config::Named{ReconcileThen::kAdjustDays, "adjust_days"})
TW_NAMES(GuardRule, config::Named{GuardRule::kError, "error"})
TW_NAMES(Misfire, config::Named{Misfire::kRunOnce, "run_once"},
         config::Named{Misfire::kSkip, "skip"})
TW_NAMES(Overlap, config::Named{Overlap::kSkip, "skip"},
         config::Named{Overlap::kQueueOne, "queue_one"})
TW_NAMES(OnTenantError, config::Named{OnTenantError::kContinue, "continue"},
         config::Named{OnTenantError::kStop, "stop"})
TW_NAMES(ForEach, config::Named{ForEach::kTenant, "tenant"})
TW_NAMES(SweepAfter, config::Named{SweepAfter::kComplete, "complete"})
TW_NAMES(AlertLevel, config::Named{AlertLevel::kInfo, "info"},
         config::Named{AlertLevel::kWarning, "warning"},
         config::Named{AlertLevel::kCritical, "critical"})
TW_NAMES(Touch, config::Named{Touch::kAlways, "always"}, config::Named{Touch::kChanged, "changed"})
TW_NAMES(CsvEncoding, config::Named{CsvEncoding::kUtf8Sig, "utf-8-sig"},
         config::Named{CsvEncoding::kUtf8Sig, "utf-8"},
         config::Named{CsvEncoding::kWindows1252, "windows-1252"})
TW_NAMES(UnknownColumns, config::Named{UnknownColumns::kLog, "log"},
         config::Named{UnknownColumns::kError, "error"})
TW_NAMES(MissingColumns, config::Named{MissingColumns::kError, "error"},
         config::Named{MissingColumns::kNull, "null"})
TW_NAMES(Jitter, config::Named{Jitter::kFull, "full"})
TW_NAMES(CursorFormat, config::Named{CursorFormat::kRfc3339, "rfc3339"})
#undef TW_NAMES

constexpr void Describe(config::Of<HttpAuthConfig> auto& config, auto&& field) {
  field("bearer", config.bearer, "Template of the token in Authorization: Bearer.");
  field("query", config.query, "Query parameters that prove who asks.");
  field("headers", config.headers, "Headers that prove who asks.");
}
constexpr void Describe(config::Of<ConcurrencyConfig> auto& config, auto&& field) {
  field("per_tenant", config.per_tenant, 1u, 64u, "Runs of one tenant at once.");
  field("per_credential", config.per_credential, 0u, 1u,
        "1: whole runs one after another, for a key whose active tenant is kept by the server.");
  field("total", config.total, 1u, 256u, "Runs at once.");
}
constexpr void Describe(config::Of<RequestConfig> auto& config, auto&& field) {
  field("http", config.http, "Name of the client.");
  field("method", config.method, "GET or POST.");
  field(config::Expands("path"), config.path, "Template of the path below base_url.");
  field(config::Expands("url"), config.url, "Template of the whole address, in the place of path.");
  field("query", config.query, "Templates of query parameters.");
  field("json", config.json, "Body: its texts are templates.");
  field("enter_tenant", config.enter_tenant, "Whether the client's enter_tenant goes first.");
}
constexpr void Describe(config::Of<VerifyTenantConfig> auto& config, auto&& field) {
  field(config::Required("at"), config.at, "Where an answer names its tenant.");
  field("equals", config.equals, "tenant.id or tenant.name.");
  field("when_present", config.when_present, "Whether an answer that names none is accepted.");
}
constexpr void Describe(config::Of<EnterTenantConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field(config::Required("request"), config.request, "Makes the tenant the active one.");
  field("settle", config.settle, 0s, 1min, "Wait after it.");
  field("verify", config.verify, "How an answer is known to be this tenant's.");
}
constexpr void Describe(config::Of<TimeoutConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field("connect", config.connect, 100ms, 1min, "Until connected.");
  field("first_byte", config.first_byte, 100ms, 10min, "Until the answer begins.");
  field("total", config.total, 100ms, 1h, "Until it is complete.");
}
constexpr void Describe(config::Of<JsonCodeConfig> auto& config, auto&& field) {
  field(config::Required("at"), config.at, "Where an answer has its error code.");
  field("rate_limited", config.rate_limited, "Codes that mean 429.");
  field("fatal", config.fatal, "Codes that mean 401.");
}
constexpr void Describe(config::Of<RetryConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field("max_attempts", config.max_attempts, 1u, 20u, "Tries of one request.");
  field("base", config.base, 10ms, 1min, "Largest first wait; doubled for each further try.");
  field("cap", config.cap, 100ms, 1h, "Largest wait.");
  field("jitter", config.jitter, "How waits are spread: anything up to the largest.");
  field("statuses", config.statuses, "Statuses that are tried again.");
  field("json_code", config.json_code, "Error codes inside answers.");
}
constexpr void Describe(config::Of<RateConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field(config::Required("requests"), config.requests, 1u, 1'000'000u, "How many.");
  field(config::Required("per"), config.per, 1s, 24h, "In which time.");
}
constexpr void Describe(config::Of<RateLimitConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field("per_tenant", config.per_tenant, "Requests of one tenant.");
  field("obey", config.obey, "Headers of an answer that say how long to wait.");
  field("give_up_above", config.give_up_above, 1s, 24h,
        "A longer wait that the server asks for ends the run as deferred.");
}
constexpr void Describe(config::Of<BreakerConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field("open_after", config.open_after, 1u, 1'000u, "Failures in a row that open it.");
  field("half_open_after", config.half_open_after, 1s, 1h, "Until one request tries again.");
}
constexpr void Describe(config::Of<HttpClientConfig> auto& config, auto&& field) {
  field(config::Required(config::Expands("base_url")), config.base_url,
        "All paths are below it; links to elsewhere are refused.");
  field("auth", config.auth, "How requests prove who asks.");
  field("concurrency", config.concurrency, "How much at once.");
  field("enter_tenant", config.enter_tenant, "For a key whose active tenant the server keeps.");
  field("timeout", config.timeout, "Deadlines.");
  field("max_response", config.max_response, config::KiB(1), config::GiB(1), "Largest answer.");
  field("retry", config.retry, "Tries of a request.");
  field("rate_limit", config.rate_limit, "How often to ask.");
  field("breaker", config.breaker, "When to stop asking.");
}
constexpr void Describe(config::Of<LoopGuardConfig> auto& config, auto&& field) {
  field("same_cursor", config.same_cursor, "A link or cursor that was there before.");
  field("same_page_hash", config.same_page_hash, "A page that was there before.");
  field("max_pages", config.max_pages, 1u, 1'000'000u, "Pages of one run.");
}
constexpr void Describe(config::Of<CursorToConfig> auto& config, auto&& field) {
  field(config::Required("query"), config.query, "Query parameter of the cursor.");
}
constexpr void Describe(config::Of<PagesConfig> auto& config, auto&& field) {
  field("next", config.next, "Where the link to the next page is.");
  field("cursor_from", config.cursor_from, "Where the cursor of the next page is.");
  field("cursor_to", config.cursor_to, "Where it goes in the next request.");
  field("total", config.total, "Where the number of all records is, as a cross-check.");
  field("last", config.last, "Where the number of the last page is, as a cross-check.");
  field("stop", config.stop, "What ends a pass.");
  field("loop_guard", config.loop_guard, "What a provider that never ends is known by.");
}
constexpr void Describe(config::Of<CursorConfig> auto& config, auto&& field) {
  constexpr std::chrono::microseconds kZero{0};
  constexpr std::chrono::microseconds kMost = std::chrono::days(366);
  field(config::Required("field"), config.field, "A record's time, RFC 3339.");
  field("format", config.format, "How the time is written.");
  field("lookback", config.lookback, kZero, kMost, "How far each run reads back.");
  field("lag", config.lag, kZero, kMost, "How late records may become visible.");
  field("inclusive", config.inclusive, "Whether the bound itself is read again.");
}
constexpr void Describe(config::Of<WindowConfig> auto& config, auto&& field) {
  constexpr std::chrono::microseconds kMost = std::chrono::days(3660);
  field("field", config.field, "The record's day, for replace_slice.");
  field("lookback", config.lookback, std::chrono::microseconds(std::chrono::hours(1)), kMost,
        "How far back the days are read again.");
  field("slice", config.slice, std::chrono::microseconds(0), kMost,
        "Days of one pass; none: all at once.");
  field("tz", config.tz, "Zone of the days: tenant, or a name of the tz database.");
}
constexpr void Describe(config::Of<StageActionConfig> auto& config, auto&& field) {
  field("advance_to", config.advance_to, "Stage of the ladder.");
  field("terminal", config.terminal, "Terminal stage.");
}
constexpr void Describe(config::Of<ObserveConfig> auto& config, auto&& field) {
  field("if", config.condition, "Only for records of which this is true.");
  field("map", config.map, "Fields, and occurred_at, from the record.");
  field("fact", config.fact, "The fact that a record reports.");
  field("upsert", config.upsert, "Tables whose row it writes.");
  field("stage", config.stage, "What it does to the stage.");
  field("approx", config.approx, "The time is only the latest that it can have happened.");
}
constexpr void Describe(config::Of<SweepConfig> auto& config, auto&& field) {
  field(config::Required("set"), config.set, "Columns that mark a row as gone.");
  field("only_after", config.only_after, "After which pass.");
  field("refuse_above", config.refuse_above, config::Percent{0}, config::Percent{100},
        "A larger share of rows is not marked: it is more likely a fault.");
}
constexpr void Describe(config::Of<ScheduleConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field("cron", config.cron, "Five fields, or six with the seconds first.");
  field("tz", config.tz, "Zone of the cron fields.");
  field("every", config.every, 1s, 8760h, "In the place of cron: a fixed time.");
  field("splay", config.splay, 0s, 1h, "Tenants are spread over this time.");
}
constexpr void Describe(config::Of<StreamFreshnessConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  constexpr std::chrono::microseconds kLeast = 1s;
  constexpr std::chrono::microseconds kMost = std::chrono::days(365);
  field("warn_after", config.warn_after, kLeast, kMost, "Age of the last success: warning.");
  field("error_after", config.error_after, kLeast, kMost, "Age of the last success: critical.");
}
constexpr void Describe(config::Of<ExportPollConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field(config::Expands("path"), config.path, "Template of the path; ${create.NAME} is of the "
        "first answer.");
  field(config::Expands("url"), config.url, "The same as a whole address.");
  field("every", config.every, 100ms, 1h, "How often to ask.");
  field("up_to", config.up_to, 1s, 24h, "How long.");
  field(config::Required("ready"), config.ready, "True when the file is there.");
  field("failed", config.failed, "True when it will never be.");
  field(config::Required("url_at"), config.url_at, "Where the file's address is.");
}
constexpr void Describe(config::Of<ExportConfig> auto& config, auto&& field) {
  field(config::Required("create"), config.create, "Asks for the file.");
  field(config::Required("poll"), config.poll, "Waits for it.");
}
constexpr void Describe(config::Of<BadRowConfig> auto& config, auto&& field) {
  field("keep", config.keep, "Whether a bad row is kept as a dead letter.");
  field("abort_above", config.abort_above, config::Percent{0}, config::Percent{100},
        "A larger share of bad rows fails the run.");
}
constexpr void Describe(config::Of<CsvConfig> auto& config, auto&& field) {
  field("encoding", config.encoding, "utf-8, with or without a byte order mark, or windows-1252.");
  field("header", config.header, "Whether the first row names the columns; else they are 1, 2, ….");
  field("delimiter", config.delimiter, "One character.");
  field("trim", config.trim, "Whether white space around values is dropped.");
  field("null_values", config.null_values, "Texts that mean nothing is there.");
  field("bad_row", config.bad_row, "What to do with rows that do not fit.");
  field("unknown_columns", config.unknown_columns, "Columns that no expression names.");
  field("missing_columns", config.missing_columns, "Columns that an expression names.");
  field("min_rows", config.min_rows, "Fewer rows fail the run.");
  field("max_shrink", config.max_shrink, config::Percent{0}, config::Percent{100},
        "A file that much smaller than the last one is refused.");
  field("max_bytes", config.max_bytes, config::KiB(1), config::GiB(64), "Largest file.");
}
constexpr void Describe(config::Of<StreamConfig> auto& config, auto&& field) {
  field("request", config.request, "The first page.");
  field("export", config.export_file, "In the place of request: ask, wait, download.");
  field("csv", config.csv, "The answer is CSV, written so.");
  field("records", config.records, "The records of an answer.");
  field("id", config.id, "A record's id; default $.id.");
  field("object", config.object, "Of a stream of totals: where they are; default $.");
  field("totals", config.totals,
        "What the source itself counts: metric, number. In the place of records.");
  field("pages", config.pages, "How the next page is found, and the last.");
  field("order", config.order, "Order of the records.");
  field("mode", config.mode, "incremental: what is new; snapshot: everything.");
  field("cursor", config.cursor, "Where the next run begins.");
  field("window", config.window, "Days that are read again, for restated figures.");
  field("observe", config.observe, "What a record means.");
  field("replace_slice", config.replace_slice,
        "Rows of a day that are not in its answer are removed, in one transaction.");
  field("sweep", config.sweep, "What to do with rows that are gone.");
  field("schedule", config.schedule, "When it runs by itself.");
  field("freshness", config.freshness, "How old it may become.");
}
constexpr void Describe(config::Of<JobConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field(config::Required("schedule"), config.schedule, "When it runs.");
  field("for_each", config.for_each, "For every active tenant.");
  field(config::Required("run"), config.run, "Streams, one after another.");
  field("tenants_in_parallel", config.tenants_in_parallel, 1u, 256u, "Tenants at once.");
  field("on_tenant_error", config.on_tenant_error, "continue: other tenants go on.");
  field("overlap", config.overlap, "When it is due while it runs.");
  field("misfire", config.misfire, "When it was due while the process was down.");
  field("max_runtime", config.max_runtime, 1s, 24h, "It is ended then.");
  field("late_after", config.late_after, 1s, 168h, "An alert when it has not ended by then.");
}
constexpr void Describe(config::Of<FallbackCheckConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  field("every", config.every, 1s, 24h, "How often.");
}
constexpr void Describe(config::Of<LeaveConfig> auto& config, auto&& field) {
  field("webhook_seen", config.webhook_seen, 1u, 1'000u, "Deliveries that end it.");
}
constexpr void Describe(config::Of<MissedConfig> auto& config, auto&& field) {
  field("alert", config.alert, "How grave it is.");
  field("text", config.text, "Its text: ${n}, ${fact}, ${tenant.name}.");
  field("critical_above", config.critical_above, 1u, 1'000'000u, "More are critical.");
}
constexpr void Describe(config::Of<FallbackConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  constexpr std::chrono::microseconds kLeast = 1s;
  constexpr std::chrono::microseconds kMost = std::chrono::days(365);
  field("check", config.check, "When silence is looked for.");
  field("quiet_after", config.quiet_after, kLeast, kMost, "Silence that starts polling.");
  field(config::Required("streams"), config.streams, "What is polled.");
  field("also_every", config.also_every, kLeast, kMost, "One look although webhooks come.");
  field("leave_when", config.leave_when, "What ends polling.");
  field("settle", config.settle, kLeast, kMost, "Younger facts may still come by webhook.");
  field("missed", config.missed, "What to say of facts that only polling found.");
}
constexpr void Describe(config::Of<CheckSourceConfig> auto& config, auto&& field) {
  field(config::Required("stream"), config.stream, "Stream whose request is sent.");
  field("query", config.query, "Query parameters beyond the stream's own.");
  field("count", config.count, "Where the answer has the number; a stream of totals needs none.");
}
constexpr void Describe(config::Of<CheckMirrorConfig> auto& config, auto&& field) {
  field("counters", config.counters, "The counters of the same names; written mirror: counters.");
  field("table", config.table, "Rows of this table, of the tenant.");
  field("where", config.where,
        "Only those: COLUMN, not COLUMN, COLUMN is [not] null, COLUMN = VALUE, COLUMN <> VALUE, "
        "joined by and.");
}
constexpr void Describe(config::Of<ToleranceConfig> auto& config, auto&& field) {
  field("abs", config.abs, uint64_t{0}, uint64_t{1'000'000'000}, "Differences up to it are none.");
  field("pct", config.pct, 0.0, 100.0, "Differences up to this percentage are none.");
}
constexpr void Describe(config::Of<CheckConfig> auto& config, auto&& field) {
  field(config::Required("name"), config.name, "What alerts and rows call it.");
  field(config::Required("source"), config.source,
        "A stream of totals, or a map of stream, query and count.");
  field(config::Required("mirror"), config.mirror, "counters, or a map of table and where.");
  field("window", config.window, "Days that totals are asked for.");
  field("day_lag", config.day_lag, 0u, 30u,
        "A day is closed that many days after its end: until then the source may still count.");
  field("tolerance", config.tolerance, "What is no difference.");
  field("warning", config.warning, config::Percent{0}, config::Percent{100},
        "A larger difference is a warning; a smaller one information.");
  field("critical", config.critical, config::Percent{0}, config::Percent{100},
        "A larger difference is critical.");
}
constexpr void Describe(config::Of<ReconcileConfig> auto& config, auto&& field) {
  using namespace std::chrono_literals;
  constexpr std::chrono::microseconds kLeast = 1s;
  constexpr std::chrono::microseconds kMost = std::chrono::days(31);
  field("above", config.above, config::Percent{0}, config::Percent{100},
        "A larger difference starts it for that tenant.");
  field(config::Required("run"), config.run, "Streams that are read again over the window.");
  field("then", config.then, "adjust_days: closed days follow the source's totals.");
  field("cooldown", config.cooldown, kLeast, kMost, "Time between two of one tenant.");
  field("max_per_day", config.max_per_day, 1u, 24u, "Of one tenant in 24 h; then it is critical.");
  field("dry_run_above", config.dry_run_above, config::Percent{0}, config::Percent{100},
        "A larger difference is more likely a fault: it waits for tidewire jobs run.");
}
constexpr void Describe(config::Of<ConsistencyConfig> auto& config, auto&& field) {
  field(config::Required("schedule"), config.schedule, "When it is looked.");
  field(config::Required("checks"), config.checks, "What is compared.");
  field("reconcile", config.reconcile, "What to do about a difference.");
}
constexpr void Describe(config::Of<CredentialsConfig> auto& config, auto&& field) {
  field(config::Required("table"), config.table, "Table of the tenants' credentials.");
  field(config::Required("key"), config.key,
        "Its column of the tenant's id, and the one of the credential's name.");
  field(config::Required("value"), config.value, "Its column of the secret.");
}

}  // namespace tw::ingest
