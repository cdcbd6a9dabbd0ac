// DayEffects on SQLite.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/strings.h"
#include "ingest/apply/day_effects.h"
#include "ingest/source.h"
#include "sqlite/sqlite.h"

namespace tw::ingest {

class SqliteDays final : public DayEffects {
 public:
  // Creates the internal tables; those of CreateApplySchema must exist. `database` must outlive the
  // object.
  static Result<std::unique_ptr<SqliteDays>> Create(
      sqlite::Database& database, std::span<const std::shared_ptr<const Source>> sources);

  Result<std::vector<SealedTenant>> SealedTenants() override;
  Status Seal(const SealedTenant& sealed) override;
  Result<std::vector<DayTarget>> DayTargets() override;
  Status WriteTarget(const DayTarget& target, WallTime at) override;
  Status RemoveTargets(std::string_view source, std::string_view tenant,
                       std::string_view day) override;
  Result<std::vector<ZonedTenant>> Zones() override;
  Status WriteZone(const ZonedTenant& zoned) override;
  Result<std::vector<PlacedFact>> FactsAfter(int64_t id, int max) override;
  Result<std::vector<PlacedFact>> FactsBefore(int64_t id, int max) override;
  Status MoveFact(int64_t id, std::string_view bucket_day) override;
  Status RemoveFact(int64_t id) override;
  Result<int64_t> SweepAliases(std::string& cursor, int max) override;
  Result<bool> Folding() override;
  Status SetFolding(bool folding) override;
  Result<DayCount> ReadDay(uint16_t source, std::span<const Value> key, std::string_view metric,
                           std::string_view day) override;
  Result<DayCount> SumDays(uint16_t source, std::span<const Value> key, std::string_view metric,
                           std::string_view from, std::string_view to) override;
  Status WriteAdjusted(uint16_t source, std::span<const Value> key, std::string_view metric,
                       std::string_view day, int64_t adjusted) override;

 private:
  SqliteDays(sqlite::Database& database, std::span<const std::shared_ptr<const Source>> sources)
      : database_(database), sources_(sources.begin(), sources.end()) {}
  // A statement by its text, prepared at its first use.
  Result<sqlite::Statement*> Get(const std::string& sql);
  Result<std::vector<PlacedFact>> ReadFacts(const std::string& sql, int64_t id, int max);

  sqlite::Database& database_;
  std::vector<std::shared_ptr<const Source>> sources_;
  StringMap<sqlite::Statement> statements_;
};

}  // namespace tw::ingest
