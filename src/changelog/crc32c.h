// CRC32C (Castagnoli, RFC 3720 §12.1): the checksum of everything that we keep in segment files.
#pragma once

#include <cstdint>
#include <string_view>

namespace tw::changelog {

// The CRC32C of what `crc` is the CRC32C of, followed by `bytes`; ExtendCrc32c(0, x) is that of x.
// By the processor's instruction where there is one (decided once, at run time), else by table.
uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes);

// The table form, for tests and for comparison.
uint32_t ExtendCrc32cPortable(uint32_t crc, std::string_view bytes);

}  // namespace tw::changelog
