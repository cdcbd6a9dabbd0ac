// Effects on PostgreSQL: one connection, writes without waiting, few reads.
//
//   facts, aliases, row states, log rows ──▶ buffers ──one statement per kind──▶ ┐
//   rows, counters, freshness, parked, dead ─────────sent at once──────────────▶ ├─▶ Commit
//   reads ──▶ what this transaction has read or written ──else──▶ a round trip   ┘
//
// What is ours alone (schema tidewire, guarded by the session's lock) is remembered for the length
// of a transaction; rows of the user's tables are locked when they are read, and read again after
// they were written, because triggers may have changed them. So a person's edit is either seen by
// the transaction or comes after it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/strings.h"
#include "ingest/apply/effects.h"
#include "ingest/apply/postgres_session.h"
#include "ingest/apply/postgres_stored.h"
#include "ingest/apply/scout.h"
#include "ingest/source.h"

namespace tw::ingest {

class PostgresEffects final : public Effects {
 public:
  // Does not connect. `session` outlives the object.
  PostgresEffects(PostgresSession& session, std::vector<std::shared_ptr<const Source>> sources)
      : session_(session), sources_(std::move(sources)) {}

  // Reads at once what a batch will ask for. Within a transaction, before anything else of it.
  Status Prefetch(const Wanted& wanted);

  Status Begin() override;
  Status Commit() override;
  void Rollback() override;
  Status Savepoint() override;
  Status Release() override;
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
  // A fact of this transaction, and what is still to be written of it.
  struct CachedFact {
    enum class Pending : uint8_t { kNothing, kInsert, kUpdate };
    Fact fact;
    Pending pending = Pending::kNothing;
    uint16_t source = 0;   // Of inserts: as its first three parts say.
    WallTime first_seen;
  };
  // All facts of a hash between two times, or more of them.
  struct Matches {
    WallTime from;
    WallTime to;
    std::set<int64_t> ids;
  };
  struct NewAlias {
    uint16_t source;
    std::string tenant;
    std::string kind;
    FactAlias alias;
    int64_t fact;
  };
  struct CachedState {
    std::optional<RowState> state;
    bool pending = false;
  };
  struct LogRow {
    uint64_t sequence;
    StoredText tenant;
    StoredText type;
    std::string status;
    WallTime received_at;
    WallTime applied_at;
    std::string config_version;
    StoredText error;
    std::string body;
  };

  void Forget();
  Status PrefetchAliases(std::span<const Wanted::Alias> wanted);
  Status PrefetchMatches(std::span<const Wanted::Match> wanted);
  Status PrefetchStates(std::span<const Wanted::StoredRow> wanted);
  Status PrefetchRows(TableRef table, std::span<const Wanted::StoredRow* const> wanted);
  // Whether a trigger may change rows that we have read.
  Result<bool> TablesHaveTriggers();
  // Sends what the buffers hold.
  Status Flush();
  Status FlushNewFacts();
  Status FlushChangedFacts();
  Status FlushAliases();
  Status FlushStates();
  Status FlushLog(uint16_t source);
  // Null: there is none any more, because it was folded.
  Result<CachedFact*> LoadFact(int64_t id);
  CachedFact& Keep(Fact fact);
  Result<std::optional<Tenant>> OneTenant(std::string sql, const StoredText& parameter);
  Result<std::string> TenantColumns(const TenantPlan& plan) const;
  Status UpsertMonth(uint16_t source, std::span<const Value> key, std::span<const int64_t> deltas,
                     std::span<const Value> stamps, std::string_view on_conflict);
  Result<std::vector<KeptEvent>> ReadParked(const std::string& condition, Parameters parameters);
  const TablePlan& Plan(TableRef ref) const { return sources_[ref.source]->tables[ref.table]; }

  PostgresSession& session_;
  const std::vector<std::shared_ptr<const Source>> sources_;
  // Of the open transaction.
  std::map<int64_t, CachedFact> facts_;
  StringMap<std::set<int64_t>> changed_by_hash_;
  StringMap<Matches> matches_;
  StringMap<int64_t> aliases_;  // 0: there is none.
  std::vector<NewAlias> new_aliases_;
  StringMap<CachedState> states_;  // By table and key.
  // Rows as they are, locked; what we write is forgotten here. By table and key.
  StringMap<std::optional<Row>> rows_;
  std::vector<std::vector<LogRow>> log_;
  // Ids that the sequence gave us and nobody else.
  std::vector<int64_t> fact_ids_;  // The smallest last.
  bool triggers_ = false;
  uint64_t triggers_known_for_ = 0;  // The number of the connection; 0: for none.
};

}  // namespace tw::ingest
