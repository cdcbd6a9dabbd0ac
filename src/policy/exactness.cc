#include "policy/exactness.h"

#include <string>

#include "policy/sql_tree.h"
#include "policy/subquery.h"

namespace tw::policy {
namespace {

// Ordering of text follows the collation; floats print and compare in ways of their own.
bool Comparable(Base base, bool equality) {
  switch (base) {
    case Base::kBool:
    case Base::kInt2:
    case Base::kInt4:
    case Base::kInt8:
    case Base::kNumeric:
    case Base::kUuid:
    case Base::kDate:
    case Base::kTimestamp:
    case Base::kTimestamptz:
      return true;
    case Base::kText:
    case Base::kOther:
      return equality;
    case Base::kUnknown:
    case Base::kFloat8:
    case Base::kJsonb:
    case Base::kBytea:
      return false;
  }
  return false;
}

bool CastIsExact(Base from, Base to) {
  if (from == to) return true;
  if (IsInteger(from) && (IsInteger(to) || to == Base::kNumeric || to == Base::kText)) return true;
  if (from == Base::kUuid && to == Base::kText) return true;
  if (from == Base::kBool && to == Base::kText) return true;
  if (from == Base::kOther && to == Base::kText) return true;
  if (from == Base::kText && (IsInteger(to) || to == Base::kUuid)) return true;
  return from == Base::kDate && (to == Base::kTimestamp || to == Base::kTimestamptz);
}

// Why the node itself is not exact; empty when it is.
std::string Reason(const Expression& e) {
  switch (e.op) {
    case Op::kConstant:
    case Op::kColumn:
    case Op::kSlot:
    case Op::kAnd:
    case Op::kOr:
    case Op::kNot:
    case Op::kIsNull:
    case Op::kIsTrue:
    case Op::kIsFalse:
    case Op::kCase:
    case Op::kCoalesce:
    case Op::kExists:
    case Op::kScalarQuery:
    case Op::kArrayQuery:
    case Op::kArray:
    case Op::kAdd:
    case Op::kSubtract:
    case Op::kMultiply:
    case Op::kDivide:
    case Op::kRemainder:
    case Op::kNegate:
    case Op::kConcatenate:
    case Op::kLength:
      return {};
    case Op::kCompare:
    case Op::kAny:
    case Op::kAll: {
      const bool equality =
          e.comparison == Comparison::kEqual || e.comparison == Comparison::kNotEqual;
      if (Comparable(e.operand, equality)) return {};
      return "comparison of " + TypeText({e.operand});
    }
    case Op::kIsDistinct:
    case Op::kIn:
    case Op::kNullIf:
    case Op::kInQuery:
      return Comparable(e.operand, true) ? "" : "comparison of " + TypeText({e.operand});
    case Op::kLike:
      return e.letter_case == LetterCase::kSensitive ? "" : "ILIKE";
    case Op::kCast:
      if (!e.arguments[0].type.array && !e.type.array &&
          CastIsExact(e.arguments[0].type.base, e.type.base)) {
        return {};
      }
      return "a cast from " + TypeText(e.arguments[0].type) + " to " + TypeText(e.type);
    case Op::kRegex:
      return "a regular expression";
    case Op::kLower:
    case Op::kUpper:
      return "lower and upper";
    case Op::kJsonField:
    case Op::kJsonItem:
    case Op::kJsonPath:
    case Op::kJsonText:
    case Op::kJsonExists:
    case Op::kJsonContains:
    case Op::kJsonTexts:
      return "jsonb operators";
    case Op::kUid:
    case Op::kRole:
    case Op::kJwt:
    case Op::kClaimsSetting:
    case Op::kCall:
      return "this function";
  }
  return {};
}

}  // namespace

Status CheckExact(const Expression& e, std::string_view sql) {
  if (!e.reads_row) return {};
  if (const std::string reason = Reason(e); !reason.empty()) {
    return FailAt(sql, e.offset, reason + " over a row is decided by the database only");
  }
  for (const Expression& argument : e.arguments) TW_RETURN_IF_ERROR(CheckExact(argument, sql));
  if (e.query == nullptr) return {};
  for (const Expression& condition : e.query->conditions) {
    TW_RETURN_IF_ERROR(CheckExact(condition, sql));
  }
  for (const Expression& target : e.query->target) TW_RETURN_IF_ERROR(CheckExact(target, sql));
  return {};
}

}  // namespace tw::policy
