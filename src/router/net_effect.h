// What a batch did to each row, seen from before and after it.
#pragma once

#include <optional>
#include <vector>

#include "model/change.h"

namespace tw::router {

// A change as subscribers are told of it. Rows are borrowed from the batch.
struct NetChange {
  const Change* change = nullptr;  // The last of the row's changes: gives time and position.
  ChangeOp op = ChangeOp::kInsert;
  const Row* old_row = nullptr;  // As before the batch; empty for kInsert.
  const Row* new_row = nullptr;  // As after it; empty for kDelete.
};

NetChange AsIs(const Change& change);

// Parallel to batch.changes. A change that a later one of the same row overtakes has no entry, nor
// has a row that came and went within the batch. Rows are told apart by primary key; without one
// every change stands for itself.
std::vector<std::optional<NetChange>> NetEffect(const Batch& batch);

}  // namespace tw::router
