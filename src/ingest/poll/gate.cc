#include "ingest/poll/gate.h"

#include <algorithm>

namespace tw::ingest {
MonoTime Gate::Admit(const std::string& credential, const HttpPlan& plan, MonoTime now) {
  Entry& entry = entries_[credential];
  if (now < entry.paused) return entry.paused;
  if (now < entry.open_until) return entry.open_until;
  const bool half_open = entry.failures >= plan.breaker.open_after;
  if (half_open && entry.probing) return now + std::chrono::seconds(1);
  if (plan.rate_limit.per_tenant) {
    const RateConfig& rate = *plan.rate_limit.per_tenant;
    const double capacity = rate.requests;
    const std::chrono::duration<double> per = rate.per;
    if (entry.filled == MonoTime{}) entry.tokens = capacity;
    const std::chrono::duration<double> passed =
        entry.filled == MonoTime{} ? std::chrono::nanoseconds(0) : now - entry.filled;
    entry.tokens = std::min(capacity, entry.tokens + passed.count() * capacity / per.count());
    entry.filled = now;
    constexpr double kWhole = 1.0 - 1e-9;
    if (entry.tokens < kWhole) {
      const std::chrono::duration<double> wait((1.0 - entry.tokens) * per.count() / capacity);
      return now + std::chrono::ceil<std::chrono::milliseconds>(wait);
    }
    entry.tokens -= 1.0;
  }
  if (half_open) {
    entry.probing = true;
    entry.open_until = MonoTime{};
  }
  return now;
}

bool Gate::OnAnswer(const std::string& credential, const HttpPlan& plan, Answer answer,
                    MonoTime now) {
  Entry& entry = entries_[credential];
  entry.probing = false;
  if (answer == Answer::kHealthy) {
    entry.failures = 0;
    entry.open_until = MonoTime{};
    return false;
  }
  const bool was_open = entry.failures >= plan.breaker.open_after;
  ++entry.failures;
  if (entry.failures < plan.breaker.open_after) return false;
  entry.open_until = now + std::min<std::chrono::nanoseconds>(plan.breaker.half_open_after,
                                                             std::chrono::hours(1));
  return !was_open;
}

void Gate::PauseUntil(const std::string& credential, MonoTime until) {
  Entry& entry = entries_[credential];
  entry.paused = std::max(entry.paused, until);
}

bool Gate::IsOpen(const std::string& credential, MonoTime now) const {
  const auto found = entries_.find(credential);
  return found != entries_.end() && now < found->second.open_until;
}

}  // namespace tw::ingest
