// For channel*.cc only: how a live channel follows the stream when the database decides about rows.
//
//   batch ──wakes──▶ behind ──asks──▶ verdicts ──replay──▶ at rest, at the loop's head
//
// It is not in the router: it replays each batch once its verdicts are there, in order, and nobody
// else waits for it. What it has yet to tell is in the feed's memory, or read from the log; what is
// too old there to be judged ends it, and it joins anew.
#pragma once

#include <cstdint>
#include <optional>

#include "session/channel.h"

namespace tw::session {

struct Channel::Following final : FeedFollower {
  explicit Following(Channel& follower) : channel(follower) {}
  void OnBatch(const Batch& batch) override { channel.OnFollowed(batch); }

  Channel& channel;
  bool at_rest = true;     // All up to the loop's head has been told.
  bool truncated = false;  // To be told behind it.
  // Rights or tables are others from here on.
  std::optional<uint64_t> rebind_at;
};

}  // namespace tw::session
