// The rows that a channel begins with, and the position that they are true at.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "model/claims.h"
#include "model/position.h"
#include "policy/catalog.h"
#include "router/channel_spec.h"

namespace tw::session {

// One table's rows, as the JSON of an array of objects, cut into pages. At least one page, which is
// "[]" when there are no rows.
struct SnapshotTable {
  std::vector<std::string> pages;
  uint64_t rows = 0;
};

struct Snapshot {
  Position position;
  std::vector<SnapshotTable> tables;  // One for each binding that was asked for, in order.
  size_t bytes = 0;                   // Of all pages.
};

// Over all tables of a snapshot; more is refused, never cut.
struct SnapshotLimits {
  uint64_t rows_max = 10'000;
  size_t bytes_max = 4u << 20;
};

// Implemented by app. One per loop.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  // Reads the rows that the bindings' filters and rights show, all of them at one position. Calls
  // `done` later, on the caller's loop. Errors: kResourceExhausted (a limit, named), kUnavailable,
  // kPermissionDenied, kInternal.
  virtual void Read(const policy::CatalogPtr& catalog, const ClaimsPtr& claims,
                    std::span<const router::TableBinding> bindings, const SnapshotLimits& limits,
                    Function<void(Result<Snapshot>)> done) = 0;
};

}  // namespace tw::session
