// A subscriber's own conditions on a table: "status=eq.open,priority=gt.3" (AND).
// Grammar, meaning and error texts: realtime-protocol §3.3. Ours beside it are PostgREST's groups,
// "or=(status.eq.open,and(priority.gt.3,owner.is.null))", also as "not.or=(…)".
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/relation.h"
#include "model/value.h"
#include "policy/policy.h"

namespace tw::policy {

inline constexpr size_t kFilterBytesMax = 64 * 1024;
inline constexpr size_t kFilterConditionsMax = 64;
inline constexpr size_t kFilterInValuesMax = 100;
inline constexpr int kFilterDepthMax = 16;  // Groups in each other.

struct Condition;  // One compiled `column=op.value`; filter_condition.h.

// Immutable and cheap to copy. Any thread. The Relation is not kept: rows must have the shape the
// filter was parsed for.
class Filter {
 public:
  Filter() = default;  // Matches every row.

  // Parses a list. Empty or blank text gives the empty filter.
  // Errors: kInvalidArgument with the message of §3.3; kResourceExhausted over a limit above.
  static Result<Filter> Parse(std::string_view text, const Relation& relation);

  // One condition as a URL gives it: column "id", operation "not.eq.5". Here, as in PostgREST, '*'
  // in the value of like and ilike stands for '%'. Errors: as Parse.
  static Result<Filter> ParseCondition(std::string_view column, std::string_view operation,
                                       const Relation& relation);

  // Both must match.
  static Filter And(const Filter& a, const Filter& b);

  bool empty() const { return conditions_.empty(); }
  // True only when every condition is TRUE for the row. A value that does not fit its column's type
  // never matches.
  bool Matches(const Row& row) const;

  // When not empty: each matching row satisfies at least one entry (from the best `eq` or `in`
  // condition; several entries are alternatives, as in Access::anchors). Empty: nothing is known.
  std::span<const Anchor> equalities() const;

  // Text that parses back to an equal filter (columns named with = , " ( ) excepted); conditions
  // sorted and without repeats, so that filters written differently but meaning the same conditions
  // share one text.
  const std::string& canonical() const { return canonical_; }

  // As PostgreSQL's boolean expression over the columns of `relation`, the one it was parsed for;
  // "true" when empty. The database then decides by its own types, collations and casts.
  std::string ToSql(const Relation& relation) const;

 private:
  void Settle();  // Sorts, drops repeats, derives canonical_ and best_.

  std::vector<std::shared_ptr<const Condition>> conditions_;
  std::string canonical_;
  const Condition* best_ = nullptr;  // Owned by conditions_.
};

}  // namespace tw::policy
