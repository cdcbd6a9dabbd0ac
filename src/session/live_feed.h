// A loop's end of the change log: the newest batches in memory and the subscribers that get them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "base/strings.h"
#include "model/change.h"
#include "router/broadcast.h"
#include "router/router.h"
#include "telemetry/metrics.h"

namespace tw::session {

// The stored part of the change log, read on another thread. Implemented by app.
class History {
 public:
  virtual ~History() = default;
  // Calls `done` later, on the caller's loop, with changes above offset `after`: at most
  // `changes_max`, and no more at a time than fits in memory; null when there are none. Errors:
  // kOutOfRange (trimmed away), kUnavailable.
  virtual void Read(uint64_t after, uint64_t changes_max,
                    Function<void(Result<BatchPtr>)> done) = 0;
};

struct TailLimits {
  size_t bytes_max = 16u << 20;
  size_t batches_max = 4'096;
};

class LiveFeed;

// Whoever reads the feed by itself, told of batches that concern some tables. Leaves when destroyed.
class FeedFollower {
 public:
  FeedFollower() = default;
  FeedFollower(const FeedFollower&) = delete;
  FeedFollower& operator=(const FeedFollower&) = delete;
  virtual ~FeedFollower();

  // The feed holds the batch and its head is behind it.
  virtual void OnBatch(const Batch& batch) = 0;

 private:
  friend class LiveFeed;
  LiveFeed* feed_ = nullptr;
  std::vector<std::string> tables_;
  uint64_t round_ = 0;
};

// One per loop. Batches arrive in order, from the store thread.
class LiveFeed {
 public:
  // `head`: the position that the first batch follows.
  LiveFeed(Position head, const TailLimits& limits, telemetry::Registry& metrics);

  // Keeps the batch and sends it to the subscribers. It follows head() (checked).
  void Publish(BatchPtr batch);

  // Forgets what is in memory: what follows continues at `head`, and what was before is not its
  // past. Clients must be told (Session::AnnounceGap).
  void Reset(Position head);

  Position head() const { return head_; }
  // True when every change above `offset` is in memory.
  bool Covers(uint64_t offset) const;
  // The batches that hold changes above `offset`, which Covers.
  void ForEachAfter(uint64_t offset, const std::function<void(const BatchPtr&)>& visit) const;

  // Calls `reached` once, from a later Publish, when head() has come to `offset`; not after Forget,
  // which whoever stops waiting must call.
  using WaitId = std::pair<uint64_t, uint64_t>;  // The offset and a number of its own.
  WaitId WhenReached(uint64_t offset, Function<void()> reached);
  void Forget(WaitId id) { waiting_.erase(id); }

  // From now on `follower` hears of batches with changes of these tables (whatever their schema).
  void Follow(FeedFollower& follower, std::vector<std::string> tables);
  void Unfollow(FeedFollower& follower);
  size_t waiting() const { return waiting_.size(); }

  router::Router& router() { return router_; }
  router::BroadcastHub& broadcasts() { return broadcasts_; }

 private:
  void TellFollowers(const Batch& batch);

  TailLimits limits_;
  Position head_;
  uint64_t floor_;  // Every change above this offset is in memory.
  size_t bytes_ = 0;
  std::deque<BatchPtr> tail_;
  router::Router router_;
  router::BroadcastHub broadcasts_;
  std::map<WaitId, Function<void()>> waiting_;
  uint64_t next_wait_ = 0;
  StringMap<std::vector<FeedFollower*>> followers_;  // By table name.
  std::vector<FeedFollower*> told_;                  // Those of the batch that is being told.
  uint64_t round_ = 0;
};

}  // namespace tw::session
