// What a batch did to each row, seen from before and after it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/change.h"
#include "router/channel_spec.h"

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

// What several batches came to for each row that `spec` follows: one batch (Batch::net) that begins
// behind offset `after`, which lies in the first of them, and ends where the last one ends.
struct Conflated {
  BatchPtr batch;
  uint64_t left_out = 0;  // Changes of rows that `spec` follows.
};
Conflated Conflate(std::span<const BatchPtr> batches, uint64_t after, const ChannelSpec& spec);

}  // namespace tw::router
