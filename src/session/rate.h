// Rates: how many per second may come, with room for short bursts.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace tw::session {

// The generic cell rate algorithm (ITU-T I.371): one number, the time at which all that was taken
// will have been earned. No timer, no lock; one meter may be shared by all loops.
class RateMeter {
 public:
  // `per_second` 0: everything is allowed. A burst of what `burst` earns may come at once.
  explicit RateMeter(uint64_t per_second, std::chrono::nanoseconds burst = std::chrono::seconds{5})
      : per_second_(per_second), burst_(burst) {}
  // `count` per `window`.
  RateMeter(uint64_t count, std::chrono::nanoseconds window, std::chrono::nanoseconds burst)
      : per_second_(count), window_(window), burst_(burst) {}

  // False when `amount` more is too much; then nothing is taken. Any thread.
  bool Take(uint64_t amount, MonoTime now) {
    if (per_second_ == 0) return true;
    const int64_t current = now.time_since_epoch().count();
    // In double: an amount times a window may not fit 64 bits.
    const auto cost = static_cast<int64_t>(
        std::min(9e17, static_cast<double>(amount) * static_cast<double>(window_.count()) /
                           static_cast<double>(per_second_)));
    int64_t earned = earned_at_.load(std::memory_order_relaxed);
    for (;;) {
      const int64_t next = std::max(earned, current) + cost;
      if (next - current > burst_.count()) return false;
      if (earned_at_.compare_exchange_weak(earned, next, std::memory_order_relaxed)) return true;
    }
  }
  // Whether `amount` could ever be taken.
  bool Fits(uint64_t amount) const {
    return per_second_ == 0 || static_cast<double>(amount) * static_cast<double>(window_.count()) <=
                                   static_cast<double>(burst_.count()) *
                                       static_cast<double>(per_second_);
  }

 private:
  const uint64_t per_second_;
  const std::chrono::nanoseconds window_{std::chrono::seconds{1}};
  const std::chrono::nanoseconds burst_;
  std::atomic<int64_t> earned_at_{INT64_MIN / 4};
};

// The rates of the whole process, under upstream's names (realtime-protocol §7.1); 0: off.
struct RateLimits {
  uint64_t joins_per_second_max = 0;
  uint64_t events_per_second_max = 0;  // Broadcasts and presence messages, from sockets and HTTP.
  uint64_t bytes_per_second_max = 0;   // Of the same.
  uint64_t presence_events_per_second_max = 0;
};

// Shared by all loops.
struct Rates {
  explicit Rates(const RateLimits& limits)
      : joins(limits.joins_per_second_max),
        events(limits.events_per_second_max),
        bytes(limits.bytes_per_second_max),
        presence_events(limits.presence_events_per_second_max) {}
  RateMeter joins;
  RateMeter events;
  RateMeter bytes;
  RateMeter presence_events;
};

}  // namespace tw::session
