// What runs of the pull side need of a database beyond Effects; inside the same transactions.
// Errors and thread as there.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/apply/effects.h"
#include "ingest/poll/pull_work.h"

namespace tw::ingest {

// A record of a stream that can never be applied.
struct DeadRecord {
  std::string_view source;
  std::string_view stream;
  std::string_view tenant;
  std::string_view record_id;
  std::string_view reason;
  std::string_view error;
  std::string_view config_version;
  std::string_view record;
  WallTime at;
};

// Empty parts take everything.
struct DeadFilter {
  std::string source;
  std::string type;
  std::string reason;
  std::string id;
  int64_t after = 0;  // Ids above it.
};

struct RunRecord {
  std::string_view id;
  std::string_view job;
  std::string_view source;
  std::string_view stream;
  std::string_view tenant;
  std::string_view purpose;
  std::string_view status;
  std::string_view error;
  WallTime started_at;
  WallTime ended_at;
  uint64_t records = 0;
  uint64_t changed = 0;
};

// How the last look at one number ended.
struct CheckRecord {
  std::string_view source;
  std::string_view check;
  std::string_view tenant;
  std::string_view metric;  // Empty: a count of rows.
  std::string_view status;  // ok, info, warning, critical; unknown keeps the numbers that were known.
  std::optional<int64_t> source_total;
  std::optional<int64_t> mirror_total;
  WallTime at;
};

// What the jobs table shows of a job, beside job_name and is_active, where it has the column.
inline constexpr std::array<std::string_view, 7> kJobColumns = {
    "job_type", "schedule", "endpoint", "last_run_at", "last_status", "last_error", "next_run_at"};

// An alert's level as it is stored: its name in the configuration.
std::string_view LevelText(AlertLevel level);

class PullEffects {
 public:
  virtual ~PullEffects() = default;

  // Small texts by key: cursors, jobs, leases. An empty text removes the key.
  virtual Result<std::string> ReadState(std::string_view key) = 0;
  virtual Status WriteState(std::string_view key, std::string_view value) = 0;

  // Active tenants with further columns and credentials, without what only memory knows.
  virtual Result<std::vector<PulledTenant>> PulledTenants(uint16_t source) = 0;

  // Rows that passes of a snapshot have seen, by scope (source, stream, tenant). MarkSeen gives true
  // when the row was swept before.
  virtual Result<bool> MarkSeen(std::string_view scope, std::string_view row_key,
                                uint64_t pass) = 0;
  virtual Result<int64_t> CountSeen(std::string_view scope) = 0;
  virtual Result<std::vector<std::string>> Unseen(std::string_view scope, uint64_t before_pass,
                                                  int max) = 0;
  virtual Status MarkSwept(std::string_view scope, std::string_view row_key) = 0;

  // The keys (TablePlan::key) of the rows whose columns have these values.
  virtual Result<std::vector<std::vector<Value>>> KeysWhere(TableRef table,
                                                            std::span<const ColumnValue> where) = 0;
  virtual Status DeleteRow(TableRef table, std::span<const Value> key) = 0;

  // How many rows of a table have these values and meet the conditions.
  virtual Result<int64_t> CountRows(TableRef table, std::span<const ColumnValue> where,
                                    std::span<const RowCondition> conditions) = 0;
  // Replaces the row of the same source, check, tenant and metric; an unknown one without a metric
  // says it of all.
  virtual Status WriteCheck(const CheckRecord& check) = 0;

  // A row of the freshness table.
  virtual Status UpsertFreshness(uint16_t source, std::span<const ColumnValue> key,
                                 std::span<const ColumnValue> values) = 0;

  virtual Status InsertRun(const RunRecord& run) = 0;
  virtual Result<int64_t> RunsSince(std::string_view source, std::string_view tenant,
                                    WallTime since) = 0;
  // Runs of one stream and purpose that ended after `since`.
  virtual Result<Reconciled> RunsOf(std::string_view source, std::string_view stream,
                                    std::string_view tenant, std::string_view purpose,
                                    WallTime since) = 0;
  virtual Status TrimRuns(WallTime before, int max) = 0;

  // Replaces what is known of the same record.
  virtual Status BuryRecord(const DeadRecord& record) = 0;

  // Dead letters of webhooks, by what is set of the filter, oldest first.
  virtual Result<std::vector<KeptEvent>> DeadLetters(const DeadFilter& filter, int max) = 0;
  virtual Status RemoveDeadLetter(int64_t id) = 0;

  // The jobs table. WriteJob makes the row when it is missing and never touches is_active of one
  // that is there.
  virtual Result<std::vector<JobRow>> ReadJobs() = 0;
  virtual Status WriteJob(const JobRow& row) = 0;

  virtual Result<std::vector<OperatorRequest>> PendingRequests() = 0;
  virtual Status EndRequest(int64_t id, std::string_view result, WallTime at) = 0;

  // One row per (rule, source, tenant) and time that it fired.
  virtual Status WriteAlert(const Alert& alert) = 0;
};

}  // namespace tw::ingest
