// io: event loops, TCP streams, timers and files. The only room that talks to the kernel.
//
//   Listener ──accept──▶ Stream ──OnBytes──▶ StreamHandler      Loop::Post ◀── other threads
//                          ▲── Send(SharedBytes)… one writev per stream and turn
//
// Start here   loop.h → stream.h → timer_wheel.h; file.h for disks.
// Promises     Everything due to a stream in one loop turn leaves in one writev(2). A task posted
//              from another thread runs once, in posting order of that thread.
// Thread       One Loop per thread; a Stream and its handler live on one Loop.
// Not here     Protocols: what the bytes mean.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "io/timer_wheel.h"

namespace tw::io {

// Something to be done once at the end of the current turn. Owned by whoever schedules it; must be
// unscheduled before it dies (Loop::ForgetFlush).
class Flushable {
 public:
  virtual ~Flushable() = default;
  virtual void Flush() = 0;

 private:
  friend class Loop;
  uint32_t flush_index_ = 0;  // 1-based place in the loop's list; 0 when not scheduled.
};

class Loop {
 public:
  explicit Loop(Clock& clock);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until Stop. Tasks posted before Run are run first.
  void Run();
  // Any thread.
  void Stop();
  // Any thread. The task runs on the loop's thread in a later turn; tasks left at destruction are
  // destroyed without being run.
  void Post(Function<void()> task);

  // The rest: on the loop's thread only.

  // Calls target.Flush() once after the handlers of this turn.
  void FlushAtEndOfTurn(Flushable& target);
  void ForgetFlush(Flushable& target);

  // Coarse timers (tick 100 ms): deadlines of connections and sessions.
  TimerWheel& timers() { return timers_; }
  Clock& clock() { return clock_; }

  // The Asio context, for this room's .cc files.
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  void FlushAll();
  void Tick();

  Clock& clock_;
  TimerWheel timers_;
  std::vector<Flushable*> flush_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tw::io
