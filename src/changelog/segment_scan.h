// Reads a whole segment file at start, to find its end and whether it is sound.
#pragma once

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "changelog/segment_format.h"
#include "io/file.h"

namespace tw::changelog {

struct SegmentScan {
  std::optional<SegmentHeader> header;  // nullopt: damaged, or of a version that we do not know.
  uint64_t records = 0;
  uint64_t end_offset = kSegmentHeaderBytes;  // Behind the last good record.
  uint64_t last_group_offset = kSegmentHeaderBytes;  // Where the group that ends there begins.
  uint32_t end_chain = 0;                     // For the record to come.
  uint64_t file_bytes = 0;

  // What lies behind the end. A record begins there that cannot be read.
  bool broken_record = false;
  // Valid records follow that were written after the missing one had been synced.
  bool later_group = false;
  // No sequence that was ever given out in this segment is higher. Exact unless later_group.
  uint64_t sequence_bound = 0;
  // Bytes behind the end that were written for it but belong to no whole record in order.
  uint64_t bytes_torn = 0;
};

// `expected_end`: the sequence at which the next segment begins, or 0 for the newest segment. When
// the good records reach it, what lies behind them does not matter and is not looked at.
// Errors: the file's own. Damage is no error but part of the result.
Result<SegmentScan> ScanSegment(io::File& file, uint64_t first, uint64_t expected_end,
                                uint32_t record_bytes_max);

}  // namespace tw::changelog
