#include "model/change.h"

#include <algorithm>

namespace tw {

std::string_view ToString(ChangeOp op) {
  switch (op) {
    case ChangeOp::kInsert: return "INSERT";
    case ChangeOp::kUpdate: return "UPDATE";
    case ChangeOp::kDelete: return "DELETE";
  }
  return "";
}

size_t FirstChangeAfter(const Batch& batch, uint64_t after) {
  const auto first = std::ranges::upper_bound(batch.changes, after, {}, &Change::offset);
  return static_cast<size_t>(first - batch.changes.begin());
}

size_t ApproximateBytes(const Row& row) {
  size_t bytes = row.size() * sizeof(Value);
  for (const Value& value : row) {
    if (const auto* text = value.AsText()) bytes += text->size();
    if (const auto* raw = value.AsBytes()) bytes += raw->data.size();
  }
  return bytes;
}

}  // namespace tw
