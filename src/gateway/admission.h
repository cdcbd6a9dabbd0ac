// How many realtime connections may begin per second.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "base/function.h"
#include "io/loop.h"

namespace tw::gateway {

class Connection;

// A token bucket of one second's worth. Who finds it empty waits its turn, since browsers read
// neither 503 nor Retry-After: only who would wait longer than kWaitMax is refused. The work of a
// storm of reconnecting clients is so spread over time, and those who are connected keep their
// answers.
class Admission {
 public:
  using Open = void (*)(Connection&);
  static constexpr std::chrono::seconds kWaitMax{2};
  enum class Verdict : uint8_t { kNow, kLater, kRefused };

  // `admit` is called on the loop, in order, with those that had to wait. They may be gone.
  Admission(io::Loop& loop, double per_second, Function<void(uint64_t id, Open open)> admit);

  // `open` is what connection `id` does when it is its turn.
  Verdict Ask(uint64_t id, Open open);
  size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    uint64_t id;
    Open open;
    MonoTime due;
  };
  void OnTick();

  io::Loop& loop_;
  const std::chrono::nanoseconds interval_;
  Function<void(uint64_t, Open)> admit_;
  MonoTime next_;  // When the next token is due, if none is left over (GCRA's arrival time).
  std::deque<Waiting> waiting_;
  io::Timer timer_;
};

}  // namespace tw::gateway
