// One condition of a Filter; private to the room.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/relation.h"
#include "policy/datum.h"
#include "policy/pattern.h"
#include "policy/policy.h"

namespace tw::policy {

enum class FilterOp : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kLike,
  kILike,
  kIs,
  kMatch,
  kIMatch,
  kIsDistinct,
};

// "eq", "in", …; nullopt for any other name.
std::optional<FilterOp> FilterOpByName(std::string_view name);
std::string_view FilterOpName(FilterOp op);

// A condition as text, taken apart but not yet bound to a column.
struct ConditionText {
  std::string column;
  bool negated = false;
  FilterOp op = FilterOp::kEqual;
  std::vector<std::string> values;  // One; for kIn any number.
};

// Splits "a=eq.1,b=in.(2,3)" at commas outside quotes and parentheses.
std::vector<std::string_view> SplitConditions(std::string_view text);
// Reads `[not.]op.value`. Errors: as Filter::Parse, without the column's own.
Result<ConditionText> ParseOperation(std::string_view column, std::string_view operation);

// A leaf tests one column. A group holds when any or all of its parts do; NOT has been moved into
// its leaves.
struct Condition {
  enum class Kind : uint8_t { kLeaf, kAny, kAll };
  Kind kind = Kind::kLeaf;
  std::vector<std::shared_ptr<const Condition>> parts;  // Of a group.

  // Of a leaf, up to `regex`.
  size_t column = 0;
  ColumnType type = ColumnType::kText;
  FilterOp op = FilterOp::kEqual;
  bool negated = false;
  std::vector<Datum> values;  // Of the column's type; kIs: one, NULL or boolean; none: unknown.
  RegexPtr regex;
  std::string canonical;
  std::optional<std::vector<Anchor>> anchors;
  Scratch scratch;  // Owns `values`.

  bool Matches(const Value& stored) const;  // A leaf.
  bool MatchesRow(const Row& row) const;
};

// Reads the literals as the column's type. Errors: as Filter::Parse.
Result<std::shared_ptr<const Condition>> BindCondition(const ConditionText& text,
                                                       const Relation& relation);

// Whether `column=operation` is a group: or, and, not.or or not.and, and a list in parentheses.
bool IsGroup(std::string_view column, std::string_view operation);
// `name` and `text` as IsGroup accepts them. Errors: as Filter::Parse; kResourceExhausted for more
// than kFilterConditionsMax elements or kFilterDepthMax groups in each other.
Result<std::shared_ptr<const Condition>> BindGroup(std::string_view name, std::string_view text,
                                                   const Relation& relation);

}  // namespace tw::policy
