// Looks through a batch before it is applied, to learn what it will read: the events go through the
// same mapping against a database that knows nothing, and what they ask for is noted. The notes are
// hints: what is read too much costs little, what is missing costs a round trip.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ingest/apply/effects.h"
#include "ingest/apply/ingest_state.h"
#include "ingest/inbox/delivery.h"
#include "telemetry/metrics.h"

namespace tw::ingest {

struct Wanted {
  struct Alias {
    uint16_t source = 0;
    std::string tenant;
    std::string kind;
    FactAlias alias;
  };
  struct Match {
    std::string hash;
    WallTime from;
    WallTime to;
  };
  struct StoredRow {
    TableRef table;
    std::vector<Value> key;
  };
  std::vector<Alias> aliases;
  std::vector<Match> matches;
  std::vector<StoredRow> rows;
};

// Thread: the store thread.
class Scout {
 public:
  // `effects` is asked for tenants only, and outlives the scout.
  Scout(std::vector<std::shared_ptr<const Source>> sources, Effects& effects, Clock& clock,
        const ApplierOptions& options);
  ~Scout();

  // Within a transaction. Stops at what it cannot follow.
  Wanted Look(std::span<const DeliveryView> deliveries);

 private:
  telemetry::Registry metrics_;  // Of nobody's interest: the batch is counted when it is applied.
  Wanted wanted_;
  std::unique_ptr<IngestState> state_;
};

}  // namespace tw::ingest
