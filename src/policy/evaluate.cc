#include "policy/evaluate.h"

#include <limits>

#include "base/check.h"
#include "base/strings.h"
#include "policy/cast.h"
#include "policy/evaluator.h"
#include "policy/jsonb.h"

namespace tw::policy {

// AND (decisive: false) and OR (decisive: true).
Datum Evaluator::Connective(const Expression& e, bool decisive) {
  bool unknown = false;
  for (const Expression& argument : e.arguments) {
    const Datum value = Run(argument);
    if (value.is_error()) return value;
    if (value.is_null()) {
      unknown = true;
    } else if (value.boolean == decisive) {
      return value;
    }
  }
  return unknown ? Datum{} : Datum::Bool(!decisive);
}

Datum Evaluator::Test(const Expression& e) {
  const Datum value = Run(e.arguments[0]);
  if (value.is_error()) return value;
  switch (e.op) {
    case Op::kIsNull:
      return Datum::Bool(value.is_null());
    case Op::kIsTrue:
      return Datum::Bool(value.is_true());
    default:
      return Datum::Bool(value.is_false());
  }
}

Datum Evaluator::In(const Expression& e) {
  const Datum value = Run(e.arguments[0]);
  if (value.is_error() || value.is_null()) return value;
  bool unknown = false;
  for (size_t i = 1; i < e.arguments.size(); ++i) {
    const Datum item = Run(e.arguments[i]);
    if (item.is_error()) return item;
    if (item.is_null()) {
      unknown = true;
    } else if (Compare(e.operand, value, item) == 0) {
      return Datum::Bool(true);
    }
  }
  return unknown ? Datum{} : Datum::Bool(false);
}

// value op ANY (array): TRUE decides; value op ALL (array): FALSE decides.
Datum Evaluator::Quantified(const Expression& e) {
  const Datum value = Run(e.arguments[0]);
  if (value.is_error()) return value;
  const Datum array = Run(e.arguments[1]);
  if (array.is_error() || array.is_null()) return array;
  const bool decisive = e.op == Op::kAny;
  if (array.array->empty()) return Datum::Bool(!decisive);
  if (value.is_null()) return {};
  bool unknown = false;
  for (const Datum& item : *array.array) {
    if (item.is_null()) {
      unknown = true;
    } else if (Holds(e.comparison, Compare(e.operand, value, item)) == decisive) {
      return Datum::Bool(decisive);
    }
  }
  return unknown ? Datum{} : Datum::Bool(!decisive);
}

Datum Evaluator::IsDistinct(const Expression& e) {
  const Datum a = Run(e.arguments[0]);
  if (a.is_error()) return a;
  const Datum b = Run(e.arguments[1]);
  if (b.is_error()) return b;
  if (a.is_null() || b.is_null()) return Datum::Bool(a.is_null() != b.is_null());
  return Datum::Bool(Compare(e.operand, a, b) != 0);
}

Datum Evaluator::Case(const Expression& e) {
  for (size_t i = 0; i + 1 < e.arguments.size(); i += 2) {
    const Datum when = Run(e.arguments[i]);
    if (when.is_error()) return when;
    if (when.is_true()) return Run(e.arguments[i + 1]);
  }
  return Run(e.arguments.back());
}

Datum Evaluator::Coalesce(const Expression& e) {
  for (const Expression& argument : e.arguments) {
    const Datum value = Run(argument);
    if (!value.is_null()) return value;
  }
  return {};
}

Datum Evaluator::NullIf(const Expression& e) {
  const Datum a = Run(e.arguments[0]);
  if (a.is_error()) return a;
  const Datum b = Run(e.arguments[1]);
  if (b.is_error()) return b;
  if (a.is_null() || b.is_null()) return a;
  // Compared in the common type, returned in the first argument's own.
  Datum left = a;
  if (e.arguments.size() == 3) left = Run(e.arguments[2]);
  if (left.is_error()) return left;
  return Compare(e.operand, left, b) == 0 ? Datum{} : a;
}

Datum Evaluator::Array(const Expression& e) {
  std::vector<Datum> items;
  items.reserve(e.arguments.size());
  for (const Expression& argument : e.arguments) {
    items.push_back(Run(argument));
    if (items.back().is_error()) return items.back();
  }
  return scratch_.Keep(std::move(items));
}

Datum Evaluator::Claim(const Expression& e) {
  TW_CHECK(inputs_.claims != nullptr);
  const Claims& claims = *inputs_.claims;
  switch (e.op) {
    case Op::kUid:
      return claims.sub.empty() ? Datum{} : Datum::Text(claims.sub);
    case Op::kRole:
      return claims.role.empty() ? Datum{} : Datum::Text(claims.role);
    case Op::kJwt:
      return Datum::Json(&claims.document.root());
    default:
      return Datum::Text(claims.text);
  }
}

Datum Evaluator::Arithmetic(const Expression& e, int64_t a, int64_t b) {
  if ((e.op == Op::kDivide || e.op == Op::kRemainder) && b == 0) {
    return scratch_.Fail("division by zero");
  }
  int64_t value = 0;
  bool overflow = false;
  switch (e.op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(a, b, &value);
      break;
    case Op::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &value);
      break;
    case Op::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &value);
      break;
    case Op::kDivide:
      overflow = b == -1 && a == std::numeric_limits<int64_t>::min();
      value = overflow ? 0 : a / b;
      break;
    default:
      value = b == -1 ? 0 : a % b;
  }
  overflow |= e.type.base == Base::kInt4 && value != static_cast<int32_t>(value);
  overflow |= e.type.base == Base::kInt2 && value != static_cast<int16_t>(value);
  if (overflow) return scratch_.Fail(TypeText({e.type.base}) + " out of range");
  return Datum::Int(value);
}

Datum Evaluator::TextFunction(const Expression& e, std::string_view text) {
  if (e.op == Op::kLower) return scratch_.Keep(ToLower(text));
  if (e.op == Op::kUpper) {
    std::string upper(text);
    for (char& c : upper) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return scratch_.Keep(std::move(upper));
  }
  int64_t characters = 0;
  for (const char c : text) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return Datum::Int(characters);
}

Datum Evaluator::JsonTexts(const Datum& datum) {
  // A set-returning function of NULL returns no rows: ARRAY(SELECT …) is empty, not NULL.
  if (datum.is_null()) return scratch_.Keep(std::vector<Datum>{});
  const json::Value& value = *datum.json;
  if (!value.is_array()) {
    return scratch_.Fail(value.is_object() ? "cannot extract elements from an object"
                                           : "cannot extract elements from a scalar");
  }
  std::vector<Datum> texts;
  for (const json::Value& item : value.items()) texts.push_back(JsonbText(&item, scratch_));
  return scratch_.Keep(std::move(texts));
}

Datum Evaluator::Unary(const Expression& e, const Datum& a) {
  switch (e.op) {
    case Op::kNot:
      return Datum::Bool(!a.boolean);
    case Op::kRegex:
      return Datum::Bool(RegexMatches(*e.regex, a.text));
    case Op::kNegate:
      return Arithmetic({.op = Op::kSubtract, .type = e.type}, 0, a.integer);
    case Op::kCast:
      return Cast(a, e.arguments[0].type, e.type, scratch_);
    case Op::kJsonText:
      return JsonbText(a.json, scratch_);
    default:
      return TextFunction(e, a.text);
  }
}

Datum Evaluator::Binary(const Expression& e, const Datum& a, const Datum& b) {
  const auto found = [](const json::Value* value) { return value ? Datum::Json(value) : Datum{}; };
  switch (e.op) {
    case Op::kCompare:
      return Datum::Bool(Holds(e.comparison, Compare(e.operand, a, b)));
    case Op::kLike: {
      const auto matches = Like(a.text, b.text, e.letter_case);
      return matches ? Datum::Bool(*matches) : scratch_.Fail(std::string(kLikeError));
    }
    case Op::kConcatenate:
      return scratch_.Keep(std::string(a.text) + std::string(b.text));
    case Op::kJsonField:
      return a.json->is_object() ? found(a.json->Find(b.text)) : Datum{};
    case Op::kJsonItem:
      return found(JsonbItem(*a.json, b.integer));
    case Op::kJsonPath:
      return found(JsonbPath(*a.json, *b.array));
    case Op::kJsonExists:
      return Datum::Bool(JsonbExists(*a.json, b.text));
    case Op::kJsonContains:
      return Datum::Bool(JsonbContains(*a.json, *b.json));
    default:
      return Arithmetic(e, a.integer, b.integer);
  }
}

// Operators and functions that give NULL when an argument is NULL.
Datum Evaluator::Strict(const Expression& e) {
  const Datum a = Run(e.arguments[0]);
  if (a.is_error()) return a;
  if (e.op == Op::kJsonTexts) return JsonTexts(a);
  if (e.arguments.size() == 1) return a.is_null() ? a : Unary(e, a);
  const Datum b = Run(e.arguments[1]);
  if (b.is_error()) return b;
  return a.is_null() || b.is_null() ? Datum{} : Binary(e, a, b);
}

Datum Evaluator::Run(const Expression& e) {
  switch (e.op) {
    case Op::kConstant:
      return e.constant;
    case Op::kColumn:
      if (e.range == 0) return ReadColumn((*inputs_.row)[e.index], e.column_type, scratch_);
      return bound_[e.range].layout->Read(*bound_[e.range].row, e.index, scratch_);
    case Op::kSlot:
      return inputs_.slots[e.index];
    case Op::kUid:
    case Op::kRole:
    case Op::kJwt:
    case Op::kClaimsSetting:
      return Claim(e);
    case Op::kAnd:
      return Connective(e, false);
    case Op::kOr:
      return Connective(e, true);
    case Op::kIsNull:
    case Op::kIsTrue:
    case Op::kIsFalse:
      return Test(e);
    case Op::kIsDistinct:
      return IsDistinct(e);
    case Op::kIn:
      return In(e);
    case Op::kAny:
    case Op::kAll:
      return Quantified(e);
    case Op::kCase:
      return Case(e);
    case Op::kCoalesce:
      return Coalesce(e);
    case Op::kNullIf:
      return NullIf(e);
    case Op::kArray:
      return Array(e);
    case Op::kExists:
      return Exists(e);
    case Op::kInQuery:
      return InQuery(e);
    case Op::kScalarQuery:
      return ScalarQuery(e);
    case Op::kArrayQuery:
    case Op::kCall:
      return scratch_.Fail("evaluated by the database only");
    case Op::kNot:
    case Op::kCompare:
    case Op::kLike:
    case Op::kRegex:
    case Op::kAdd:
    case Op::kSubtract:
    case Op::kMultiply:
    case Op::kDivide:
    case Op::kRemainder:
    case Op::kNegate:
    case Op::kConcatenate:
    case Op::kLower:
    case Op::kUpper:
    case Op::kLength:
    case Op::kCast:
    case Op::kJsonField:
    case Op::kJsonItem:
    case Op::kJsonPath:
    case Op::kJsonText:
    case Op::kJsonExists:
    case Op::kJsonContains:
    case Op::kJsonTexts:
      return Strict(e);
  }
  TW_UNREACHABLE();
}

Datum Evaluate(const Expression& expression, const Inputs& inputs, Scratch& scratch) {
  return Evaluator(inputs, scratch).Run(expression);
}

bool Holds(Comparison comparison, int order) {
  switch (comparison) {
    case Comparison::kEqual:
      return order == 0;
    case Comparison::kNotEqual:
      return order != 0;
    case Comparison::kLess:
      return order < 0;
    case Comparison::kLessEqual:
      return order <= 0;
    case Comparison::kGreater:
      return order > 0;
    case Comparison::kGreaterEqual:
      return order >= 0;
  }
  TW_UNREACHABLE();
}

void AppendIdentity(std::string& out, const Expression& e) {
  out += '(';
  for (const unsigned part :
       {unsigned(e.op), unsigned(e.type.base), unsigned(e.type.array), unsigned(e.type.flexible),
        unsigned(e.comparison), unsigned(e.operand), unsigned(e.letter_case), unsigned(e.range), unsigned(e.index)}) {
    out += std::to_string(part) + ",";
  }
  AppendIdentity(out, e.constant);
  AppendIdentity(out, Datum::Text(e.pattern));
  for (const Expression& argument : e.arguments) AppendIdentity(out, argument);
  if (e.query != nullptr) {
    out += e.query->first_only ? "[1" : "[";
    for (const QueryRange& range : e.query->ranges) {
      out += std::to_string(range.range) + ":" + std::to_string(range.table) + ",";
    }
    for (const Expression& condition : e.query->conditions) AppendIdentity(out, condition);
    out += '|';
    for (const Expression& target : e.query->target) AppendIdentity(out, target);
    out += ']';
  }
  out += ')';
}

}  // namespace tw::policy
