// Durations in nanoseconds, counted in log-linear buckets: 64 per power of two, so a quantile is
// right to 1.6 %. Fixed memory, no allocation when recording.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace tw::bench {

class Histogram {
 public:
  void Record(uint64_t nanoseconds) {
    ++buckets_[BucketOf(nanoseconds)];
    ++count_;
    max_ = std::max(max_, nanoseconds);
  }

  void Clear() { *this = Histogram(); }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }

  // The smallest recorded value that at least `share` (0 to 1) of all values do not exceed, to
  // bucket precision; 0 when nothing was recorded.
  uint64_t Quantile(double share) const {
    const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
    uint64_t seen = 0;
    for (size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen >= wanted && seen > 0) return std::min(UpperBoundOf(i), max_);
    }
    return max_;
  }

 private:
  static constexpr int kStepBits = 6;
  static constexpr uint64_t kSteps = uint64_t{1} << kStepBits;

  static size_t BucketOf(uint64_t value) {
    if (value < kSteps) return value;
    const int shift = std::bit_width(value) - kStepBits - 1;
    return (static_cast<size_t>(shift) + 1) * kSteps + ((value >> shift) - kSteps);
  }

  static uint64_t UpperBoundOf(size_t bucket) {
    if (bucket < kSteps) return bucket;
    const uint64_t shift = bucket / kSteps - 1;
    return ((kSteps + bucket % kSteps + 1) << shift) - 1;
  }

  std::array<uint64_t, (64 - kStepBits + 1) * kSteps> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace tw::bench
