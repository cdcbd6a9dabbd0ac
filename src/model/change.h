// What the change log holds: committed row changes, in commit order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/position.h"
#include "model/relation.h"
#include "model/value.h"

namespace tw {

enum class ChangeOp : uint8_t { kInsert, kUpdate, kDelete };

// "INSERT", "UPDATE", "DELETE".
std::string_view ToString(ChangeOp op);

// One row's change. `offset` rises along the log, by one or by more; only in a commit of more than a
// hundred thousand changes may neighbours share one (capture/postgres/position.h). `old_row` is empty for kInsert, `new_row` for kDelete; else each has a value
// for every column of `relation`.
struct Change {
  uint64_t offset = 0;
  ChangeOp op = ChangeOp::kInsert;
  WallTime committed_at;
  RelationPtr relation;
  Row old_row;
  Row new_row;
};

// One commit, or a part of a large one. Offsets of `changes` lie above `after` and end at
// `position.offset`; the next batch's `after` is that offset, so that a gap cannot go unnoticed.
struct Batch {
  Position position;
  uint64_t after = 0;
  std::vector<Change> changes;
  // Approximate memory of the batch, for limits.
  size_t bytes = 0;
  // True when the changes are those of exactly one commit, so that what lies between two changes of
  // one row was never to be seen by anybody.
  bool one_commit = false;
  // True when there is at most one change per row: what all of them came to (router/net_effect.h).
  bool net = false;
};

using BatchPtr = std::shared_ptr<const Batch>;

// The index of the first change with an offset above `after`; changes.size() when there is none.
size_t FirstChangeAfter(const Batch& batch, uint64_t after);

// Approximate memory of a row's values.
size_t ApproximateBytes(const Row& row);

}  // namespace tw
