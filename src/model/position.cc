#include "model/position.h"

#include <charconv>
#include <cstdio>

#include "base/strings.h"

namespace tw {

std::string ToString(Position position) {
  char text[48];
  const int length = std::snprintf(text, sizeof text, "%016llx:%llu",
                                   static_cast<unsigned long long>(position.epoch),
                                   static_cast<unsigned long long>(position.offset));
  return std::string(text, static_cast<size_t>(length));
}

Result<Position> ParsePosition(std::string_view text) {
  constexpr size_t kEpochDigits = 16;
  const auto bad = [&] {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + std::string(text.substr(0, 64)) + "' is not a position");
  };
  if (text.size() < kEpochDigits + 2 || text[kEpochDigits] != ':') return bad();
  Position position;
  const char* const split = text.data() + kEpochDigits;
  const auto epoch = std::from_chars(text.data(), split, position.epoch, 16);
  const auto offset = ParseUint64(text.substr(kEpochDigits + 1));
  if (epoch.ec != std::errc{} || epoch.ptr != split || !offset.has_value()) return bad();
  position.offset = *offset;
  if (ToString(position) != text) return bad();
  return position;
}

}  // namespace tw
