// Where a stream is for one tenant: what is stored between runs, as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tw::ingest {

struct StreamState {
  std::optional<WallTime> done;  // Start of the last run that completed.
  std::optional<WallTime> seen;  // The greatest value of cursor.field.
  uint64_t pass = 0;             // The last snapshot pass that completed.
  std::string etag;              // Of an answer of one page.
  uint64_t rows = 0;             // Records of the last complete run; of the last file.

  // A run that was cut off: where it goes on.
  struct Resume {
    std::string run_id;
    WallTime started;
    std::string next;       // Link or cursor of the next page.
    uint32_t pages = 0;
    uint64_t records = 0;
    uint64_t pass = 0;
    uint32_t slice = 0;     // Index of the window's day.
    std::optional<WallTime> seen;
  };
  std::optional<Resume> resume;

  // A text that is no state gives an empty one: everything is then read again.
  static StreamState Decode(std::string_view text);
  std::string Encode() const;
};

}  // namespace tw::ingest
