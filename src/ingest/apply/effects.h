// The applier's view of a database. The logic above it knows no SQL, so that a second database is a
// second implementation of this interface and nothing else.
//
// Errors of every call   kInvalidArgument: the values break a type or constraint: the event is at
//                        fault (permanent). Everything else: the database is (transient).
// Thread                 The store thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ingest/apply/records.h"
#include "ingest/source.h"
#include "model/value.h"

namespace tw::ingest {

// Which source, and which of its tables.
struct TableRef {
  uint16_t source = 0;
  uint16_t table = 0;
};

struct ColumnValue {
  std::string_view column;
  Value value;
};

class Effects {
 public:
  virtual ~Effects() = default;

  // One transaction at a time; savepoints nest in it, one deep.
  virtual Status Begin() = 0;
  virtual Status Commit() = 0;
  virtual void Rollback() = 0;
  virtual Status Savepoint() = 0;
  virtual Status Release() = 0;
  virtual Status RollbackToSavepoint() = 0;

  virtual Result<uint64_t> ReadAppliedSequence() = 0;
  virtual Status WriteAppliedSequence(uint64_t sequence) = 0;

  // The registry. A name that several rows have gives the one with the smallest id.
  virtual Result<std::optional<Tenant>> FindTenantById(uint16_t source, std::string_view id) = 0;
  virtual Result<std::optional<Tenant>> FindTenantByName(uint16_t source,
                                                         std::string_view name) = 0;
  virtual Result<std::vector<Tenant>> ActiveTenants(uint16_t source) = 0;

  // Facts. FindAlias follows merges: its fact is never a merged one. The names of a fact that was
  // folded (day_effects.h) find nothing, as if they had never been.
  virtual Result<std::optional<Fact>> FindAlias(uint16_t source, std::string_view tenant,
                                                std::string_view kind, const FactAlias& alias) = 0;
  // Facts that are not merged, with this hash, at `from` … `to`, oldest id first.
  virtual Result<std::vector<Fact>> FindMatches(uint16_t source, std::string_view tenant,
                                                std::string_view kind, std::string_view hash,
                                                WallTime from, WallTime to) = 0;
  virtual Result<int64_t> InsertFact(uint16_t source, const Fact& fact, WallTime first_seen) = 0;
  // Writes everything but tenant, kind, hash and first_seen.
  virtual Status UpdateFact(const Fact& fact) = 0;
  // For a name that FindAlias finds nothing for; what is left of a folded fact's is replaced.
  virtual Status InsertAlias(uint16_t source, std::string_view tenant, std::string_view kind,
                             const FactAlias& alias, int64_t fact) = 0;

  // Counters. `key` has the values of CounterPlan::day_key or ::key, `deltas` one per metric,
  // `stamps` one per CounterPlan::stamps (null keeps what is stored).
  virtual Status AddToDay(uint16_t source, std::span<const Value> key, std::string_view metric,
                          std::string_view day, int64_t delta) = 0;
  virtual Status AddToMonth(uint16_t source, std::span<const Value> key,
                            std::span<const int64_t> deltas, std::span<const Value> stamps) = 0;
  // A month row of zeros, unless there is one.
  virtual Status OpenMonth(uint16_t source, std::span<const Value> key,
                           std::span<const Value> stamps) = 0;

  // Rows. `key` has the values of TablePlan::key. ReadRow gives the columns of TablePlan::set, then
  // the stage column, then the one of the previous stage, as far as the plan has them.
  virtual Result<std::optional<Row>> ReadRow(TableRef table, std::span<const Value> key) = 0;
  // Gives the stage column as stored, so that the schema's default is known; null without stages.
  virtual Result<Value> InsertRow(TableRef table, std::span<const ColumnValue> values) = 0;
  virtual Status UpdateRow(TableRef table, std::span<const Value> key,
                           std::span<const ColumnValue> changed) = 0;
  virtual Result<std::optional<RowState>> ReadRowState(TableRef table, std::string_view key) = 0;
  virtual Status WriteRowState(TableRef table, std::string_view key, const RowState& state) = 0;

  // The delivery log.
  virtual Status InsertLog(uint16_t source, const LogEntry& entry) = 0;
  // A parked event was applied, or died: its delivery's row says so.
  virtual Status UpdateLog(uint16_t source, uint64_t sequence,
                           std::optional<std::string_view> tenant_name, std::string_view status,
                           std::string_view error, WallTime applied_at) = 0;
  // Removes old rows and bodies, at most `rows_max` of each kind.
  virtual Status TrimLog(uint16_t source, WallTime now, int rows_max) = 0;

  // Freshness. CountDelivery adds to the tenant's five-minute buckets.
  virtual Status CountDeliveries(uint16_t source, std::string_view tenant, WallTime received_at,
                                 int64_t count) = 0;
  virtual Result<int64_t> DeliveriesSince(uint16_t source, std::string_view tenant,
                                          WallTime since) = 0;
  struct Freshness {
    std::optional<WallTime> last_webhook_at;  // nullopt keeps what is stored.
    int64_t webhook_count_24h = 0;
    std::string_view status;
  };
  virtual Status WriteFreshness(uint16_t source, std::string_view tenant_id,
                                std::string_view tenant_name, const Freshness& freshness) = 0;
  // The last receipt per tenant id, from the buckets.
  virtual Result<std::optional<WallTime>> LastDelivery(uint16_t source,
                                                       std::string_view tenant) = 0;
  virtual Status TrimDeliveryCounts(WallTime before) = 0;

  // Events that wait or that are dead.
  virtual Status Park(const KeptEvent& event) = 0;
  virtual Result<std::vector<std::string>> ParkedTenants(std::string_view source) = 0;
  // In inbox order.
  virtual Result<std::vector<KeptEvent>> ParkedEvents(std::string_view source,
                                                      std::string_view tenant_key, int max) = 0;
  virtual Result<std::vector<KeptEvent>> ExpiredParked(std::string_view source, WallTime before,
                                                       int64_t keep_events, int max) = 0;
  virtual Status RemoveParked(int64_t id) = 0;
  virtual Status Bury(const KeptEvent& event) = 0;
};

}  // namespace tw::ingest
