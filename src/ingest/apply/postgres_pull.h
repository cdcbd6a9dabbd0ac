// PullEffects on PostgreSQL, in the transactions of PostgresEffects.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/strings.h"
#include "ingest/apply/postgres_effects.h"
#include "ingest/apply/pull_effects.h"

namespace tw::ingest {

class PostgresPull final : public PullEffects {
 public:
  // Does not connect. `jobs_table` has at least job_name, unique, and is_active; tidewire_job is
  // ours, in the schema tidewire. `session` outlives the object.
  // Errors of calls: also kFailedPrecondition when the jobs table is not fit.
  PostgresPull(PostgresSession& session, std::vector<std::shared_ptr<const Source>> sources,
               std::string jobs_table);

  Result<std::string> ReadState(std::string_view key) override;
  Status WriteState(std::string_view key, std::string_view value) override;
  Result<std::vector<PulledTenant>> PulledTenants(uint16_t source) override;
  Result<bool> MarkSeen(std::string_view scope, std::string_view row_key, uint64_t pass) override;
  Result<int64_t> CountSeen(std::string_view scope) override;
  Result<std::vector<std::string>> Unseen(std::string_view scope, uint64_t before_pass,
                                          int max) override;
  Status MarkSwept(std::string_view scope, std::string_view row_key) override;
  Result<std::vector<std::vector<Value>>> KeysWhere(TableRef table,
                                                    std::span<const ColumnValue> where) override;
  Status DeleteRow(TableRef table, std::span<const Value> key) override;
  Result<int64_t> CountRows(TableRef table, std::span<const ColumnValue> where,
                            std::span<const RowCondition> conditions) override;
  Status WriteCheck(const CheckRecord& check) override;
  Status UpsertFreshness(uint16_t source, std::span<const ColumnValue> key,
                         std::span<const ColumnValue> values) override;
  Status InsertRun(const RunRecord& run) override;
  Result<int64_t> RunsSince(std::string_view source, std::string_view tenant,
                            WallTime since) override;
  Result<Reconciled> RunsOf(std::string_view source, std::string_view stream,
                            std::string_view tenant, std::string_view purpose,
                            WallTime since) override;
  Status TrimRuns(WallTime before, int max) override;
  Status BuryRecord(const DeadRecord& record) override;
  Result<std::vector<KeptEvent>> DeadLetters(const DeadFilter& filter, int max) override;
  Status RemoveDeadLetter(int64_t id) override;
  Result<std::vector<JobRow>> ReadJobs() override;
  Status WriteJob(const JobRow& row) override;
  Result<std::vector<OperatorRequest>> PendingRequests() override;
  Status EndRequest(int64_t id, std::string_view result, WallTime at) override;
  Status WriteAlert(const Alert& alert) override;

 private:
  Status ReadCredentials(const CredentialsPlan& plan, std::vector<PulledTenant>& tenants);
  // Whether the jobs table has this one of kJobColumns.
  Result<bool> JobsHave(std::string_view column);

  PostgresSession& session_;
  const std::vector<std::shared_ptr<const Source>> sources_;
  const std::string jobs_table_;
};

}  // namespace tw::ingest
