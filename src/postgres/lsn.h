// A position in PostgreSQL's write-ahead log.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tw::postgres {

// A byte count since the cluster was created. Zero means "no position" and is never sent by a
// server. Source: PostgreSQL 15 manual §8.20 "pg_lsn Type".
struct Lsn {
  uint64_t bytes = 0;
  auto operator<=>(const Lsn&) const = default;
};

// Reads the text form "16/B374D848": the high and low 32 bits in hex, 1 to 8 digits each.
// Errors: kInvalidArgument for any other text.
Result<Lsn> ParseLsn(std::string_view text);

// Inverse of ParseLsn: upper case, no leading zeros, so equal positions give equal text.
std::string ToString(Lsn lsn);

}  // namespace tw::postgres
