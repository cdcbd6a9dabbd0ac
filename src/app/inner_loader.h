// Fills the tables that policies look into from the embedded store.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "capture/capture.h"
#include "policy/inner_tables.h"
#include "store/store.h"

namespace tw::app {

// The kept tables' rows as they are at one position, and the changes before it that are still in
// the log, newest first.
struct InnerSnapshot {
  std::shared_ptr<const policy::InnerPlan> plan;
  uint64_t position = 0;
  uint64_t rewound_to = 0;
  std::vector<std::pair<uint32_t, Row>> rows;
  std::vector<Change> changes;
};

// Changes of the log that are taken back, so that clients that return after a restart are judged
// by the rights of that time.
inline constexpr uint64_t kRewindChangesMax = 100'000;

// Reads at capture's head. Before the store thread starts: it polls `capture` until the head is the
// log's end.
Result<InnerSnapshot> ReadInnerTables(std::shared_ptr<const policy::InnerPlan> plan,
                                      store::Store& store, capture::Capture& capture);

// One copy, for one loop.
std::unique_ptr<policy::InnerTables> MakeInnerTables(const InnerSnapshot& snapshot);

}  // namespace tw::app
