#include "query/live/range_index.h"

#include <utility>

#include "query/named/read_set.h"

namespace tw::query {
namespace {

bool LowerEnd(const std::optional<Value>& a, const std::optional<Value>& b) {
  if (!a) return b.has_value();
  return b && Order(*a, *b) < 0;
}

// `a` reaches further up than `b`; an open end reaches furthest.
bool Higher(const std::optional<Value>& a, const std::optional<Value>& b) {
  if (!b) return false;
  return !a || Order(*a, *b) > 0;
}

}  // namespace

struct RangeIndex::Node {
  Range range;
  uint64_t priority = 0;
  std::optional<Value> highest;  // Of this subtree; open when missing.
  NodePtr left, right;
};

RangeIndex::RangeIndex() = default;
RangeIndex::~RangeIndex() = default;
RangeIndex::RangeIndex(RangeIndex&&) noexcept = default;
RangeIndex& RangeIndex::operator=(RangeIndex&&) noexcept = default;

bool RangeIndex::Before(const Range& a, const Range& b) {
  if (LowerEnd(a.low, b.low)) return true;
  if (LowerEnd(b.low, a.low)) return false;
  return a.id < b.id;
}

void RangeIndex::Update(Node& node) {
  node.highest = node.range.high;
  for (const NodePtr* child : {&node.left, &node.right}) {
    if (*child != nullptr && Higher((*child)->highest, node.highest)) {
      node.highest = (*child)->highest;
    }
  }
}

RangeIndex::NodePtr RangeIndex::Merge(NodePtr left, NodePtr right) {
  if (left == nullptr) return right;
  if (right == nullptr) return left;
  if (left->priority > right->priority) {
    left->right = Merge(std::move(left->right), std::move(right));
    Update(*left);
    return left;
  }
  right->left = Merge(std::move(left), std::move(right->left));
  Update(*right);
  return right;
}

void RangeIndex::Split(NodePtr node, const Range& at, NodePtr& left, NodePtr& right) {
  if (node == nullptr) return;
  if (Before(node->range, at)) {
    NodePtr rest = std::move(node->right);
    Split(std::move(rest), at, node->right, right);
    Update(*node);
    left = std::move(node);
  } else {
    NodePtr rest = std::move(node->left);
    Split(std::move(rest), at, left, node->left);
    Update(*node);
    right = std::move(node);
  }
}

void RangeIndex::Add(Range range) {
  // xorshift64*: Vigna, 2014.
  seed_ ^= seed_ >> 12;
  seed_ ^= seed_ << 25;
  seed_ ^= seed_ >> 27;
  NodePtr left, right;
  Split(std::move(root_), range, left, right);
  auto node = std::make_unique<Node>();
  node->range = std::move(range);
  node->priority = seed_ * 0x2545f4914f6cdd1d;
  Update(*node);
  root_ = Merge(Merge(std::move(left), std::move(node)), std::move(right));
}

RangeIndex::NodePtr RangeIndex::Erase(NodePtr node, const Range& range) {
  if (node == nullptr) return nullptr;
  if (Before(range, node->range)) {
    node->left = Erase(std::move(node->left), range);
  } else if (Before(node->range, range)) {
    node->right = Erase(std::move(node->right), range);
  } else {
    return Merge(std::move(node->left), std::move(node->right));
  }
  Update(*node);
  return node;
}

void RangeIndex::Remove(const Range& range) { root_ = Erase(std::move(root_), range); }

void RangeIndex::Search(const Node* node, const Value& value,
                        const std::function<void(uint32_t)>& found) {
  if (node == nullptr || (node->highest && Order(*node->highest, value) < 0)) return;
  Search(node->left.get(), value, found);
  if (node->range.low && Order(*node->range.low, value) > 0) return;
  if (!node->range.high || Order(*node->range.high, value) >= 0) found(node->range.id);
  Search(node->right.get(), value, found);
}

void RangeIndex::Find(const Value& value, const std::function<void(uint32_t)>& found) const {
  Search(root_.get(), value, found);
}

}  // namespace tw::query
