// PullEffects on SQLite.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/strings.h"
#include "ingest/apply/pull_effects.h"
#include "sqlite/sqlite.h"

namespace tw::ingest {

class SqlitePull final : public PullEffects {
 public:
  // Creates the internal tables. `database` must outlive the object; `jobs_table` has at least
  // job_name and is_active, and is made when it is tidewire_job.
  // Errors: kInvalidArgument when the jobs table is not fit; those of sqlite::Database.
  static Result<std::unique_ptr<SqlitePull>> Create(
      sqlite::Database& database, std::span<const std::shared_ptr<const Source>> sources,
      const std::string& jobs_table);

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
  SqlitePull(sqlite::Database& database, std::span<const std::shared_ptr<const Source>> sources)
      : database_(database), sources_(sources.begin(), sources.end()) {}
  Status PrepareJobs(const std::string& table);
  // A statement by its text, prepared at its first use.
  Result<sqlite::Statement*> Get(const std::string& sql);
  Status ReadCredentials(const CredentialsPlan& plan, std::vector<PulledTenant>& tenants);

  sqlite::Database& database_;
  std::vector<std::shared_ptr<const Source>> sources_;
  StringMap<sqlite::Statement> statements_;
  std::string read_jobs_;
  std::string insert_job_;
  std::string update_job_;
};

}  // namespace tw::ingest
