// A sub-select over tables: what it joins, and in which order its rows are walked.
#pragma once

#include <cstdint>
#include <vector>

#include "policy/expression.h"

namespace tw::policy {

// More tables than this in all sub-selects of one policy: refused.
inline constexpr size_t kRangesMax = 64;

// A table in a FROM clause. `range` numbers it within the program.
struct QueryRange {
  uint16_t range = 0;
  uint32_t table = 0;  // In the InnerPlan.
};

// One step of a walk: find the rows of a range, by key where there is one, that pass the filters.
struct QueryStep {
  QueryRange range;
  bool keyed = false;
  uint32_t index = 0;             // In the table's indexes.
  std::vector<Base> bases;        // In which the keys are compared.
  std::vector<Expression> keys;   // Values known before this step.
  std::vector<Expression> filters;  // Decidable with this step's row; TRUE or the row is left out.
};

struct Walk {
  std::vector<Expression> guards;  // Decidable before the first step.
  std::vector<QueryStep> steps;
};

struct SubQuery {
  std::vector<QueryRange> ranges;
  std::vector<Expression> conditions;  // Of WHERE, ON and the tables' own policies; joined by AND.
  std::vector<Expression> target;      // None for EXISTS, else one.
  // The first row counts (LIMIT 1, SQL functions). Rows with different values: an error, since the
  // database may take either.
  bool first_only = false;

  Walk walk;      // Made by PlanWalks.
  Walk matching;  // kInQuery: with "target = value" among the conditions; the value is judged once.
};

// The ranges whose columns `expression` reads, sub-selects included, their own ranges excluded.
std::vector<uint16_t> FreeRanges(const Expression& expression);
// True when its value depends on claims.
bool ReadsSlots(const Expression& expression);

class InnerPlan;
// Orders the ranges so that each is found by key where possible. `known` ranges are bound before.
// Conditions that cannot be decided with `known` and `ranges` bound are left out, and so are ranges
// that no key leads to unless `all` says that each must be walked.
enum class WalkScope : uint8_t { kAll, kReachable };
Walk MakeWalk(const std::vector<QueryRange>& ranges, const std::vector<Expression>& conditions,
              std::vector<uint16_t> known, WalkScope scope, InnerPlan& inner);

// Plans every sub-select in `expression`, and marks where FALSE and NULL need not be told apart.
// `known`: ranges bound around it.
void PlanWalks(Expression& expression, std::vector<uint16_t> known, bool truth_only,
               InnerPlan& inner);

}  // namespace tw::policy
