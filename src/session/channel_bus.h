// What channels say to each other, on all loops: broadcasts in one order per topic, and presence.
//
//   Publish ──▶ the topic's home loop: order, history ──▶ every loop's members
//   Track   ──▶ own loop's presence ──▶ every loop's presence
//
// A topic's home is chosen by its name's hash. What one loop posts to another arrives in order, so a
// member that joins when the home's answer to ReadHistory arrives misses nothing and repeats nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "base/random.h"
#include "io/timer_wheel.h"
#include "router/broadcast.h"
#include "router/broadcast_history.h"
#include "router/presence.h"
#include "telemetry/metrics.h"

namespace tw::session {

struct ChannelBusOptions {
  router::HistoryOptions history;
  router::PresenceOptions presence;
};

// One per loop; used on it only. All buses of a process are made, then connected, then used.
class ChannelBus final : public router::PresenceLink {
 public:
  // `epoch`: random, not zero, the same for all of them; `own`: this loop's index. The references
  // outlive the bus.
  ChannelBus(uint64_t epoch, uint16_t own, const ChannelBusOptions& options, router::BroadcastHub& members,
             io::TimerWheel& timers, const Clock& clock, Random& random,
             telemetry::Registry& registry);

  // Another loop: `post` runs a task on it, in the order of posting.
  struct Peer {
    ChannelBus* bus = nullptr;
    std::function<void(Function<void()>)> post;
  };
  // All loops, by index, this one as well. Without it the bus is alone, as it is again without peers.
  void Connect(std::vector<Peer> peers);

  // To all members of the message's topic, here at once when this is the topic's home.
  void Publish(router::Broadcast message);

  // Asks the topic's home. `done` is called on this loop, perhaps before ReadHistory returns.
  void ReadHistory(router::HistoryQuery query, Function<void(router::HistoryAnswer)> done);

  router::BroadcastHub& members() { return members_; }
  router::PresenceHub& presence() { return presence_; }
  void SendPresence(router::PresenceChange change) override;

 private:
  size_t HomeOf(router::Bus bus, const std::string& topic) const;
  // On the topic's home.
  void Order(router::Broadcast message);

  router::BroadcastHub& members_;
  const Clock& clock_;
  router::BroadcastHistory history_;
  router::PresenceHub presence_;
  const size_t own_;
  std::vector<Peer> peers_;
};

}  // namespace tw::session
