#include "gateway/admission.h"

#include <algorithm>

namespace tw::gateway {

Admission::Admission(io::Loop& loop, double per_second, Function<void(uint64_t, Open)> admit)
    : loop_(loop),
      interval_(static_cast<int64_t>(1e9 / per_second)),
      admit_(std::move(admit)),
      next_(loop.clock().Mono()) {}

Admission::Verdict Admission::Ask(uint64_t id, Open open) {
  constexpr std::chrono::seconds kBurst{1};
  const MonoTime now = loop_.clock().Mono();
  const MonoTime due = std::max(next_, now - kBurst);
  if (due > now + kWaitMax) return Verdict::kRefused;
  next_ = due + interval_;
  if (due <= now) return Verdict::kNow;
  waiting_.push_back({id, open, due});
  if (!timer_.armed()) {
    loop_.timers().Arm<&Admission::OnTick>(timer_, io::TimerWheel::kTick, this);
  }
  return Verdict::kLater;
}

void Admission::OnTick() {
  const MonoTime now = loop_.clock().Mono();
  while (!waiting_.empty() && waiting_.front().due <= now) {
    const Waiting next = waiting_.front();
    waiting_.pop_front();
    admit_(next.id, next.open);
  }
  if (waiting_.empty()) return;
  loop_.timers().Arm<&Admission::OnTick>(timer_, io::TimerWheel::kTick, this);
}

}  // namespace tw::gateway
