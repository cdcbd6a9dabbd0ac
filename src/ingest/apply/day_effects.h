// What the applier keeps about whole days beyond facts and counters: which are sealed, which follow
// the source's own total, and the zone that a tenant's days were last cut in.
//
// Errors and thread as Effects; inside the same transactions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/value.h"

namespace tw::ingest {

// Days of this tenant before `day` are sealed: their facts are folded into the day rows.
struct SealedTenant {
  std::string source;
  std::string tenant;
  std::string day;
};

// What the source itself counts on a closed day, and on which side of our facts that was when it
// was taken over. The day's adjustment follows from it: it never changes its sign.
struct DayTarget {
  std::string source;
  std::string tenant;
  std::string metric;
  std::string day;
  int64_t total = 0;
  int64_t sign = 0;  // 1: facts were missing. -1: there were too many.
};

struct ZonedTenant {
  std::string source;
  std::string tenant;
  std::string zone;  // A name of the tz database.
};

// The parts of a fact that folding and moving it look at.
struct PlacedFact {
  int64_t id = 0;
  std::string source;
  std::string tenant;
  std::string kind;
  std::string bucket_day;
  std::string contribution;
  WallTime occurred_at;
  WallTime first_seen;
  int64_t merged_into = 0;
};

// The counter row of one metric on one day.
struct DayCount {
  int64_t facts = 0;
  int64_t adjusted = 0;
};

class DayEffects {
 public:
  virtual ~DayEffects() = default;

  virtual Result<std::vector<SealedTenant>> SealedTenants() = 0;
  virtual Status Seal(const SealedTenant& sealed) = 0;
  virtual Result<std::vector<DayTarget>> DayTargets() = 0;
  // A target of sign 0 removes the one that is stored.
  virtual Status WriteTarget(const DayTarget& target, WallTime at) = 0;
  // Those of days before `day`.
  virtual Status RemoveTargets(std::string_view source, std::string_view tenant,
                               std::string_view day) = 0;
  virtual Result<std::vector<ZonedTenant>> Zones() = 0;
  virtual Status WriteZone(const ZonedTenant& zoned) = 0;

  // At most `max` facts by rising id above `id`, or by falling id below it.
  virtual Result<std::vector<PlacedFact>> FactsAfter(int64_t id, int max) = 0;
  virtual Result<std::vector<PlacedFact>> FactsBefore(int64_t id, int max) = 0;
  virtual Status MoveFact(int64_t id, std::string_view bucket_day) = 0;
  // The newest fact stays: its id must never be given again while names of it may remain.
  virtual Status RemoveFact(int64_t id) = 0;
  // Removes names whose fact is gone, looking at up to `max` of them after the place that `cursor`
  // holds; an empty cursor starts, and comes back empty at the end.
  virtual Result<int64_t> SweepAliases(std::string& cursor, int max) = 0;
  // Whether a fold was begun and not ended; survives a restart.
  virtual Result<bool> Folding() = 0;
  virtual Status SetFolding(bool folding) = 0;

  // `key` as for Effects::AddToDay. A row that does not exist counts zero.
  virtual Result<DayCount> ReadDay(uint16_t source, std::span<const Value> key,
                                   std::string_view metric, std::string_view day) = 0;
  // The sum over the days `from` … `to`.
  virtual Result<DayCount> SumDays(uint16_t source, std::span<const Value> key,
                                   std::string_view metric, std::string_view from,
                                   std::string_view to) = 0;
  virtual Status WriteAdjusted(uint16_t source, std::span<const Value> key, std::string_view metric,
                               std::string_view day, int64_t adjusted) = 0;
};

}  // namespace tw::ingest
