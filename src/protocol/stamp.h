// A position within a commit_timestamp: the only part of a row change beside its rows that
// unmodified clients hand on to their applications, which they do as it is (realtime-protocol
// §11.1).
//
//   2026-01-02T03:04:05.678 07443059617285912345 12 Z     (without the spaces)
//   time, to the millisecond epoch, 20 digits    offset
//
// Still an ISO 8601 time, of the same millisecond.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "model/position.h"

namespace tw::protocol {

std::string StampedTime(WallTime time, Position position);

// The position of a text that StampedTime made, as ToString(Position); any other text as it is.
std::string UnstampedPosition(std::string_view text);

}  // namespace tw::protocol
