#include "postgres/lsn.h"

#include <charconv>
#include <cstdio>

namespace tw::postgres {

Result<Lsn> ParseLsn(std::string_view text) {
  const auto bad = [&] {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + std::string(text.substr(0, 32)) + "' is not an LSN");
  };
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return bad();
  uint64_t result = 0;
  for (const std::string_view half : {text.substr(0, slash), text.substr(slash + 1)}) {
    constexpr size_t kDigitsMax = 8;
    uint32_t value = 0;
    if (half.empty() || half.size() > kDigitsMax) return bad();
    const auto parsed = std::from_chars(half.data(), half.data() + half.size(), value, 16);
    if (parsed.ec != std::errc{} || parsed.ptr != half.data() + half.size()) return bad();
    result = result << 32 | value;
  }
  return Lsn{result};
}

std::string ToString(Lsn lsn) {
  char text[24];
  const int length = std::snprintf(text, sizeof text, "%X/%X",
                                   static_cast<unsigned>(lsn.bytes >> 32),
                                   static_cast<unsigned>(lsn.bytes & 0xffffffff));
  return {text, static_cast<size_t>(length)};
}

}  // namespace tw::postgres
