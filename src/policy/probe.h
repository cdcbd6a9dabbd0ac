// From a row to the groups that may see it: equalities between what a row leads to and the values of
// claims slots, found by walking the inner tables from the row's side.
//
//   row ──walk (by key)──▶ rows of inner tables ──leaf──▶ hash of a slot's value ──▶ groups
//
// Promises     Whoever may see the row is among those found: a probe is a necessary condition. Ask
//              Access::Allows for each. Errors and walks over kProbeRowsMax find everyone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "model/value.h"
#include "policy/expression.h"
#include "policy/inner_tables.h"
#include "policy/subquery.h"

namespace tw::policy {

// Rows of inner tables that one probe may visit.
inline constexpr size_t kProbeRowsMax = 4096;

// How groups are listed by a slot's value.
struct ProbeLeaf {
  enum class Kind : uint8_t {
    kValue,    // The slot's value, compared in type `operand`.
    kElement,  // Each element of the slot's array.
    kJsonKey,  // Each key, or text element, of the slot's jsonb.
  };
  Kind kind = Kind::kValue;
  uint32_t slot = 0;
  Base operand = Base::kUnknown;
  bool null_matches = false;  // IS NOT DISTINCT FROM: NULL is listed as well.
  bool operator==(const ProbeLeaf&) const = default;
};

struct Probe {
  Walk walk;
  bool everyone = false;       // Whoever: the walk only says whether.
  uint32_t leaf = 0;           // In ProbePlan::leaves.
  std::vector<Expression> value;  // One, unless everyone.
};

// A change of an inner table's row leads to the groups for which it may matter.
struct InnerProbe {
  uint32_t table = 0;
  uint16_t range = 0;
  std::vector<Probe> probes;
};

struct ProbePlan {
  std::vector<ProbeLeaf> leaves;
  std::vector<Probe> probes;  // Alternatives: the union of what they find.
  std::vector<InnerProbe> inner;
};

// For "condition is TRUE". Its sub-selects must have been planned.
ProbePlan MakeProbes(const Expression& condition, InnerPlan& inner);

// The hashes under which a group with this slot value is listed. Never empty for a leaf that it can
// match.
std::vector<uint64_t> ListingsOf(const ProbeLeaf& leaf, const Datum& slot);

// Called with (leaf, hash).
using ProbeSink = FunctionRef<void(uint32_t, uint64_t)>;
enum class Found : uint8_t { kListed, kEveryone };
Found RunProbes(const std::vector<Probe>& probes, const ProbePlan& plan, const Row& row,
                const InnerView* tables, ProbeSink sink);
Found RunInnerProbes(const InnerProbe& probe, const ProbePlan& plan, const InnerRow& row,
                     const InnerView& tables, ProbeSink sink);

}  // namespace tw::policy
