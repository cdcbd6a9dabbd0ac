// Many coarse timers at constant cost: a hashed timing wheel (Varghese & Lauck, 1987).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/function.h"

namespace tw::io {

class TimerWheel;

// A timer inside its owner: 48 bytes, no allocation. Destroying it cancels it.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { Cancel(); }

  bool armed() const { return wheel_ != nullptr; }
  void Cancel();

 private:
  friend class TimerWheel;
  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  TimerWheel* wheel_ = nullptr;
  uint64_t due_tick_ = 0;
  void (*fire_)(void*) = nullptr;
  void* context_ = nullptr;
};

class TimerWheel {
 public:
  static constexpr std::chrono::milliseconds kTick{100};

  explicit TimerWheel(MonoTime now) : start_(now) {
    for (Timer& slot : slots_) slot.next_ = slot.previous_ = &slot;
  }
  ~TimerWheel();

  // Calls `(owner->*Method)()` once, not before `delay` and at most two ticks after it (while the
  // loop is not busy). Re-arming an armed timer moves it.
  template <auto Method, typename Owner>
  void Arm(Timer& timer, std::chrono::nanoseconds delay, Owner* owner) {
    ArmRaw(timer, delay, [](void* context) { (static_cast<Owner*>(context)->*Method)(); }, owner);
  }

  // Fires what is due at `now`, in order of ticks.
  void Advance(MonoTime now);
  size_t armed() const { return armed_; }

 private:
  friend class Timer;
  static constexpr size_t kSlots = 1024;

  void ArmRaw(Timer& timer, std::chrono::nanoseconds delay, void (*fire)(void*), void* context);

  MonoTime start_;
  uint64_t tick_ = 0;  // The last tick that was handled.
  size_t armed_ = 0;
  std::array<Timer, kSlots> slots_;  // List heads.
};

}  // namespace tw::io
