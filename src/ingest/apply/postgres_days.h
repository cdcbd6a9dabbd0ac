// DayEffects on PostgreSQL, in the transactions of PostgresEffects.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ingest/apply/day_effects.h"
#include "ingest/apply/postgres_session.h"
#include "ingest/source.h"

namespace tw::ingest {

class PostgresDays final : public DayEffects {
 public:
  // Does not connect. `session` outlives the object.
  PostgresDays(PostgresSession& session, std::vector<std::shared_ptr<const Source>> sources)
      : session_(session), sources_(std::move(sources)) {}

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
  Result<std::vector<PlacedFact>> ReadFacts(const std::string& condition, int64_t id, int max);

  PostgresSession& session_;
  const std::vector<std::shared_ptr<const Source>> sources_;
};

}  // namespace tw::ingest
