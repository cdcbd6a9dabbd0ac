// What must be true of the database once everything has come to rest. Each function computes its
// own expectation from what really happened, and returns what is wrong.
#pragma once

#include <optional>
#include <string>

#include "sim/provider.h"
#include "sim/world.h"
#include "sqlite/sqlite.h"

namespace tw::sim {

// Every acknowledged delivery has one row in the log, with the status that its event deserves.
std::optional<std::string> CheckAcknowledged(const Provider& provider, sqlite::Database& database);

// Day and month counters hold each happening once, on its day in the workspace's zone.
std::optional<std::string> CheckCounters(const Provider& provider, sqlite::Database& database);

// Leads stand where the ladder, the terminal stages and people have put them.
std::optional<std::string> CheckStages(const Provider& provider, const StageEdits& edits,
                                       sqlite::Database& database);

}  // namespace tw::sim
