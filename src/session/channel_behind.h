// For channel*.cc only: broadcasts that a live channel's client had no room for.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "router/audience.h"
#include "router/broadcast.h"
#include "session/channel.h"

namespace tw::session {

// The event of a broadcast: what conflating keeps the newest of.
std::string EventOf(const router::Broadcast& message);

// Leaves only the newest message of each event, in order; returns how many went.
size_t KeepNewest(std::vector<router::BroadcastPtr>& messages);

// Holds the newest frame of each event. Is a member of the hub while its channel is behind.
class NewestFrames final : public router::Receiver {
 public:
  NewestFrames(const router::BroadcastHub& hub, uint64_t bytes_max)
      : hub_(hub), bytes_max_(bytes_max) {}

  // Of the message that the hub is sending.
  void OnFrame(const io::SharedBytes& frame) override;

  bool empty() const { return frames_.empty(); }
  bool overflown() const { return bytes_ > bytes_max_; }
  // The frame whose message has waited longest; there is one.
  io::SharedBytes TakeOldest();
  // Frames that a newer one took the place of, since the last call.
  uint64_t TakeLeftOut() { return std::exchange(left_out_, 0); }

 private:
  struct Entry {
    std::string event;
    io::SharedBytes frame;
  };
  const router::BroadcastHub& hub_;
  const uint64_t bytes_max_;
  uint64_t bytes_ = 0;
  uint64_t left_out_ = 0;
  std::deque<Entry> frames_;  // By the time of their message.
};

struct Channel::BehindBroadcasts {
  BehindBroadcasts(const router::BroadcastHub& hub, uint64_t bytes_max)
      : newest(hub, bytes_max) {}

  Position after;       // With resync: the last one that the client was told.
  bool asked = false;   // The history waits for its answer.
  NewestFrames newest;  // With conflate.
};

}  // namespace tw::session
