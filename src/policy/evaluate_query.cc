// Sub-selects over tables: walks by key where the plan has one, SQL's three-valued membership.
#include "policy/cast.h"
#include "policy/evaluator.h"

namespace tw::policy {
namespace {

// More keys than this in one step do not occur: each is a column of one index.
constexpr size_t kKeysMax = 16;

}  // namespace

Evaluator::Walked Evaluator::WalkRows(const Walk& walk, FunctionRef<bool()> found) {
  for (const Expression& guard : walk.guards) {
    const Datum value = Run(guard);
    if (value.is_error()) return Walked::kError;
    if (!value.is_true()) return Walked::kToTheEnd;
  }
  return WalkSteps(walk, 0, found);
}

Evaluator::Walked Evaluator::WalkSteps(const Walk& walk, size_t number, FunctionRef<bool()> found) {
  if (number == walk.steps.size()) return found() ? Walked::kToTheEnd : Walked::kStopped;
  const QueryStep& step = walk.steps[number];
  if (inputs_.tables == nullptr || step.keys.size() > kKeysMax) {
    scratch_.Fail("a table that a policy looks into is not available");
    return Walked::kError;
  }
  std::array<Datum, kKeysMax> keys;
  for (size_t i = 0; i < step.keys.size(); ++i) {
    keys[i] = Run(step.keys[i]);
    if (keys[i].is_error()) return Walked::kError;
    if (keys[i].is_null()) return Walked::kToTheEnd;
  }
  Walked result = Walked::kToTheEnd;
  const auto visit = [&](const InnerRow& row) {
    bound_[step.range.range] = {&row, &inputs_.tables->layout(step.range.table)};
    for (const Expression& filter : step.filters) {
      const Datum value = Run(filter);
      if (value.is_error()) {
        result = Walked::kError;
        return false;
      }
      if (!value.is_true()) return true;
    }
    result = WalkSteps(walk, number + 1, found);
    return result == Walked::kToTheEnd;
  };
  const auto outcome =
      step.keyed ? inputs_.tables->Find(step.range.table, step.index,
                                        {keys.data(), step.keys.size()}, visit)
                 : inputs_.tables->Scan(step.range.table, visit);
  if (outcome != InnerView::Outcome::kUnavailable) return result;
  scratch_.Fail("a table that a policy looks into is not available");
  return Walked::kError;
}

Datum Evaluator::Exists(const Expression& e) {
  const Walked walked = WalkRows(e.query->walk, [] { return false; });
  if (walked == Walked::kError) return Datum::Error();
  return Datum::Bool(walked == Walked::kStopped);
}

// value = ANY (rows): TRUE when one is equal, else NULL when one comparison is NULL, else FALSE.
Datum Evaluator::InQuery(const Expression& e) {
  const Datum value = Run(e.arguments[0]);
  if (value.is_error()) return value;
  if (!value.is_null()) {
    const Walked matched = WalkRows(e.query->matching, [] { return false; });
    if (matched == Walked::kError) return Datum::Error();
    if (matched == Walked::kStopped) return Datum::Bool(true);
    if (e.truth_only) return Datum::Bool(false);
  } else if (e.truth_only) {
    return {};
  }
  bool unknown = false;
  const Walked walked = WalkRows(e.query->walk, [&] {
    unknown = value.is_null() || Run(e.query->target[0]).is_null();
    return !unknown;
  });
  if (walked == Walked::kError) return Datum::Error();
  return unknown ? Datum{} : Datum::Bool(false);
}

Datum Evaluator::ScalarQuery(const Expression& e) {
  std::optional<Datum> only;
  bool failed = false;
  const Base base = e.type.base;
  const Walked walked = WalkRows(e.query->walk, [&] {
    const Datum value = Run(e.query->target[0]);
    if (value.is_error()) {
      failed = true;
      return false;
    }
    if (!only) {
      only = value;
      return true;
    }
    const bool same = value.is_null() == only->is_null() &&
                      (value.is_null() || (!e.type.array && Compare(base, value, *only) == 0));
    if (e.query->first_only && same) return true;
    scratch_.Fail(e.query->first_only
                      ? "a sub-select's first row is not the same for every order"
                      : "more than one row returned by a subquery used as an expression");
    failed = true;
    return false;
  });
  if (failed || walked == Walked::kError) return Datum::Error();
  return only.value_or(Datum{});
}

}  // namespace tw::policy
