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

// One row's change. `old_row` is empty for kInsert, `new_row` for kDelete; else each has a value
// for every column of `relation`.
struct Change {
  uint64_t offset = 0;
  ChangeOp op = ChangeOp::kInsert;
  WallTime committed_at;
  RelationPtr relation;
  Row old_row;
  Row new_row;
};

// One commit: what a subscriber sees of it is all or nothing. Offsets of `changes` rise by one and
// end at `position.offset`.
struct Batch {
  Position position;
  std::vector<Change> changes;
  // Approximate memory of the batch, for limits.
  size_t bytes = 0;
  // True when the changes are those of exactly one commit, so that what lies between two changes of
  // one row was never to be seen by anybody.
  bool one_commit = false;
};

using BatchPtr = std::shared_ptr<const Batch>;

// Approximate memory of a row's values.
size_t ApproximateBytes(const Row& row);

}  // namespace tw
