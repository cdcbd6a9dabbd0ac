// The running of expressions; private to evaluate.cc, evaluate_query.cc and probe.cc.
#pragma once

#include <array>
#include <string_view>

#include "base/function_ref.h"
#include "policy/evaluate.h"
#include "policy/inner_tables.h"
#include "policy/subquery.h"

namespace tw::policy {

class Evaluator {
 public:
  Evaluator(const Inputs& inputs, Scratch& scratch) : inputs_(inputs), scratch_(scratch) {}
  Datum Run(const Expression& e);

  // Walks the rows of the sub-select from step `step` on and calls `found` for each combination;
  // false stops. kError: the error is in the scratch.
  enum class Walked : uint8_t { kToTheEnd, kStopped, kError };
  Walked WalkRows(const Walk& walk, FunctionRef<bool()> found);
  Walked WalkSteps(const Walk& walk, size_t step, FunctionRef<bool()> found);
  // For walks that do not begin at the judged row.
  void Bind(uint16_t range, const InnerRow& row, const InnerLayout& layout) {
    bound_[range] = {&row, &layout};
  }

 private:
  struct BoundRow {
    const InnerRow* row;
    const InnerLayout* layout;
  };

  Datum Connective(const Expression& e, bool decisive);
  Datum Test(const Expression& e);
  Datum In(const Expression& e);
  Datum Quantified(const Expression& e);
  Datum IsDistinct(const Expression& e);
  Datum Case(const Expression& e);
  Datum Coalesce(const Expression& e);
  Datum NullIf(const Expression& e);
  Datum Array(const Expression& e);
  Datum Claim(const Expression& e);
  Datum Strict(const Expression& e);
  Datum Arithmetic(const Expression& e, int64_t a, int64_t b);
  Datum TextFunction(const Expression& e, std::string_view text);
  Datum Unary(const Expression& e, const Datum& a);
  Datum Binary(const Expression& e, const Datum& a, const Datum& b);
  Datum JsonTexts(const Datum& value);

  // evaluate_query.cc: sub-selects over tables.
  Datum Exists(const Expression& e);
  Datum InQuery(const Expression& e);
  Datum ScalarQuery(const Expression& e);

  const Inputs& inputs_;
  Scratch& scratch_;
  std::array<BoundRow, kRangesMax> bound_;  // By range, while a walk is at them.
};

}  // namespace tw::policy
