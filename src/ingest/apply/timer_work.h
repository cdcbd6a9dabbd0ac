// What time alone makes due: see Applier::OnTimer.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "ingest/apply/ingest_state.h"

namespace tw::ingest {

class TimerWork {
 public:
  explicit TimerWork(IngestState& state) : state_(state) {}

  // Errors: those of Effects; what was due is due again.
  Status Run(WallTime now);

 private:
  Status Rollover(WallTime now);
  Status RefreshHealth(WallTime now);
  Status ReleaseParked();
  Status ExpireParked(WallTime now);
  Status Trim(WallTime now);
  template <typename Work>
  Status InTransaction(Work work);

  IngestState& state_;
  std::optional<WallTime> rollover_due_;  // nullopt: now.
  std::optional<WallTime> health_due_;
  std::optional<WallTime> trim_due_;
  // The month whose row is known to exist, by (source, tenant id).
  std::map<std::pair<uint16_t, std::string>, std::string> open_months_;
  std::pair<uint16_t, std::string> parked_cursor_;  // The last that was looked up.
};

}  // namespace tw::ingest
