#include "policy/subquery.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "policy/inner_plan.h"

namespace tw::policy {
namespace {

void Collect(const Expression& e, std::vector<uint16_t>& found) {
  if (e.op == Op::kColumn) found.push_back(e.range);
  for (const Expression& argument : e.arguments) Collect(argument, found);
  if (e.query == nullptr) return;
  std::vector<uint16_t> inside;
  for (const Expression& condition : e.query->conditions) Collect(condition, inside);
  for (const Expression& target : e.query->target) Collect(target, inside);
  for (const uint16_t range : inside) {
    const bool own = std::ranges::any_of(e.query->ranges,
                                         [&](const QueryRange& r) { return r.range == range; });
    if (!own) found.push_back(range);
  }
}

bool Contains(const std::vector<uint16_t>& list, uint16_t range) {
  return std::ranges::find(list, range) != list.end();
}

bool AllKnown(const Expression& e, const std::vector<uint16_t>& known) {
  return std::ranges::all_of(FreeRanges(e), [&](uint16_t range) { return Contains(known, range); });
}

// "column = value" with the column in `range` and the value known; null when it is none.
struct Key {
  const Expression* column;
  const Expression* value;
};
std::optional<Key> KeyOf(const Expression& e, uint16_t range, const std::vector<uint16_t>& known) {
  if (e.op != Op::kCompare || e.comparison != Comparison::kEqual || e.operand == Base::kJsonb) {
    return std::nullopt;
  }
  for (const size_t side : {0, 1}) {
    const Expression& column = e.arguments[side];
    const Expression& value = e.arguments[1 - side];
    if (column.op == Op::kColumn && column.range == range && AllKnown(value, known)) {
      return Key{&column, &value};
    }
  }
  return std::nullopt;
}

size_t KeysOf(const std::vector<Expression>& conditions, uint16_t range,
              const std::vector<uint16_t>& known) {
  return static_cast<size_t>(std::ranges::count_if(
      conditions, [&](const Expression& e) { return KeyOf(e, range, known).has_value(); }));
}

QueryStep MakeStep(const QueryRange& range, std::vector<Expression>& open,
                   const std::vector<uint16_t>& known, InnerPlan& inner) {
  QueryStep step;
  step.range = range;
  struct Part {
    uint16_t column;
    Base base;
    Expression value;
  };
  std::vector<Part> parts;
  std::erase_if(open, [&](const Expression& e) {
    const auto key = KeyOf(e, range.range, known);
    if (!key) return false;
    const auto column = static_cast<uint16_t>(key->column->index);
    // The same column twice: the second equality stays a filter.
    if (std::ranges::any_of(parts, [&](const Part& part) { return part.column == column; })) {
      return false;
    }
    parts.push_back({column, e.operand, *key->value});
    return true;
  });
  std::ranges::sort(parts, {}, &Part::column);
  InnerIndexPlan index;
  for (Part& part : parts) {
    index.columns.push_back(part.column);
    index.bases.push_back(part.base);
    step.keys.push_back(std::move(part.value));
  }
  step.keyed = !parts.empty();
  step.bases = index.bases;
  if (step.keyed) step.index = inner.Index(range.table, index);
  return step;
}

void TakeDecidable(std::vector<Expression>& open, const std::vector<uint16_t>& known,
                   std::vector<Expression>& out) {
  std::erase_if(open, [&](Expression& e) {
    if (!AllKnown(e, known)) return false;
    out.push_back(std::move(e));
    return true;
  });
}

}  // namespace

std::vector<uint16_t> FreeRanges(const Expression& expression) {
  std::vector<uint16_t> found;
  Collect(expression, found);
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(), found.end());
  return found;
}

bool ReadsSlots(const Expression& e) {
  if (e.op == Op::kSlot) return true;
  if (std::ranges::any_of(e.arguments, ReadsSlots)) return true;
  return e.query != nullptr && (std::ranges::any_of(e.query->conditions, ReadsSlots) ||
                                std::ranges::any_of(e.query->target, ReadsSlots));
}

Walk MakeWalk(const std::vector<QueryRange>& ranges, const std::vector<Expression>& conditions,
              std::vector<uint16_t> known, WalkScope scope, InnerPlan& inner) {
  Walk walk;
  std::vector<Expression> open = conditions;
  std::vector<QueryRange> left = ranges;
  TakeDecidable(open, known, walk.guards);
  while (!left.empty()) {
    const auto best = std::ranges::max_element(left, {}, [&](const QueryRange& range) {
      return KeysOf(open, range.range, known);
    });
    if (scope == WalkScope::kReachable && KeysOf(open, best->range, known) == 0) break;
    QueryStep step = MakeStep(*best, open, known, inner);
    known.push_back(best->range);
    left.erase(best);
    TakeDecidable(open, known, step.filters);
    walk.steps.push_back(std::move(step));
  }
  return walk;
}

void PlanWalks(Expression& e, std::vector<uint16_t> known, bool truth_only, InnerPlan& inner) {
  e.truth_only = truth_only && e.type.base == Base::kBool;
  const bool passes_on = e.op == Op::kAnd || e.op == Op::kOr || e.op == Op::kIsTrue;
  for (Expression& argument : e.arguments) {
    PlanWalks(argument, known, (passes_on && truth_only) || e.op == Op::kIsTrue, inner);
  }
  if (e.query == nullptr) return;
  SubQuery& query = *e.query;
  std::vector<uint16_t> inside = known;
  for (const QueryRange& range : query.ranges) inside.push_back(range.range);
  for (Expression& condition : query.conditions) PlanWalks(condition, inside, true, inner);
  for (Expression& target : query.target) PlanWalks(target, inside, false, inner);
  query.walk = MakeWalk(query.ranges, query.conditions, known, WalkScope::kAll, inner);
  if (e.op != Op::kInQuery) return;
  // The value is judged once, before: as a slot of its own it would have no place, so the equality
  // names the expression again.
  Expression equality;
  equality.op = Op::kCompare;
  equality.type = {Base::kBool};
  equality.operand = e.operand;
  equality.reads_row = true;
  equality.arguments.push_back(query.target[0]);
  equality.arguments.push_back(e.arguments[0]);
  std::vector<Expression> conditions = query.conditions;
  conditions.push_back(std::move(equality));
  query.matching = MakeWalk(query.ranges, conditions, std::move(known), WalkScope::kAll, inner);
}

}  // namespace tw::policy
