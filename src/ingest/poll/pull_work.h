// What the pull side and the store thread say to each other: immutable values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "ingest/apply/records.h"
#include "ingest/mapping/expression.h"
#include "ingest/poll/csv_rows.h"
#include "ingest/poll/poll_config.h"
#include "json/json.h"

namespace tw::ingest {

// A tenant as requests need it.
struct PulledTenant {
  Tenant tenant;
  StringMap<std::string> more;         // Further columns of the registry.
  StringMap<std::string> credentials;  // By name; secrets.
  std::optional<WallTime> last_webhook_at;
  uint64_t deliveries = 0;  // Since the process started.
};

// A job as the jobs table has it.
struct JobRow {
  std::string name;
  std::string type;
  std::string schedule;
  std::string endpoint;  // What it runs: "meta.insights, switchboard.messages".
  bool active = true;
  std::optional<WallTime> last_run_at;
  std::string last_status;
  std::string last_error;
  std::optional<WallTime> next_run_at;
};

// What an operator asks of the running process, through the table tidewire_request.
struct OperatorRequest {
  int64_t id = 0;
  std::string verb;      // "run"
  std::string argument;  // A job's name.
};

// What the store knows and the pull side decides by; sent about once a second.
struct PullView {
  std::vector<std::vector<PulledTenant>> tenants;  // By source; active ones only.
  StringMap<bool> job_active;                      // By name; absent: active.
  StringMap<std::string> job_states;               // By name.
  std::vector<OperatorRequest> requests;           // Not yet taken.
};

enum class PullPurpose : uint8_t {
  kPoll,
  kFallback,
  kBackfill,
  kReconcile,  // Reads again because our numbers differ from the source's.
  kCheck,      // Compares them.
};
std::string_view ToString(PullPurpose purpose);   // As the run log names it.
std::string_view ChannelOf(PullPurpose purpose);  // As rows name it.

// Who runs a job, and until when others keep away.
struct Lease {
  std::string job;
  std::string owner;
  WallTime until;
};

struct PulledPage {
  std::vector<std::shared_ptr<const json::Document>> documents;
  std::vector<mapping::Selected> records;  // Borrowed from the documents.
  std::vector<CsvRow> rows;                // In the place of records.
  WallTime requested_at;
  uint64_t applied_sequence = 0;  // What of the inbox was applied when the request was made.
  uint64_t pass = 0;              // Of a snapshot; 0: rows are not marked as seen.
  // Not empty: rows of this day that are not in the page are removed.
  std::string slice_day;
  bool count_missed = false;
};

enum class RunStatus : uint8_t {
  kSuccess,
  kUnchanged,  // The source said that nothing is new (304).
  kPartial,    // Some pages are there; the rest is taken up by the next run.
  kDeferred,   // The source asked to wait longer than we do.
  kLoop,       // The source's pages never end.
  kRefused,    // What came cannot be trusted: a link elsewhere, another tenant's data, a shrunk file.
  kUnauthorized,
  kFailed,
  kCancelled,  // By its job's end.
};
std::string_view ToString(RunStatus status);
constexpr bool IsSuccess(RunStatus status) {
  return status == RunStatus::kSuccess || status == RunStatus::kUnchanged;
}

struct RunEnd {
  std::string job;
  RunStatus status = RunStatus::kSuccess;
  std::string error;
  WallTime started_at;
  WallTime ended_at;
  std::optional<WallTime> next_due;
  uint64_t records = 0;
  uint64_t changed = 0;      // Rows, without those of this work's page.
  uint64_t sweep_before = 0;  // Rows not seen since this pass are gone; 0: no sweep.
};

// What the source itself counts, as asked for by a check.
struct Counted {
  uint16_t check = 0;  // Index into ConsistencyPlan::checks.
  struct Window {
    std::string from;  // Local days, inclusive; empty: of a check that has none.
    std::string to;
    bool closed_day = false;                // One day that may be adjusted.
    std::map<std::string, int64_t> totals;  // By metric; a count has the metric "".
  };
  std::vector<Window> windows;  // None: it could not be found out.
};

// The source's number, and ours.
struct Compared {
  std::string metric;
  int64_t source = 0;
  int64_t mirror = 0;
};

// A tenant's reconciliations of the last 24 hours.
struct Reconciled {
  uint32_t today = 0;
  std::optional<WallTime> last;
};

// One transaction of a run: a page, the place that it reached, and at last its end.
struct PullWork {
  uint16_t source = 0;
  uint16_t stream = 0;
  std::string tenant;  // Id.
  std::string run_id;
  PullPurpose purpose = PullPurpose::kPoll;
  std::optional<PulledPage> page;
  std::string state;  // Of the stream for this tenant: JSON. Empty keeps what is stored.
  std::string place;  // What the state is kept for, beside the stream's own; see PlaceKey.
  std::optional<Counted> counted;
  std::optional<RunEnd> end;
  std::optional<Lease> lease;  // Prolonged by this work.
};

struct PullResult {
  uint64_t records = 0;
  uint64_t changed = 0;  // Rows of the user's tables.
  uint64_t dead = 0;
  std::map<std::string, uint64_t> new_facts;  // By kind.
  std::map<std::string, uint64_t> missed;     // By kind: those that a webhook should have reported.
  uint64_t swept = 0;
  bool sweep_refused = false;
  std::vector<Compared> compared;
  Reconciled reconciled;
  struct Adjusted {
    std::string metric;
    std::string day;
    int64_t change = 0;
  };
  std::vector<Adjusted> adjusted;
  bool lease_lost = false;  // Another process has the job: nothing was written.
};

// A job begins: its lease, and where its streams are.
struct ClaimRequest {
  Lease lease;
  std::vector<std::string> states;  // Keys that are wanted.
  WallTime now;
};
struct Claimed {
  bool granted = false;
  bool lost_before = false;  // The last owner never ended it.
  StringMap<std::string> states;
};

struct JobEnd {
  Lease lease;
  JobRow row;
  std::string state;  // Of the job: JSON.
  std::vector<int64_t> requests;  // Those that it answers.
};

struct Alert {
  AlertLevel level = AlertLevel::kInfo;
  std::string rule;  // "job_late", "webhook_missed", …
  std::string source;
  std::string tenant;  // Name; empty: of the source as a whole.
  std::string text;
  bool resolved = false;
  WallTime at;
};

// Keys of stored states.
std::string StreamStateKey(std::string_view source, std::string_view stream,
                           std::string_view tenant);
// The same for work on the stream beside its own runs: "check:NAME", "reconcile". Empty: the stream's.
std::string PlaceKey(std::string_view source, std::string_view stream, std::string_view tenant,
                     std::string_view place);
std::string JobStateKey(std::string_view job);

}  // namespace tw::ingest
