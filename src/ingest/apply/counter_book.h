// Changes of counters, summed in memory and written once per batch.
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
#include "ingest/apply/binding.h"
#include "ingest/apply/day_book.h"
#include "ingest/apply/effects.h"
#include "ingest/source.h"

namespace tw::ingest {

class CounterBook {
 public:
  CounterBook(Effects& effects, DayBook& days,
              std::span<const std::shared_ptr<const Source>> sources)
      : effects_(effects), days_(days), sources_(sources) {}

  // Each metric of `contribution` (comma-separated) changes by `delta` on `day`.
  void Add(uint16_t source, const TenantContext& tenant, std::string_view contribution,
           std::string_view day, int64_t delta, std::string_view channel);

  // Writes and forgets the sums: a day row per (tenant, day, metric), a month row per (tenant,
  // month), with what the change does to adjustments. Sums of zero write nothing. Errors: those of
  // Effects; the sums are lost.
  Status Flush(WallTime now);

  // A zero month row for `day`'s month, if there is none.
  Status OpenMonth(uint16_t source, const TenantContext& tenant, std::string_view day,
                   WallTime now);

  // From now on this closed day of `metric` follows the source's own `total`: the difference to its
  // facts becomes its adjustment, and shrinks when the facts are found. Gives the adjustment's
  // change. kInvalidArgument: no such metric. Call it when nothing is summed up.
  Result<int64_t> Follow(uint16_t source, const TenantContext& tenant, std::string_view metric,
                         std::string_view day, int64_t total, WallTime now);

  // What we show for the days `from` … `to`: facts and adjustments.
  Result<int64_t> Shown(uint16_t source, const TenantContext& tenant, std::string_view metric,
                        std::string_view from, std::string_view to, WallTime now);

  void Clear() { sums_.clear(); }

  // What a day's count changed by.
  struct Change {
    std::string tenant;  // Name.
    std::string metric;
    std::string day;
    int64_t delta = 0;
  };
  // From now on each successful Flush appends its changes to `changes`; null ends that.
  void Note(std::vector<Change>* changes) { noted_ = changes; }

 private:
  struct Sums {
    TenantContext tenant;
    std::string channel;  // The last that changed something.
    std::map<std::pair<std::string, std::string>, int64_t> days;  // By day, metric.
  };
  Status FlushTenant(uint16_t source, const Sums& sums, WallTime now);
  // Without deltas it only makes sure that the row exists.
  Status WriteMonth(uint16_t source, const TenantContext& tenant, std::string_view channel,
                    std::string_view day, std::span<const int64_t> deltas, WallTime now);

  Result<std::vector<Value>> DayKeyOf(uint16_t source, const TenantContext& tenant,
                                      std::string_view channel, WallTime now) const;

  Effects& effects_;
  DayBook& days_;
  std::span<const std::shared_ptr<const Source>> sources_;
  std::map<std::pair<uint16_t, std::string>, Sums> sums_;  // By source, tenant id.
  std::vector<Change>* noted_ = nullptr;
};

}  // namespace tw::ingest
