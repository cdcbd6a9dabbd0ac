// What one subscriber saw of the sequence 0, 1, 2, …: losses, duplicates, reorderings.
#pragma once

#include <array>
#include <cstdint>

namespace tw::bench {

// Remembers which of the kWindow numbers below the highest one were seen; a number that stays
// unseen until it falls out of that window is lost, and counts as a duplicate should it still come.
// A few instructions per number in the ordered case.
class SequenceTracker {
 public:
  // Row changes may arrive in another order than their webhooks were sent, and by as much as one
  // slow connection lags behind the others.
  static constexpr uint32_t kWindow = 1024;

  enum class Verdict : uint8_t { kInOrder, kAfterGap, kReordered, kDuplicate };

  Verdict See(uint32_t sequence) {
    if (sequence >= next_) {
      const Verdict verdict = sequence == next_ ? Verdict::kInOrder : Verdict::kAfterGap;
      while (next_ <= sequence) Enter(next_++);
      Mark(sequence);
      return verdict;
    }
    if (next_ - sequence > kWindow || Seen(sequence)) return Verdict::kDuplicate;
    Mark(sequence);
    return Verdict::kReordered;
  }

  // How many of the numbers below `published` have not been seen.
  uint64_t Missing(uint32_t published) const {
    uint64_t missing = lost_ + (published > next_ ? published - next_ : 0);
    for (uint32_t i = next_ > kWindow ? next_ - kWindow : 0; i < next_; ++i) missing += !Seen(i);
    return missing;
  }

 private:
  // Gives `sequence` the place of the number that leaves the window.
  void Enter(uint32_t sequence) {
    if (sequence >= kWindow && !Seen(sequence)) ++lost_;
    Word(sequence) &= ~Bit(sequence);
  }

  bool Seen(uint32_t sequence) const {
    return (seen_[sequence % kWindow / 64] & Bit(sequence)) != 0;
  }
  void Mark(uint32_t sequence) { Word(sequence) |= Bit(sequence); }
  uint64_t& Word(uint32_t sequence) { return seen_[sequence % kWindow / 64]; }
  static uint64_t Bit(uint32_t sequence) { return uint64_t{1} << (sequence % 64); }

  std::array<uint64_t, kWindow / 64> seen_{};
  uint64_t lost_ = 0;
  uint32_t next_ = 0;
};

}  // namespace tw::bench
