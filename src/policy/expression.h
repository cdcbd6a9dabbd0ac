// The typed tree of a policy: what compile.h makes and evaluate.h runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/value.h"
#include "policy/datum.h"
#include "policy/pattern.h"

namespace tw::policy {

enum class Comparison : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

enum class Op : uint8_t {
  kConstant,    // constant
  kColumn,      // index: the column, of the row number `range`
  kSlot,        // index: the claims expression, evaluated before
  kUid,         // auth.uid() as text
  kRole,        // auth.role()
  kJwt,         // auth.jwt()
  kClaimsSetting,  // current_setting('request.jwt.claims')
  kAnd,
  kOr,
  kNot,
  kIsNull,
  kIsTrue,
  kIsFalse,
  kCompare,     // a, b: `comparison` in type `operand`
  kIsDistinct,  // a, b in type `operand`
  kIn,          // a, items…: a = any item, in type `operand`
  kAny,         // a, array: a `comparison` ANY (array)
  kAll,         // a, array: a `comparison` ALL (array)
  kLike,        // text, pattern: `letter_case`
  kRegex,       // text: `regex`
  kAdd,         // integers of type `type`, overflow is an error
  kSubtract,
  kMultiply,
  kDivide,
  kRemainder,
  kNegate,
  kConcatenate,
  kLower,
  kUpper,
  kLength,  // characters
  kCast,    // from the argument's type to `type`
  kCase,    // when, then, when, then, …, else
  kCoalesce,
  kNullIf,        // a, b in type `operand`
  kJsonField,     // jsonb -> text
  kJsonItem,      // jsonb -> integer
  kJsonPath,      // jsonb #> text[]
  kJsonText,      // jsonb → text as ->> and #>> give it
  kJsonExists,    // jsonb ? text
  kJsonContains,  // jsonb @> jsonb
  kJsonTexts,     // jsonb_array_elements_text as text[]
  kArray,         // items…
  kCall,          // a function that only the database evaluates, over claims: `pattern` names it
  kExists,        // query: it has a row
  kInQuery,       // a, query: a = ANY (query's values) in type `operand`
  kScalarQuery,   // query: its only value; NULL without a row
  kArrayQuery,    // query: its values; only as the right side of = ANY
};

// Which tables a sub-select joins, and how they are walked; subquery.h.
struct SubQuery;

struct Expression {
  Op op = Op::kConstant;
  Type type;
  Comparison comparison = Comparison::kEqual;
  Base operand = Base::kUnknown;
  LetterCase letter_case = LetterCase::kSensitive;
  ColumnType column_type = ColumnType::kText;
  bool reads_row = false;  // A row of any table: also true for every sub-select over tables.
  bool reads_claims = false;
  // Nobody tells FALSE from NULL: the value decides only by being TRUE.
  bool truth_only = false;
  uint16_t range = 0;  // kColumn: 0 is the row that is judged; others belong to sub-selects.
  uint32_t index = 0;
  uint32_t offset = 0;  // In the policy's SQL text.
  Datum constant;
  RegexPtr regex;
  std::string pattern;  // Source of `regex`.
  std::vector<Expression> arguments;
  std::shared_ptr<SubQuery> query;
};

// Text that is equal only for expressions that compute the same; for finding repeats.
void AppendIdentity(std::string& out, const Expression& expression);

}  // namespace tw::policy
