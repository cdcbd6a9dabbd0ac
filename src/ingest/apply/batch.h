// One apply transaction's work: deliveries, then sums, freshness and the sequence reached.
#pragma once

#include <map>
#include <span>
#include <string>
#include <tuple>

#include "base/result.h"
#include "ingest/apply/ingest_state.h"

namespace tw::ingest {

// kWhole: an event that the database refuses fails the batch, which is then cut in halves.
// kIsolated: each event has a savepoint of its own and ends as a dead letter when refused.
enum class Isolation : uint8_t { kWhole, kIsolated };

class Batch {
 public:
  Batch(IngestState& state, Isolation isolation)
      : state_(state), isolation_(isolation), now_(state.clock.Wall()) {}

  // Within an open transaction. Errors: those of Effects; the transaction is then of no use.
  Status Add(const DeliveryView& delivery);
  // Applies what waits for this tenant, in inbox order, each event isolated.
  Status Release(uint16_t source, const std::string& tenant_key);
  // Applies a kept event that its caller has taken out: a parked one, or a dead letter that is
  // tried again. It is buried when it cannot be applied; its delivery's log row says what came of
  // it.
  Result<EventStatus> Retry(uint16_t source, const KeptEvent& kept);
  // What a replayed delivery did.
  struct Replayed {
    EventResult worst;   // Of its events.
    uint64_t facts = 0;  // New ones.
    uint64_t rows = 0;   // Events that changed a row of the user's.
  };
  // Applies a delivery of the log once more, each event isolated. Nothing is parked or buried.
  Result<Replayed> Replay(uint16_t source, const KeptEvent& kept);
  // Buries `event` in the place of applying it.
  Status Bury(KeptEvent event, std::string_view reason, std::string_view error);
  // Writes the sums. The caller commits.
  Status Finish();

  const ApplyOutcome& outcome() const { return outcome_; }

 private:
  Result<EventResult> ApplyEvent(const EventOrigin& origin, const mapping::Selected& event,
                                 Isolation isolation);
  Status ReleaseBefore(uint16_t source, const mapping::Selected& event);
  Result<EventResult> ApplyIsolated(const EventOrigin& origin, const mapping::Selected& event);
  Status Keep(const DeliveryView& delivery, uint16_t source, uint32_t index,
              std::string_view signed_id, const EventResult& result);
  Status LogDelivery(const DeliveryView& delivery, uint16_t source, const EventResult& worst);
  Status ReleaseOne(uint16_t source, const KeptEvent& kept);
  void CountFreshness(const DeliveryView& delivery, uint16_t source, const EventResult& result);
  bool HasHealthRow(uint16_t source) const;
  void CountOutcome(EventStatus status);

  struct Seen {
    std::string name;
    WallTime last;
    int64_t deliveries = 0;
  };
  IngestState& state_;
  const Isolation isolation_;
  const WallTime now_;
  ApplyOutcome outcome_;
  // By source, tenant id, five-minute bucket of receipt.
  std::map<std::tuple<uint16_t, std::string, int64_t>, Seen> seen_;
};

}  // namespace tw::ingest
