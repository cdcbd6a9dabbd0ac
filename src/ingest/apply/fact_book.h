// Facts: each real-world happening exactly once, whatever channels report it, how often, in which
// order and under which ids (ingestion spec §4.2–4.4).
//
//   ids ──known──▶ that fact (several: merged into the oldest)
//   none known ──▶ the nearest fact with equal match values, close in time, that this channel has
//                  not named yet ──none──▶ a new fact, counted on its local day
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ingest/apply/binding.h"
#include "ingest/apply/counter_book.h"
#include "ingest/apply/day_book.h"
#include "ingest/apply/effects.h"
#include "ingest/source.h"

namespace tw::ingest {

// What one channel says happened.
struct Observation {
  uint16_t source = 0;
  const Source* plans = nullptr;
  const FactPlan* plan = nullptr;
  const TenantContext* tenant = nullptr;
  std::span<const Value> fields;
  std::string_view channel;
  std::string_view private_id;  // Of this event within its channel.
  bool signed_id = false;       // private_id is an id that the sender signed.
  WallTime occurred_at;
  TimeQuality quality = TimeQuality::kReceived;
  WallTime now;
};

enum class Sighting : uint8_t {
  kNew,         // The first time that anyone reports it.
  kKnown,       // Another channel, other ids, or a changed source file reports it again.
  kDuplicate,   // This very event of this channel was observed before, under this source file.
  kLateSealed,  // It would count on a sealed day: nothing was written.
};

struct Sighted {
  Sighting sighting = Sighting::kNew;
  // When it happened, as well as anyone knows now.
  WallTime occurred_at;
};

class FactBook {
 public:
  // `delivery_delay_max`: how long before its receipt an event without own time may have happened.
  FactBook(Effects& effects, CounterBook& counters, const DayBook& days,
           std::chrono::microseconds delivery_delay_max)
      : effects_(effects),
        counters_(counters),
        days_(days),
        delivery_delay_max_(delivery_delay_max) {}

  // Errors: those of Effects.
  Result<Sighted> Observe(const Observation& seen);

  // Totals since construction, for metrics.
  uint64_t merged() const { return merged_; }
  uint64_t paired() const { return paired_; }

 private:
  struct Names {
    std::vector<FactAlias> aliases;
    std::vector<bool> known;  // One per alias.
    std::string match_hash;
    bool matchable = false;  // Has match values to compare with other facts.
  };
  struct Interval {
    WallTime first;
    WallTime last;
  };
  Names NamesOf(const Observation& seen) const;
  Interval IntervalOf(WallTime at, TimeQuality quality) const;
  Result<std::vector<Fact>> FindByName(const Observation& seen, Names& names);
  Result<std::optional<Fact>> Pair(const Observation& seen, const Names& names, std::string& mark);
  bool IsSealed(const Observation& seen, std::string_view day) const;
  // Whether what was seen would count on a sealed day: as a new fact, or by moving `fact` there.
  bool IsLate(const Observation& seen, const Fact* fact) const;
  Status Merge(const Observation& seen, Fact& fact, Fact younger);
  Result<int64_t> Create(const Observation& seen, const Names& names, std::string mark);
  // Gives the time that the fact has afterwards.
  Result<WallTime> Refine(const Observation& seen, Fact fact, bool dirty);

  Effects& effects_;
  CounterBook& counters_;
  const DayBook& days_;
  const std::chrono::microseconds delivery_delay_max_;
  uint64_t merged_ = 0;
  uint64_t paired_ = 0;
};

}  // namespace tw::ingest
