// One turn of the store thread: apply what is durable, publish what is committed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "capture/capture.h"
#include "ingest/apply/applier.h"
#include "ingest/inbox/durable_tail.h"
#include "ingest/inbox/inbox.h"
#include "model/change.h"
#include "telemetry/metrics.h"

namespace tw::app {

struct StoreWorkerOptions {
  // Deliveries applied before what they changed is published.
  size_t apply_deliveries_max = 500;
  // Deliveries read from disk at a time, when the applier is behind the memory tail.
  size_t read_bytes_max = 4u << 20;
  std::chrono::milliseconds timer_interval{1'000};
  capture::RetentionLimits retention;
};

// No thread of its own: StoreThread runs it, and so does the simulation.
class StoreWorker {
 public:
  // Everything given outlives the worker. `durable_head` tells the last durable inbox sequence;
  // `publish` gets every committed batch in order; `reclaim` is told what the inbox may forget.
  struct Wiring {
    capture::Capture& capture;
    ingest::Applier& applier;
    ingest::DurableTail& tail;
    ingest::InboxReader& reader;
    std::function<uint64_t()> durable_head;
    // The oldest sequence that the inbox held when it was opened. It is beyond the next one to
    // apply when the database was removed and the inbox was not: what the inbox has forgotten
    // cannot be waited for.
    uint64_t oldest_sequence;
    std::function<void(BatchPtr)> publish;
    std::function<Status()> housekeeping;  // What else is due about once a second.
    std::function<void(uint64_t)> reclaim;
    const Clock& clock;
    telemetry::Registry& metrics;
  };
  StoreWorker(const Wiring& wiring, const StoreWorkerOptions& options);

  // Does what is due. True when more may be due at once; false: wait for a group or some
  // milliseconds. Errors: transient ones of the store (retry later); nothing is lost.
  Result<bool> Turn();
  // Somebody else wrote with our connection, between two turns: the next one publishes it.
  void NoteCommit() { committed_ = true; }

 private:
  Result<bool> ApplyNext();
  Result<bool> ApplyFromMemory(uint64_t next);
  Result<bool> ApplyFromDisk(uint64_t next, uint64_t head);
  Status PublishCommitted();
  Status RunTimers();

  Wiring wiring_;
  const StoreWorkerOptions options_;
  MonoTime next_timer_{};
  uint64_t reclaimed_ = 0;
  bool committed_ = false;
  telemetry::Gauge& lag_;
  telemetry::Histogram& apply_seconds_;
};

}  // namespace tw::app
