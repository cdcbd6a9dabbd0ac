// A clock that moves only when told.
#pragma once

#include "base/clock.h"

namespace tw::testing {

class FakeClock final : public Clock {
 public:
  // Starts at 2026-01-02T03:04:05Z.
  WallTime Wall() const override { return wall_; }
  MonoTime Mono() const override { return mono_; }

  void Advance(std::chrono::nanoseconds by) {
    mono_ += by;
    wall_ += std::chrono::duration_cast<std::chrono::microseconds>(by);
  }
  // A step of the wall clock that the monotonic clock does not see.
  void StepWall(std::chrono::microseconds by) { wall_ += by; }
  void SetWall(WallTime wall) { wall_ = wall; }

 private:
  WallTime wall_{std::chrono::microseconds{1'767'323'045'000'000}};
  MonoTime mono_{std::chrono::hours{1}};
};

}  // namespace tw::testing
