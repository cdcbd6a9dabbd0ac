#include "protocol/stamp.h"

#include <cstdio>

#include "base/strings.h"

namespace tw::protocol {
namespace {

constexpr size_t kTimeSize = std::string_view("2026-01-02T03:04:05.678").size();
constexpr size_t kEpochSize = 20;  // Digits of 2^64 - 1.

}  // namespace

std::string StampedTime(WallTime time, Position position) {
  std::string text = FormatTimestampMs(time);
  text.pop_back();  // Z
  char epoch[kEpochSize + 1];
  std::snprintf(epoch, sizeof(epoch), "%020llu", static_cast<unsigned long long>(position.epoch));
  return text.append(epoch, kEpochSize).append(std::to_string(position.offset)).append("Z");
}

std::string UnstampedPosition(std::string_view text) {
  const std::string as_is(text);
  if (text.size() < kTimeSize + kEpochSize + 2 || text[10] != 'T' || !text.ends_with('Z')) {
    return as_is;
  }
  const auto epoch = ParseUint64(text.substr(kTimeSize, kEpochSize));
  const auto offset =
      ParseUint64(text.substr(kTimeSize + kEpochSize, text.size() - kTimeSize - kEpochSize - 1));
  if (!epoch || !offset) return as_is;
  return ToString(Position{*epoch, *offset});
}

}  // namespace tw::protocol
