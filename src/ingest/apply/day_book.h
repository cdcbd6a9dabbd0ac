// What is settled about days: those that are sealed, those that follow the source's own total, and
// the zone that each tenant's days are cut in (ingestion spec §4.4).
//
//   open day     facts alone say its counts
//   closed day   facts, and an adjustment while the source counts differently
//   sealed day   a number; no fact may change it any more
//
// Kept in memory, so that asking costs nothing; Load() after every rollback.
// Thread: the store thread only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/strings.h"
#include "ingest/apply/day_effects.h"
#include "ingest/source.h"

namespace tw::ingest {

class DayBook {
 public:
  DayBook(std::unique_ptr<DayEffects> effects,
          std::span<const std::shared_ptr<const Source>> sources)
      : effects_(std::move(effects)), sources_(sources) {}

  // Errors of this and all below: those of DayEffects.
  Status Load();

  bool IsSealed(uint16_t source, std::string_view tenant, std::string_view day) const;
  // Empty: nothing is sealed.
  std::string_view SealedBefore(uint16_t source, std::string_view tenant) const;
  // Days only become sealed: an earlier `day` changes nothing. Adjustments of those days stay as
  // they are.
  Status Seal(uint16_t source, std::string_view tenant, std::string_view day);

  // The count of this day has changed by facts: gives by how much its adjustment must change, and
  // writes that.
  Result<int64_t> Settle(uint16_t source, std::string_view tenant, std::span<const Value> key,
                         std::string_view metric, std::string_view day);
  // From now on the day follows `total`. Gives the change of its adjustment, which is written.
  Result<int64_t> Follow(uint16_t source, std::string_view tenant, std::span<const Value> key,
                         std::string_view metric, std::string_view day, int64_t total,
                         WallTime now);

  // Empty: none was ever written.
  std::string_view ZoneOf(uint16_t source, std::string_view tenant) const;
  Status SetZone(uint16_t source, std::string_view tenant, std::string_view zone);

  DayEffects& effects() { return *effects_; }

 private:
  struct Followed {
    int64_t total = 0;
    int64_t sign = 0;
  };
  struct TenantDays {
    std::string sealed_before;
    std::string zone;
    std::map<std::pair<std::string, std::string>, Followed> followed;  // By metric, day.
  };
  const TenantDays* Find(uint16_t source, std::string_view tenant) const;
  TenantDays& Of(uint16_t source, std::string_view tenant);
  Result<int64_t> Write(uint16_t source, std::span<const Value> key, std::string_view metric,
                        std::string_view day, const DayCount& count, const Followed& followed);

  const std::unique_ptr<DayEffects> effects_;
  const std::span<const std::shared_ptr<const Source>> sources_;
  std::vector<StringMap<TenantDays>> tenants_;  // By source, tenant id.
};

}  // namespace tw::ingest
