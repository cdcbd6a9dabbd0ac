// CRC-32C (Castagnoli, RFC 3720 appendix B.4): detects damaged bytes on disk. Not against forgery.
#pragma once

#include <cstdint>
#include <string_view>

namespace tw::crypto {

// The checksum of what `crc` covers followed by `bytes`; start with 0. Uses the processor's CRC
// instruction where there is one. Any thread.
uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes);
inline uint32_t Crc32c(std::string_view bytes) {
  return ExtendCrc32c(0, bytes);
}

// The same without the CRC instruction: eight bytes per step by tables. For tests and benchmarks.
uint32_t ExtendCrc32cPortable(uint32_t crc, std::string_view bytes);

}  // namespace tw::crypto
