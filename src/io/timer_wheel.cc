#include "io/timer_wheel.h"

#include <algorithm>

#include "base/check.h"

namespace tw::io {

void Timer::Cancel() {
  if (wheel_ == nullptr) return;
  next_->previous_ = previous_;
  previous_->next_ = next_;
  --wheel_->armed_;
  wheel_ = nullptr;
}

TimerWheel::~TimerWheel() {
  for (Timer& slot : slots_) {
    while (slot.next_ != &slot) slot.next_->Cancel();
  }
}

void TimerWheel::ArmRaw(Timer& timer, std::chrono::nanoseconds delay, void (*fire)(void*),
                        void* context) {
  timer.Cancel();
  const auto ticks = (std::max(delay, std::chrono::nanoseconds{0}) + kTick -
                      std::chrono::nanoseconds{1}) / kTick;
  timer.due_tick_ = tick_ + 1 + static_cast<uint64_t>(ticks);
  timer.fire_ = fire;
  timer.context_ = context;
  timer.wheel_ = this;
  Timer& slot = slots_[timer.due_tick_ % kSlots];
  timer.next_ = &slot;
  timer.previous_ = slot.previous_;
  slot.previous_->next_ = &timer;
  slot.previous_ = &timer;
  ++armed_;
}

void TimerWheel::Advance(MonoTime now) {
  const auto elapsed = static_cast<uint64_t>((now - start_) / kTick);
  if (armed_ == 0) tick_ = std::max(tick_, elapsed);
  while (tick_ < elapsed) {
    ++tick_;
    Timer& slot = slots_[tick_ % kSlots];
    // A fired timer may arm, cancel or destroy others, so the walk restarts after each.
    for (Timer* timer = slot.next_; timer != &slot;) {
      if (timer->due_tick_ > tick_) {
        timer = timer->next_;
        continue;
      }
      timer->Cancel();
      timer->fire_(timer->context_);
      timer = slot.next_;
    }
    if (armed_ == 0) tick_ = elapsed;
  }
}

}  // namespace tw::io
