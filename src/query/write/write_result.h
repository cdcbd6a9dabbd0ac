// What became of a write of a table, whatever the store.
#pragma once

#include <cstdint>
#include <string>

#include "model/position.h"

namespace tw::query {

// Answers up to this size are kept with their mutation id, and given again.
inline constexpr size_t kResponseKeptMax = 64 * 1024;

struct WriteResult {
  int status = 200;       // 200, 201 or 204
  std::string json;       // Rows, or empty.
  uint64_t rows = 0;      // That were written.
  Position position;      // Everything written is at or before it. Epoch 0: not known.
  bool replayed = false;  // The same mutation id was executed before; nothing was done now.
};

}  // namespace tw::query
