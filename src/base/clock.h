// Time enters through Clock, so that a simulation can own it. No room reads a system clock itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tw {

// Wall time: microseconds since 1970-01-01T00:00:00Z, without leap seconds. May step.
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
// Monotonic time: for deadlines and durations only; its zero means nothing.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime Wall() const = 0;
  virtual MonoTime Mono() const = 0;
};

// The machine's clocks. Any thread.
Clock& SystemClock();

// "2026-01-02T03:04:05.678Z": UTC, exactly three fractional digits (truncated), as Supabase
// Realtime formats commit_timestamp.
std::string FormatTimestampMs(WallTime time);

// Parses RFC 3339 ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05.123456-04:00"; the separator may be
// 'T', 't' or a space; up to nine fractional digits, cut to microseconds). A missing zone means UTC.
// Errors: kInvalidArgument for anything else, including days that do not exist.
Result<WallTime> ParseTimestamp(std::string_view text);

}  // namespace tw
