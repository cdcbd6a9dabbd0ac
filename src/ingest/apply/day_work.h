// What time and the registry make due about days: sealing those beyond `fact_retention`, folding
// their facts, and cutting the open month anew when a tenant's zone changes.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "base/result.h"
#include "ingest/apply/ingest_state.h"

namespace tw::ingest {

class DayWork {
 public:
  explicit DayWork(IngestState& state) : state_(state) {}

  // A bounded piece of what is due; call it about once a second. Errors: those of Effects; what was
  // due is due again.
  Status Run(WallTime now);

 private:
  // A tenant whose open month is being cut anew, from the newest fact to the oldest.
  struct Recut {
    uint16_t source = 0;
    std::string tenant;
    std::string zone;
    std::string month_start;  // Facts of earlier days stay where they are.
    WallTime seen_since;      // Facts that were first seen before it are of earlier days.
    int64_t below = 0;        // The id that the next piece begins under.
  };
  Status LookAtTenants(WallTime now);
  Status SealTenant(uint16_t source, const TenantContext& tenant, WallTime now);
  Status NoteZone(uint16_t source, const TenantContext& tenant, WallTime now);
  Status RecutPiece(Recut& recut, bool& done, WallTime now);
  Status FoldPiece();
  Result<bool> Foldable(const PlacedFact& fact);
  Status SweepPiece();
  template <typename Work>
  Status InTransaction(Work work);

  IngestState& state_;
  std::optional<WallTime> look_due_;  // nullopt: now.
  std::deque<Recut> recuts_;
  enum class Fold : uint8_t { kUnknown, kNone, kFacts, kNames } fold_ = Fold::kUnknown;
  bool sealed_more_ = false;
  int64_t folded_to_ = 0;
  std::string swept_to_;
};

}  // namespace tw::ingest
