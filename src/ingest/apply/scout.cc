#include "ingest/apply/scout.h"

#include "ingest/apply/batch.h"
#include "ingest/apply/day_effects.h"

namespace tw::ingest {
namespace {

// Knows tenants, nothing else; takes every write and forgets it.
class NotingEffects final : public Effects {
 public:
  NotingEffects(Effects& real, Wanted& wanted) : real_(real), wanted_(wanted) {}

  Status Begin() override { return {}; }
  Status Commit() override { return {}; }
  void Rollback() override {}
  Status Savepoint() override { return {}; }
  Status Release() override { return {}; }
  Status RollbackToSavepoint() override { return {}; }
  Result<uint64_t> ReadAppliedSequence() override { return uint64_t{0}; }
  Status WriteAppliedSequence(uint64_t) override { return {}; }

  Result<std::optional<Tenant>> FindTenantById(uint16_t source, std::string_view id) override {
    return real_.FindTenantById(source, id);
  }
  Result<std::optional<Tenant>> FindTenantByName(uint16_t source, std::string_view name) override {
    return real_.FindTenantByName(source, name);
  }
  Result<std::vector<Tenant>> ActiveTenants(uint16_t) override { return std::vector<Tenant>(); }

  Result<std::optional<Fact>> FindAlias(uint16_t source, std::string_view tenant,
                                        std::string_view kind, const FactAlias& alias) override {
    wanted_.aliases.push_back({source, std::string(tenant), std::string(kind), alias});
    return std::optional<Fact>();
  }
  Result<std::vector<Fact>> FindMatches(uint16_t, std::string_view, std::string_view,
                                        std::string_view hash, WallTime from,
                                        WallTime to) override {
    wanted_.matches.push_back({std::string(hash), from, to});
    return std::vector<Fact>();
  }
  Result<int64_t> InsertFact(uint16_t, const Fact&, WallTime) override { return int64_t{1}; }
  Status UpdateFact(const Fact&) override { return {}; }
  Status InsertAlias(uint16_t, std::string_view, std::string_view, const FactAlias&,
                     int64_t) override {
    return {};
  }

  Status AddToDay(uint16_t, std::span<const Value>, std::string_view, std::string_view,
                  int64_t) override {
    return {};
  }
  Status AddToMonth(uint16_t, std::span<const Value>, std::span<const int64_t>,
                    std::span<const Value>) override {
    return {};
  }
  Status OpenMonth(uint16_t, std::span<const Value>, std::span<const Value>) override {
    return {};
  }

  Result<std::optional<Row>> ReadRow(TableRef table, std::span<const Value> key) override {
    wanted_.rows.push_back({table, std::vector<Value>(key.begin(), key.end())});
    return std::optional<Row>();
  }
  Result<Value> InsertRow(TableRef, std::span<const ColumnValue>) override { return Value(); }
  Status UpdateRow(TableRef, std::span<const Value>, std::span<const ColumnValue>) override {
    return {};
  }
  Result<std::optional<RowState>> ReadRowState(TableRef, std::string_view) override {
    return std::optional<RowState>();
  }
  Status WriteRowState(TableRef, std::string_view, const RowState&) override { return {}; }

  Status InsertLog(uint16_t, const LogEntry&) override { return {}; }
  Status UpdateLog(uint16_t, uint64_t, std::optional<std::string_view>, std::string_view,
                   std::string_view, WallTime) override {
    return {};
  }
  Status TrimLog(uint16_t, WallTime, int) override { return {}; }

  Status CountDeliveries(uint16_t, std::string_view, WallTime, int64_t) override { return {}; }
  Result<int64_t> DeliveriesSince(uint16_t, std::string_view, WallTime) override {
    return int64_t{0};
  }
  Status WriteFreshness(uint16_t, std::string_view, std::string_view, const Freshness&) override {
    return {};
  }
  Result<std::optional<WallTime>> LastDelivery(uint16_t, std::string_view) override {
    return std::optional<WallTime>();
  }
  Status TrimDeliveryCounts(WallTime) override { return {}; }

  Status Park(const KeptEvent&) override { return {}; }
  Result<std::vector<std::string>> ParkedTenants(std::string_view) override {
    return std::vector<std::string>();
  }
  Result<std::vector<KeptEvent>> ParkedEvents(std::string_view, std::string_view, int) override {
    return std::vector<KeptEvent>();
  }
  Result<std::vector<KeptEvent>> ExpiredParked(std::string_view, WallTime, int64_t, int) override {
    return std::vector<KeptEvent>();
  }
  Status RemoveParked(int64_t) override { return {}; }
  Status Bury(const KeptEvent&) override { return {}; }

 private:
  Effects& real_;
  Wanted& wanted_;
};

// Days that nobody has closed.
class NoDays final : public DayEffects {
 public:
  Result<std::vector<SealedTenant>> SealedTenants() override {
    return std::vector<SealedTenant>();
  }
  Status Seal(const SealedTenant&) override { return {}; }
  Result<std::vector<DayTarget>> DayTargets() override { return std::vector<DayTarget>(); }
  Status WriteTarget(const DayTarget&, WallTime) override { return {}; }
  Status RemoveTargets(std::string_view, std::string_view, std::string_view) override {
    return {};
  }
  Result<std::vector<ZonedTenant>> Zones() override { return std::vector<ZonedTenant>(); }
  Status WriteZone(const ZonedTenant&) override { return {}; }
  Result<std::vector<PlacedFact>> FactsAfter(int64_t, int) override {
    return std::vector<PlacedFact>();
  }
  Result<std::vector<PlacedFact>> FactsBefore(int64_t, int) override {
    return std::vector<PlacedFact>();
  }
  Status MoveFact(int64_t, std::string_view) override { return {}; }
  Status RemoveFact(int64_t) override { return {}; }
  Result<int64_t> SweepAliases(std::string&, int) override { return int64_t{0}; }
  Result<bool> Folding() override { return false; }
  Status SetFolding(bool) override { return {}; }
  Result<DayCount> SumDays(uint16_t, std::span<const Value>, std::string_view, std::string_view,
                           std::string_view) override {
    return DayCount{};
  }
  Result<DayCount> ReadDay(uint16_t, std::span<const Value>, std::string_view,
                           std::string_view) override {
    return DayCount{};
  }
  Status WriteAdjusted(uint16_t, std::span<const Value>, std::string_view, std::string_view,
                       int64_t) override {
    return {};
  }
};

}  // namespace

Scout::Scout(std::vector<std::shared_ptr<const Source>> sources, Effects& effects, Clock& clock,
             const ApplierOptions& options)
    : state_(std::make_unique<IngestState>(std::move(sources),
                                           std::make_unique<NotingEffects>(effects, wanted_),
                                           std::make_unique<NoDays>(), clock, metrics_, options)) {}

Scout::~Scout() = default;

Wanted Scout::Look(std::span<const DeliveryView> deliveries) {
  wanted_ = {};
  state_->tenants.Forget();
  Batch batch(*state_, Isolation::kWhole);
  for (const DeliveryView& delivery : deliveries) {
    if (!batch.Add(delivery).ok()) break;  // The applier meets the same, and knows what to do.
  }
  state_->counters.Clear();
  state_->parked.clear();
  return std::move(wanted_);
}

}  // namespace tw::ingest
