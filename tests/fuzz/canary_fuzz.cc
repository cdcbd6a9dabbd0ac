// Broken on purpose: the length check of a frame reader adds before it compares, so that an announced
// length near 2^64 wraps around and is taken (as in CVE-2026-27889). tools/fuzz.sh must see this
// target fail; when it does not, the fuzzers see nothing at all.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr uint64_t kHeaderBytes = 9;
constexpr uint64_t kFrameBytesMax = 64;

// Copies the payload of "F", eight bytes of length, payload.
std::vector<uint8_t> ReadFrame(const uint8_t* data, size_t size) {
  if (size < kHeaderBytes || data[0] != 'F') return {};
  uint64_t length;
  std::memcpy(&length, data + 1, sizeof length);
  if (kHeaderBytes + length > size || kHeaderBytes + length > kFrameBytesMax) return {};
  std::vector<uint8_t> payload(kFrameBytesMax);
  for (uint64_t i = 0; i < length; ++i) payload[i] = data[kHeaderBytes + i];
  return payload;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)ReadFrame(data, size);
  return 0;
}
