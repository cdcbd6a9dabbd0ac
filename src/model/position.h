// A place in the change log.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tw {

// Offsets count changes from 1 within an epoch and are never reused. An epoch is a random non-zero
// number made with the store; positions of different epochs cannot be compared.
// Offset 0 is the position before the first change.
struct Position {
  uint64_t epoch = 0;
  uint64_t offset = 0;
  bool operator==(const Position&) const = default;
};

// "<epoch, 16 lower-case hex digits>:<offset, decimal>", e.g. "00c0ffee00c0ffee:42". Opaque to
// clients.
std::string ToString(Position position);

// Inverse of ToString. Errors: kInvalidArgument for any other text.
Result<Position> ParsePosition(std::string_view text);

}  // namespace tw
