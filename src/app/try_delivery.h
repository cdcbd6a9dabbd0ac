// What a payload would do under a configuration: applied to a database of its own that is thrown
// away. Nothing that a server uses is written.
#pragma once

#include <string>
#include <string_view>

#include "app/configuration.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace tw::app {

struct TryRequest {
  std::string source;  // Empty: the only one with a webhook.
  std::string payload;
  // Where the throw-away database may be made; it must be empty.
  std::string directory;
  // A server's database whose tenants are to be known; empty: those of the seed files.
  std::string tenants_of;
};

// One JSON object: source, status ("ok", "duplicate", "ignored:type", "parked:tenant",
// "dead:reason"), error, facts, rows (per table: what it would insert, what it would change) and
// counters. Signatures are not asked for.
// Errors: kInvalidArgument: the configuration, or no such source; those of the store.
Result<std::string> TryDelivery(const Configuration& configuration, const TryRequest& request,
                                Clock& clock, Random& random);

}  // namespace tw::app
