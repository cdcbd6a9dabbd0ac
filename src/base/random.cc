#include "base/random.h"

#include <sys/random.h>

#include <bit>

#include "base/check.h"

namespace tw {
namespace {

class KernelRandom : public Random {
 public:
  uint64_t Next() override {
    uint64_t value;
    TW_CHECK(getrandom(&value, sizeof value, 0) == sizeof value);
    return value;
  }
};

}  // namespace

uint64_t Random::Below(uint64_t bound) {
  TW_CHECK(bound >= 1);
  // Rejection keeps it uniform; the threshold is the largest multiple of bound that fits.
  const uint64_t threshold = -bound % bound;
  for (;;) {
    const uint64_t value = Next();
    if (value >= threshold) return value % bound;
  }
}

std::string Random::Hex(size_t bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes * 2);
  while (text.size() < bytes * 2) {
    uint64_t value = Next();
    for (int i = 0; i < 8 && text.size() < bytes * 2; ++i, value >>= 8) {
      text.push_back(kDigits[value >> 4 & 15]);
      text.push_back(kDigits[value & 15]);
    }
  }
  return text;
}

std::string Random::Uuid() {
  std::string hex = Hex(16);
  hex[12] = '4';
  hex[16] = "89ab"[Below(4)];
  for (const size_t at : {8, 13, 18, 23}) hex.insert(at, 1, '-');
  return hex;
}

Random& SystemRandom() {
  static KernelRandom random;
  return random;
}

SeededRandom::SeededRandom(uint64_t seed) {
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t z = seed;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    word = z ^ z >> 31;
  }
}

uint64_t SeededRandom::Next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

}  // namespace tw
