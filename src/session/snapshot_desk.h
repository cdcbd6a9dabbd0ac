// Who may read a snapshot now: all snapshots of a loop that are being read or sent share a memory;
// who finds it full waits in line.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "session/snapshot_source.h"
#include "telemetry/metrics.h"

namespace tw::session {

struct SnapshotDeskLimits {
  SnapshotLimits each;
  size_t bytes_max = 64u << 20;  // Of all together; one is always let through.
  size_t waiting_max = 10'000;   // Who comes then is told that it is busy.
};

// One per loop.
class SnapshotDesk {
 public:
  // A part of the memory, given back when destroyed. May outlive the desk: an answer can wait in a
  // loop that has stopped.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : desk_(std::move(other.desk_)), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(desk_, other.desk_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Share() {
      if (desk_ != nullptr && *desk_ != nullptr && bytes_ > 0) (*desk_)->GiveBack(bytes_);
    }

   private:
    friend class SnapshotDesk;
    Share(std::shared_ptr<SnapshotDesk* const> desk, size_t bytes)
        : desk_(std::move(desk)), bytes_(bytes) {}
    std::shared_ptr<SnapshotDesk* const> desk_;
    size_t bytes_ = 0;
  };
  struct Held {
    Snapshot snapshot;
    Share share;
  };
  struct Question {
    policy::CatalogPtr catalog;
    ClaimsPtr claims;
    std::vector<router::TableBinding> bindings;
    // Once it says false nobody waits for the answer, and `done` is not called.
    std::shared_ptr<const bool> alive;
    Function<void(Result<Held>)> done;
  };

  // `source` outlives the desk.
  SnapshotDesk(SnapshotSource& source, const SnapshotDeskLimits& limits,
               telemetry::Registry& metrics);
  ~SnapshotDesk();
  SnapshotDesk(const SnapshotDesk&) = delete;
  SnapshotDesk& operator=(const SnapshotDesk&) = delete;

  // Calls `done` later, with the errors of SnapshotSource::Read. False: too many wait, and `done`
  // is never called.
  [[nodiscard]] bool Ask(Question question);

  size_t waiting() const { return waiting_.size(); }
  size_t held_bytes() const { return bytes_; }

 private:
  void Start(Question question);
  void GiveBack(size_t bytes);
  void CountWaiting();
  bool Fits() const { return bytes_ == 0 || bytes_ + limits_.each.bytes_max <= limits_.bytes_max; }

  SnapshotSource& source_;
  const SnapshotDeskLimits limits_;
  telemetry::Gauge& bytes_gauge_;
  telemetry::Gauge& waiting_gauge_;
  const std::shared_ptr<SnapshotDesk*> self_ = std::make_shared<SnapshotDesk*>(this);
  size_t bytes_ = 0;
  std::deque<Question> waiting_;
  int64_t counted_ = 0;  // In waiting_gauge_, for this desk.
};

}  // namespace tw::session
