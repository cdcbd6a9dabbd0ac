// A place in the change log.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tw {

// Offsets rise along the change log within an epoch and are never reused: on the embedded store they
// count changes from 1, on Postgres they are made of the commit's place in the WAL and the change's
// number in the commit. An epoch is a non-zero number that identifies the database's history;
// positions of different epochs cannot be compared. Offset 0 is before the first change.
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
