// Randomness enters through Random, so that a simulation can own it and repeat a run from its seed.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace tw {

class Random {
 public:
  virtual ~Random() = default;
  // Uniform over all 64-bit values. SystemRandom's are fit for keys and tokens.
  virtual uint64_t Next() = 0;

  // Uniform in [0, bound); bound ≥ 1.
  uint64_t Below(uint64_t bound);
  // True with probability `percent` / 100.
  bool Percent(uint32_t percent) { return Below(100) < percent; }
  // Uniform in [0, 1).
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  // `bytes` random bytes as lower-case hex.
  std::string Hex(size_t bytes);
  // A random (version 4) UUID, RFC 9562 §5.4.
  std::string Uuid();
};

// The kernel's generator, getrandom(2). Any thread.
Random& SystemRandom();

// xoshiro256** seeded through splitmix64: fast, repeatable, not for secrets. One thread.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed);
  uint64_t Next() override;

 private:
  uint64_t state_[4];
};

}  // namespace tw
