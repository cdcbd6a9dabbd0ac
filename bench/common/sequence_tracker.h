// What one subscriber saw of the sequence 0, 1, 2, …: losses, duplicates, reorderings.
#pragma once

#include <bit>
#include <cstdint>

namespace tw::bench {

// Remembers the 64 numbers below the highest one; a number that stays unseen until it falls out
// of that window is lost. 24 bytes, a few instructions per number in the ordered case.
class SequenceTracker {
 public:
  enum class Verdict : uint8_t { kInOrder, kAfterGap, kReordered, kDuplicate };

  Verdict See(uint32_t sequence) {
    if (sequence == next_) {
      Shift(1);
      ++next_;
      return Verdict::kInOrder;
    }
    if (sequence > next_) {
      const uint32_t skipped = sequence - next_;
      Shift(1);  // The highest seen so far becomes history; it is not missing.
      Skip(skipped);
      next_ = sequence + 1;
      return Verdict::kAfterGap;
    }
    const uint32_t age = next_ - 1 - sequence;
    if (age == 0 || age > 64 || (missing_ >> (age - 1) & 1) == 0) return Verdict::kDuplicate;
    missing_ &= ~(uint64_t{1} << (age - 1));
    return Verdict::kReordered;
  }

  // How many of the numbers below `published` have not been seen.
  uint64_t Missing(uint32_t published) const {
    const uint64_t tail = published > next_ ? published - next_ : 0;
    return lost_ + static_cast<uint64_t>(std::popcount(missing_)) + tail;
  }

 private:
  // Bit i of missing_ stands for the number next_ - 2 - i.
  void Shift(uint32_t by) {
    const uint64_t fallen = by >= 64 ? missing_ : missing_ >> (64 - by);
    lost_ += static_cast<uint64_t>(std::popcount(fallen));
    missing_ = by >= 64 ? 0 : missing_ << by;
  }

  void Skip(uint32_t count) {
    Shift(count);
    const uint32_t kept = count < 64 ? count : 64;
    lost_ += count - kept;
    missing_ |= kept == 64 ? ~uint64_t{0} : (uint64_t{1} << kept) - 1;
  }

  uint64_t missing_ = 0;
  uint64_t lost_ = 0;
  uint32_t next_ = 0;
};

}  // namespace tw::bench
