// Runs an expression.
#pragma once

#include "model/claims.h"
#include "model/value.h"
#include "policy/expression.h"

namespace tw::policy {

class InnerView;

// Where columns, slots, claims and other tables come from; null where the expression reads none.
// Without `tables` a sub-select over tables is an error.
struct Inputs {
  const Row* row = nullptr;
  const Datum* slots = nullptr;
  const Claims* claims = nullptr;
  const InnerView* tables = nullptr;
};

// The SQL value. AND, OR, CASE, COALESCE and IN evaluate from left to right and stop when decided;
// an error (kError, text in `scratch`) met before that is the result, as PostgreSQL would raise it.
// `scratch` must outlive the result.
Datum Evaluate(const Expression& expression, const Inputs& inputs, Scratch& scratch);

// What a comparison's order means.
bool Holds(Comparison comparison, int order);

}  // namespace tw::policy
