// How types meet: common types and implicit conversions (PostgreSQL 15 manual §10.2, §10.5).
#include <utility>

#include "policy/builder.h"
#include "policy/cast.h"

namespace tw::policy {
namespace {

// The later type of two that convert into each other implicitly; nullopt when neither does. Base
// lists numbers and moments in that order.
std::optional<Base> Wider(Type a, Type b) {
  if (a.base == b.base) return a.base;
  if ((IsNumber(a.base) && IsNumber(b.base)) || (IsMoment(a.base) && IsMoment(b.base))) {
    return std::max(a.base, b.base);
  }
  if (a.flexible && b.base == Base::kUuid) return Base::kUuid;
  if (b.flexible && a.base == Base::kUuid) return Base::kUuid;
  return std::nullopt;
}

// True when a value of `from` is held exactly as one of `to` (datum.h).
bool SameForm(Base from, Base to) {
  return from == to || (IsInteger(from) && (IsInteger(to) || to == Base::kNumeric)) ||
         (from == Base::kTimestamp && to == Base::kTimestamptz);
}

}  // namespace

std::optional<Base> Builder::CommonBase(const std::vector<const Expression*>& expressions) const {
  std::optional<Type> common;
  for (const Expression* expression : expressions) {
    const Type type = expression->type;
    if (type.base == Base::kUnknown) continue;
    if (!common) {
      common = type;
      continue;
    }
    const auto wider = Wider(*common, type);
    if (!wider) return std::nullopt;
    common = Type{*wider, false, common->flexible && type.flexible};
  }
  return common ? common->base : Base::kText;
}

Result<Expression> Builder::Coerce(Expression value, Type to) {
  const Type from = value.type;
  if (from.base == Base::kUnknown) {
    Datum datum = value.constant;
    if (!datum.is_null()) {
      Scratch errors;
      datum = ReadLiteral(datum.text, to, errors);
      if (datum.is_error()) return FailHere(value.offset, *errors.error());
      datum = Own(datum, constants_);
    }
    return Constant(datum, to, value.offset);
  }
  if (SameForm(from.base, to.base)) return value;
  const size_t offset = value.offset;
  std::vector<Expression> arguments;
  arguments.push_back(std::move(value));
  return Node(Op::kCast, to, offset, std::move(arguments));
}

Result<Expression> Builder::CoerceToBool(Expression value, std::string_view user) {
  if (value.type.array || (value.type.base != Base::kBool && value.type.base != Base::kUnknown)) {
    return FailHere(value.offset, "argument of " + std::string(user) +
                                      " must be type boolean, not type " + TypeText(value.type));
  }
  return Coerce(std::move(value), {Base::kBool});
}

Expression Builder::Constant(Datum value, Type type, size_t offset) {
  Expression result = Node(Op::kConstant, type, offset, {});
  result.constant = value;
  return result;
}

Expression Builder::Node(Op op, Type type, size_t offset, std::vector<Expression> arguments) {
  Expression result;
  result.op = op;
  result.type = type;
  result.offset = static_cast<uint32_t>(offset);
  result.reads_row = op == Op::kColumn;
  result.reads_claims = op == Op::kUid || op == Op::kRole || op == Op::kJwt ||
                        op == Op::kClaimsSetting || op == Op::kCall;
  for (const Expression& argument : arguments) {
    result.reads_row |= argument.reads_row;
    result.reads_claims |= argument.reads_claims;
  }
  result.arguments = std::move(arguments);
  return result;
}

std::unexpected<Error> Builder::NoOperator(std::string_view name, Type a, Type b,
                                           size_t offset) const {
  return FailHere(offset, "operator does not exist: " + TypeText(a) + " " + std::string(name) +
                              " " + TypeText(b) + "; expected operands of types that compare, " +
                              "an explicit cast may help");
}

}  // namespace tw::policy
