// Deliveries of the log, applied once more: what is known already changes nothing, what a changed
// source file or a mended cause says otherwise is made up for (ingestion spec §5.4).
//
//   tidewire_request ──▶ Replayer ──a piece per turn──▶ the path of webhooks, channel "replay"
//                           └─ dry run: the same in a transaction that is rolled back
//
// Thread: the store thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/result.h"
#include "ingest/apply/ingest_state.h"
#include "ingest/poll/pull_work.h"

namespace tw::ingest {

// Which deliveries; empty parts take everything. Dead and parked ones are never taken: they have
// verbs of their own.
struct ReplayFilter {
  std::string source;
  std::string tenant;  // Its name, as the log has it.
  std::string type;
  std::string status;            // "ok", or a group: "ignored".
  std::optional<WallTime> from;  // Received at or after it.
  std::optional<WallTime> to;    // Received before it.
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;  // 0: no end.
  bool dry_run = false;
  uint64_t per_second_max = 2'000;
};

struct LoggedDelivery {
  uint64_t sequence = 0;
  WallTime received_at;
  std::string status;
  std::string signed_id;
  std::optional<std::string> body;  // Its time to be kept may have passed.
};

// The log's side of a database. Errors and thread as Effects.
class ReplayEffects {
 public:
  virtual ~ReplayEffects() = default;
  // By rising sequence above `after`.
  virtual Result<std::vector<LoggedDelivery>> LoggedDeliveries(uint16_t source,
                                                               const ReplayFilter& filter,
                                                               uint64_t after, int max) = 0;
};

class Replayer {
 public:
  Replayer(IngestState& state, std::unique_ptr<ReplayEffects> effects)
      : state_(state), effects_(std::move(effects)) {}

  // Begins what `argument` (JSON) asks for. Errors: kInvalidArgument: it cannot be replayed, and
  // why.
  Status Begin(int64_t request, std::string_view argument);
  // The request that is being worked on; 0: none.
  int64_t request() const { return running_ ? running_->request : 0; }
  // A piece of it, no more than its rate; call it about once a second. When it is done: what came
  // of it, as JSON, and request() is 0 again. Errors: those of Effects; the piece is due again.
  Result<std::optional<std::string>> Turn();

 private:
  struct Totals {
    uint64_t deliveries = 0;
    uint64_t without_body = 0;
    uint64_t applied = 0;    // Deliveries that changed something.
    uint64_t unchanged = 0;  // All that they say is known.
    uint64_t ignored = 0;
    uint64_t parked = 0;
    uint64_t failed = 0;
    uint64_t facts = 0;  // New ones.
    uint64_t rows = 0;   // Events that changed a row of the user's.
    std::string error;   // The first.
    // By tenant, metric, month.
    std::map<std::tuple<std::string, std::string, std::string>, int64_t> counters;
  };
  struct Running {
    int64_t request = 0;
    uint16_t source = 0;
    ReplayFilter filter;
    uint64_t after = 0;
    bool truncated = false;
    Totals totals;
  };
  Status Piece(Running& run, int max, bool& ended);
  Status Apply(Running& run, const LoggedDelivery& delivery);
  std::string Say(const Running& run) const;

  IngestState& state_;
  const std::unique_ptr<ReplayEffects> effects_;
  std::optional<Running> running_;
  std::vector<CounterBook::Change> changes_;  // Of the present piece.
};

}  // namespace tw::ingest
