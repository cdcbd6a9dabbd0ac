// Which of many ranges hold a value: a treap of ranges ordered by their low end, each node knowing
// the highest end below it (an interval tree; Cormen et al., "Introduction to Algorithms" §14.3).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "model/value.h"

namespace tw::query {

class RangeIndex {
 public:
  // Ends are of query/named/read_set.h's order; a missing end is open. Ends count as inclusive:
  // whoever asks tests the exact predicate as well.
  struct Range {
    std::optional<Value> low;
    std::optional<Value> high;
    uint32_t id = 0;
  };

  RangeIndex();
  ~RangeIndex();
  RangeIndex(RangeIndex&&) noexcept;
  RangeIndex& operator=(RangeIndex&&) noexcept;

  void Add(Range range);
  // Removes the range with this id and these ends.
  void Remove(const Range& range);
  // Calls `found` for each range that holds `value`: O(log n + found) expected.
  void Find(const Value& value, const std::function<void(uint32_t)>& found) const;
  bool empty() const { return root_ == nullptr; }

 private:
  struct Node;
  using NodePtr = std::unique_ptr<Node>;
  static NodePtr Merge(NodePtr left, NodePtr right);
  static void Update(Node& node);
  static bool Before(const Range& a, const Range& b);
  static void Split(NodePtr node, const Range& at, NodePtr& left, NodePtr& right);
  static NodePtr Erase(NodePtr node, const Range& range);
  static void Search(const Node* node, const Value& value,
                     const std::function<void(uint32_t)>& found);

  NodePtr root_;
  uint64_t seed_ = 0x9e3779b97f4a7c15;  // Of priorities: any sequence without a pattern will do.
};

}  // namespace tw::query
