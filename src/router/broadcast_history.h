// The newest broadcasts of each topic, for members that return and for replays.
//
// A topic has one home among the loops, which gives its messages their order, so a position means
// the same on every loop. Offsets rise by one per message of the home, over all of its topics: a
// topic whose history was forgotten never has its offsets used again, and no record of it is needed
// to tell that a position is too old.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "router/broadcast.h"
#include "telemetry/metrics.h"

namespace tw::router {

struct HistoryLimits {
  uint32_t messages_max = 100;  // 0: nothing is kept.
  std::chrono::milliseconds age_max{300'000};
  uint64_t bytes_max = 1u << 20;
};

// Limits of the topics whose name (without "realtime:") fits `pattern` (TopicFits).
struct HistoryClass {
  std::string pattern;
  HistoryLimits limits;
};

struct HistoryOptions {
  HistoryLimits limits;                // Of topics that fit no class.
  std::vector<HistoryClass> classes;   // The first that fits counts.
  uint64_t total_bytes_max = 64u << 20;  // Of one loop's topics; the least recently used go.
};

// What a joining member asks for.
struct HistoryQuery {
  Bus bus = Bus::kPublic;
  std::string topic;
  // Everything after this position …
  std::optional<Position> after;
  // … or, without it, the newest `limit` messages that were sent at `since` or later.
  std::optional<WallTime> since;
  uint32_t limit = 0;
};

struct HistoryAnswer {
  std::vector<BroadcastPtr> messages;  // Oldest first.
  Position head;                       // What is sent from now on lies behind it.
  // For `after`: nullopt when it was not asked. False: why not.
  std::optional<bool> recovered;
  std::string_view reason;  // "expired", "epoch_changed", "unknown_position"
};

class BroadcastHistory {
 public:
  // `epoch`: random and not zero; equal on all loops of one process.
  BroadcastHistory(uint64_t epoch, const HistoryOptions& options, telemetry::Registry& metrics);

  // Gives `message` its place and keeps it as its topic's limits say.
  BroadcastPtr Append(Broadcast message, WallTime now);

  HistoryAnswer Read(const HistoryQuery& query, WallTime now);

  uint64_t bytes() const { return bytes_; }
  size_t topics() const { return order_.size(); }

 private:
  struct Topic {
    std::string name;
    Bus bus;
    HistoryLimits limits;
    std::deque<BroadcastPtr> messages;
    uint64_t bytes = 0;
    uint64_t forgotten = 0;  // The highest offset of this topic that is no longer kept.
  };
  using Order = std::list<Topic>;  // The most recently appended to is last.

  const HistoryLimits& LimitsOf(std::string_view topic) const;
  Topic& TopicOf(Bus bus, const std::string& name);
  void ForgetOldest(Topic& topic);
  void Trim(Topic& topic, WallTime now);
  void ForgetTopic(Order::iterator topic);

  const HistoryOptions options_;
  Position head_;
  uint64_t forgotten_ = 0;  // The highest offset of a topic that is no longer kept at all.
  uint64_t bytes_ = 0;
  Order order_;
  StringMap<Order::iterator> topics_[2];
  telemetry::Gauge& kept_bytes_;
  telemetry::Counter& evicted_;
};

}  // namespace tw::router
