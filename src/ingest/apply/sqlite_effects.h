// Effects on SQLite. Every statement is prepared once; those whose columns vary are prepared at
// their first use and kept.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/strings.h"
#include "ingest/apply/effects.h"
#include "ingest/source.h"
#include "sqlite/sqlite.h"

namespace tw::ingest {

// Binds values from parameter `first` on. Texts must outlive the statement's run.
void BindValues(sqlite::Statement& statement, int first, std::span<const Value> values);
void BindValue(sqlite::Statement& statement, int index, const Value& value);
Value ReadValue(const sqlite::Statement& statement, int column);

class SqliteEffects final : public Effects {
 public:
  // Creates the internal tables. Both must outlive the object.
  // Errors: those of sqlite::Database.
  static Result<std::unique_ptr<SqliteEffects>> Create(
      sqlite::Database& database, std::span<const std::shared_ptr<const Source>> sources);

  Status Begin() override;
  Status Commit() override;
  void Rollback() override;
  Status Savepoint() override { return savepoint_.Run(); }
  Status Release() override { return release_.Run(); }
  Status RollbackToSavepoint() override;

  Result<uint64_t> ReadAppliedSequence() override;
  Status WriteAppliedSequence(uint64_t sequence) override;

  Result<std::optional<Tenant>> FindTenantById(uint16_t source, std::string_view id) override;
  Result<std::optional<Tenant>> FindTenantByName(uint16_t source, std::string_view name) override;
  Result<std::vector<Tenant>> ActiveTenants(uint16_t source) override;

  Result<std::optional<Fact>> FindAlias(uint16_t source, std::string_view tenant,
                                        std::string_view kind, const FactAlias& alias) override;
  Result<std::vector<Fact>> FindMatches(uint16_t source, std::string_view tenant,
                                        std::string_view kind, std::string_view hash, WallTime from,
                                        WallTime to) override;
  Result<int64_t> InsertFact(uint16_t source, const Fact& fact, WallTime first_seen) override;
  Status UpdateFact(const Fact& fact) override;
  Status InsertAlias(uint16_t source, std::string_view tenant, std::string_view kind,
                     const FactAlias& alias, int64_t fact) override;

  Status AddToDay(uint16_t source, std::span<const Value> key, std::string_view metric,
                  std::string_view day, int64_t delta) override;
  Status AddToMonth(uint16_t source, std::span<const Value> key, std::span<const int64_t> deltas,
                    std::span<const Value> stamps) override;
  Status OpenMonth(uint16_t source, std::span<const Value> key,
                   std::span<const Value> stamps) override;

  Result<std::optional<Row>> ReadRow(TableRef table, std::span<const Value> key) override;
  Result<Value> InsertRow(TableRef table, std::span<const ColumnValue> values) override;
  Status UpdateRow(TableRef table, std::span<const Value> key,
                   std::span<const ColumnValue> changed) override;
  Result<std::optional<RowState>> ReadRowState(TableRef table, std::string_view key) override;
  Status WriteRowState(TableRef table, std::string_view key, const RowState& state) override;

  Status InsertLog(uint16_t source, const LogEntry& entry) override;
  Status UpdateLog(uint16_t source, uint64_t sequence, std::optional<std::string_view> tenant_name,
                   std::string_view status, std::string_view error, WallTime applied_at) override;
  Status TrimLog(uint16_t source, WallTime now, int rows_max) override;

  Status CountDeliveries(uint16_t source, std::string_view tenant, WallTime received_at,
                         int64_t count) override;
  Result<int64_t> DeliveriesSince(uint16_t source, std::string_view tenant,
                                  WallTime since) override;
  Result<std::optional<WallTime>> LastDelivery(uint16_t source, std::string_view tenant) override;
  Status WriteFreshness(uint16_t source, std::string_view tenant_id, std::string_view tenant_name,
                        const Freshness& freshness) override;
  Status TrimDeliveryCounts(WallTime before) override;

  Status Park(const KeptEvent& event) override;
  Result<std::vector<std::string>> ParkedTenants(std::string_view source) override;
  Result<std::vector<KeptEvent>> ParkedEvents(std::string_view source, std::string_view tenant_key,
                                              int max) override;
  Result<std::vector<KeptEvent>> ExpiredParked(std::string_view source, WallTime before,
                                               int64_t keep_events, int max) override;
  Status RemoveParked(int64_t id) override;
  Status Bury(const KeptEvent& event) override;

 private:
  struct TableStatements {
    sqlite::Statement read;
    StringMap<sqlite::Statement> inserts;  // By the list of columns.
    StringMap<sqlite::Statement> updates;
  };
  struct SourceStatements {
    sqlite::Statement tenant_by_id;
    sqlite::Statement tenant_by_name;
    sqlite::Statement active_tenants;
    sqlite::Statement add_to_day;
    sqlite::Statement add_to_month;
    sqlite::Statement open_month;
    sqlite::Statement insert_log;
    sqlite::Statement update_log;
    sqlite::Statement trim_log;
    sqlite::Statement trim_bodies;
    sqlite::Statement write_freshness;
    std::vector<TableStatements> tables;
    std::string bodies_trimmed_to;  // Rows received up to here have no body any more.
  };

  explicit SqliteEffects(sqlite::Database& database) : database_(database) {}
  Status PrepareShared();
  Status PrepareFacts();
  Status PrepareKept();
  Status PrepareSource(std::shared_ptr<const Source> source);
  Status PrepareTenants(const Source& source, SourceStatements& statements);
  Status PrepareCounters(const CounterPlan& plan, SourceStatements& statements);
  Status PrepareLog(const LogPlan& plan, SourceStatements& statements);
  Status PrepareFreshness(const FreshnessPlan& plan, SourceStatements& statements);
  Result<std::optional<Fact>> LoadFact(int64_t id);
  Result<int64_t> ScopeOf(uint16_t source, std::string_view tenant, std::string_view kind);
  Result<std::optional<Tenant>> FindTenant(sqlite::Statement& statement);
  Result<std::vector<KeptEvent>> ReadParked(sqlite::Statement& statement);

  const TablePlan& Plan(TableRef ref) const { return sources_[ref.source]->tables[ref.table]; }

  sqlite::Database& database_;
  std::vector<std::shared_ptr<const Source>> sources_;
  std::vector<SourceStatements> per_source_;
  sqlite::Statement begin_, commit_, rollback_, savepoint_, release_, rollback_to_;
  sqlite::Statement read_sequence_, write_sequence_;
  sqlite::Statement find_alias_, load_fact_, find_matches_, insert_fact_, update_fact_;
  sqlite::Statement insert_alias_, find_scope_, insert_scope_;
  // Scopes that exist, or are made by the open transaction.
  StringMap<int64_t> scopes_;
  sqlite::Statement read_state_, write_state_;
  sqlite::Statement count_, count_since_, last_delivery_, trim_counts_;
  sqlite::Statement park_, parked_tenants_, parked_events_, expired_parked_, remove_parked_, bury_;
};

}  // namespace tw::ingest
