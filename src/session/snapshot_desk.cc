#include "session/snapshot_desk.h"

#include <algorithm>

namespace tw::session {

SnapshotDesk::SnapshotDesk(SnapshotSource& source, const SnapshotDeskLimits& limits,
                           telemetry::Registry& metrics)
    : source_(source),
      limits_(limits),
      bytes_gauge_(metrics.GetGauge("tidewire_session_snapshot_bytes",
                                    "Memory of snapshots that are being read or sent.")),
      waiting_gauge_(metrics.GetGauge("tidewire_session_snapshots_waiting",
                                      "Joins that wait for their turn to read a snapshot.")) {}

SnapshotDesk::~SnapshotDesk() {
  *self_ = nullptr;
  bytes_gauge_.Add(-static_cast<int64_t>(bytes_));
  waiting_.clear();
  CountWaiting();
}

void SnapshotDesk::CountWaiting() {
  const auto now = static_cast<int64_t>(waiting_.size());
  waiting_gauge_.Add(now - std::exchange(counted_, now));
}

bool SnapshotDesk::Ask(Question question) {
  if (waiting_.empty() && Fits()) {
    Start(std::move(question));
    return true;
  }
  // Those whose clients have gone, and come again, leave their place.
  while (!waiting_.empty() && !*waiting_.front().alive) waiting_.pop_front();
  const bool room = waiting_.size() < limits_.waiting_max;
  if (room) waiting_.push_back(std::move(question));
  CountWaiting();
  return room;
}

void SnapshotDesk::Start(Question question) {
  // Until it is known how large it is, it may be as large as any.
  Share share(self_, limits_.each.bytes_max);
  bytes_ += limits_.each.bytes_max;
  bytes_gauge_.Add(static_cast<int64_t>(limits_.each.bytes_max));
  auto waiting =
      std::make_shared<std::pair<Question, Share>>(std::move(question), std::move(share));
  const Question& asked = waiting->first;
  source_.Read(asked.catalog, asked.claims, asked.bindings, limits_.each,
               [this, waiting](Result<Snapshot> snapshot) {
                 Share held = std::move(waiting->second);
                 if (!*waiting->first.alive) return;
                 if (!snapshot.ok()) return waiting->first.done(std::unexpected(snapshot.error()));
                 const size_t spare = held.bytes_ - std::min(held.bytes_, snapshot->bytes);
                 held.bytes_ -= spare;
                 waiting->first.done(Held{std::move(*snapshot), std::move(held)});
                 if (spare > 0) GiveBack(spare);
               });
}

void SnapshotDesk::GiveBack(size_t bytes) {
  bytes_ -= bytes;
  bytes_gauge_.Add(-static_cast<int64_t>(bytes));
  while (!waiting_.empty() && Fits()) {
    Question next = std::move(waiting_.front());
    waiting_.pop_front();
    if (*next.alive) Start(std::move(next));
  }
  CountWaiting();
}

}  // namespace tw::session
