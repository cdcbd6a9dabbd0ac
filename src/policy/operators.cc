// A_Expr: operators, IN, BETWEEN, LIKE, ANY, ALL, IS DISTINCT FROM, NULLIF.
#include <algorithm>
#include <utility>

#include "policy/builder.h"
#include "policy/cast.h"

namespace tw::policy {
namespace {

constexpr Type kBoolType{Base::kBool};
constexpr Type kTextType{Base::kText};

std::vector<Expression> List(Expression a) {
  std::vector<Expression> list;
  list.push_back(std::move(a));
  return list;
}

std::vector<Expression> List(Expression a, Expression b) {
  std::vector<Expression> list = List(std::move(a));
  list.push_back(std::move(b));
  return list;
}

std::optional<Comparison> ComparisonOf(std::string_view name) {
  if (name == "=") return Comparison::kEqual;
  if (name == "<>" || name == "!=") return Comparison::kNotEqual;
  if (name == "<") return Comparison::kLess;
  if (name == "<=") return Comparison::kLessEqual;
  if (name == ">") return Comparison::kGreater;
  if (name == ">=") return Comparison::kGreaterEqual;
  return std::nullopt;
}

std::optional<Op> ArithmeticOf(std::string_view name) {
  if (name == "+") return Op::kAdd;
  if (name == "-") return Op::kSubtract;
  if (name == "*") return Op::kMultiply;
  if (name == "/") return Op::kDivide;
  if (name == "%") return Op::kRemainder;
  return std::nullopt;
}

// jsonb and types that only the database knows compare for equality alone.
bool Ordered(Base base) {
  return base != Base::kJsonb && base != Base::kOther;
}

}  // namespace

Result<Expression> Builder::BuildOperator(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  const std::string_view kind = fields["kind"].AsString().value_or("");
  const SqlName name = NameOf(fields["name"]);
  if (name.parts > 1 && name.schema != "pg_catalog") {
    return FailHere(offset, "operators of other schemas are not supported");
  }
  if (kind == "AEXPR_IN") return BuildIn(fields, name.name);
  if (kind.starts_with("AEXPR_BETWEEN") || kind.starts_with("AEXPR_NOT_BETWEEN")) {
    return BuildBetween(fields, kind);
  }
  if (kind == "AEXPR_DISTINCT" || kind == "AEXPR_NOT_DISTINCT") return BuildDistinct(fields, kind);
  if (kind == "AEXPR_NULLIF") return BuildNullIf(fields);
  if (kind == "AEXPR_OP" || kind == "AEXPR_LIKE" || kind == "AEXPR_ILIKE") {
    return BuildPlainOperator(fields, name.name);
  }
  if (kind == "AEXPR_OP_ANY" || kind == "AEXPR_OP_ALL") {
    TW_ASSIGN_OR_RETURN(Expression value, Build(fields["lexpr"]));
    TW_ASSIGN_OR_RETURN(Expression array, Build(fields["rexpr"]));
    return Quantify(kind == "AEXPR_OP_ANY" ? Op::kAny : Op::kAll, name.name, std::move(value),
                    std::move(array), offset);
  }
  return FailHere(offset, "this form of expression is not supported (" + std::string(kind) + ")");
}

Result<Expression> Builder::BuildPlainOperator(Fields fields, std::string_view name) {
  const size_t offset = OffsetOf(fields, 0);
  if (fields.Find("lexpr") == nullptr) return BuildNegation(fields);
  TW_ASSIGN_OR_RETURN(Expression a, Build(fields["lexpr"]));
  TW_ASSIGN_OR_RETURN(Expression b, Build(fields["rexpr"]));
  if (a.type.array || b.type.array) {
    return FailHere(offset, "operators on arrays are not supported; expected = ANY (array)");
  }
  if (ComparisonOf(name)) return Compare(name, std::move(a), std::move(b), offset);
  if (name.starts_with("!") && name.size() > 1) {
    TW_ASSIGN_OR_RETURN(Expression match,
                        Match(name.substr(1), std::move(a), std::move(b), offset));
    return Node(Op::kNot, kBoolType, offset, List(std::move(match)));
  }
  if (name.starts_with("~")) return Match(name, std::move(a), std::move(b), offset);
  if (name == "||") return Concatenate(std::move(a), std::move(b), offset);
  if (const auto op = ArithmeticOf(name)) {
    return Arithmetic(*op, name, std::move(a), std::move(b), offset);
  }
  return JsonOperator(name, std::move(a), std::move(b), offset);
}

Result<Expression> Builder::BuildNegation(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  const std::string_view name = NameOf(fields["name"]).name;
  TW_ASSIGN_OR_RETURN(Expression value, Build(fields["rexpr"]));
  if ((name != "-" && name != "+") || value.type.array || !IsInteger(value.type.base)) {
    return FailHere(offset,
                    "operator does not exist: " + std::string(name) + " " + TypeText(value.type));
  }
  if (name == "+") return value;
  const Type type = value.type;
  return Node(Op::kNegate, type, offset, List(std::move(value)));
}

Result<Expression> Builder::Compare(std::string_view name, Expression a, Expression b,
                                    size_t offset) {
  const auto comparison = ComparisonOf(name);
  const auto common = CommonBase({&a, &b});
  if (!common || !comparison || a.type.array || b.type.array) {
    return NoOperator(name, a.type, b.type, offset);
  }
  const bool equality = *comparison == Comparison::kEqual || *comparison == Comparison::kNotEqual;
  if (!equality && !Ordered(*common)) {
    return FailHere(offset, "ordering of " + TypeText({*common}) + " is not supported");
  }
  TW_ASSIGN_OR_RETURN(a, Coerce(std::move(a), {*common}));
  TW_ASSIGN_OR_RETURN(b, Coerce(std::move(b), {*common}));
  Expression result = Node(Op::kCompare, kBoolType, offset, List(std::move(a), std::move(b)));
  result.comparison = *comparison;
  result.operand = *common;
  return result;
}

Result<Expression> Builder::BuildIn(Fields fields, std::string_view name) {
  const size_t offset = OffsetOf(fields, 0);
  std::vector<Expression> arguments;
  TW_ASSIGN_OR_RETURN(Expression value, Build(fields["lexpr"]));
  arguments.push_back(std::move(value));
  for (const json::Value& item : fields["rexpr"]["List"]["items"].items()) {
    TW_ASSIGN_OR_RETURN(Expression member, Build(item));
    arguments.push_back(std::move(member));
  }
  std::vector<const Expression*> all;
  for (const Expression& argument : arguments) {
    if (argument.type.array) return FailHere(offset, "IN of arrays is not supported");
    all.push_back(&argument);
  }
  const auto common = CommonBase(all);
  if (!common) {
    return FailHere(offset, "the values of IN have types that do not compare with " +
                                TypeText(arguments[0].type));
  }
  for (Expression& argument : arguments) {
    TW_ASSIGN_OR_RETURN(argument, Coerce(std::move(argument), {*common}));
  }
  Expression in = Node(Op::kIn, kBoolType, offset, std::move(arguments));
  in.operand = *common;
  if (name != "<>") return in;
  return Node(Op::kNot, kBoolType, offset, List(std::move(in)));
}

Result<Expression> Builder::BuildBetween(Fields fields, std::string_view kind) {
  const size_t offset = OffsetOf(fields, 0);
  if (kind.ends_with("_SYM")) return FailHere(offset, "BETWEEN SYMMETRIC is not supported");
  const auto bounds = fields["rexpr"]["List"]["items"].items();
  if (bounds.size() != 2) return FailHere(offset, "expected BETWEEN a AND b");
  std::vector<Expression> sides;
  for (size_t i = 0; i < 2; ++i) {
    TW_ASSIGN_OR_RETURN(Expression value, Build(fields["lexpr"]));
    TW_ASSIGN_OR_RETURN(Expression bound, Build(bounds[i]));
    TW_ASSIGN_OR_RETURN(Expression side,
                        Compare(i == 0 ? ">=" : "<=", std::move(value), std::move(bound), offset));
    sides.push_back(std::move(side));
  }
  Expression between = Node(Op::kAnd, kBoolType, offset, std::move(sides));
  if (kind == "AEXPR_BETWEEN") return between;
  return Node(Op::kNot, kBoolType, offset, List(std::move(between)));
}

Result<Expression> Builder::BuildDistinct(Fields fields, std::string_view kind) {
  const size_t offset = OffsetOf(fields, 0);
  TW_ASSIGN_OR_RETURN(Expression a, Build(fields["lexpr"]));
  TW_ASSIGN_OR_RETURN(Expression b, Build(fields["rexpr"]));
  TW_ASSIGN_OR_RETURN(Expression test, Compare("=", std::move(a), std::move(b), offset));
  test.op = Op::kIsDistinct;
  if (kind == "AEXPR_DISTINCT") return test;
  return Node(Op::kNot, kBoolType, offset, List(std::move(test)));
}

Result<Expression> Builder::BuildNullIf(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  TW_ASSIGN_OR_RETURN(Expression a, Build(fields["lexpr"]));
  TW_ASSIGN_OR_RETURN(Expression b, Build(fields["rexpr"]));
  if (a.type.base == Base::kUnknown) {
    TW_ASSIGN_OR_RETURN(a, Coerce(std::move(a), kTextType));
  }
  Expression original = a;
  TW_ASSIGN_OR_RETURN(Expression test, Compare("=", std::move(a), std::move(b), offset));
  // Compared in the common type, returned as it was.
  std::vector<Expression> arguments = List(std::move(original), std::move(test.arguments[1]));
  arguments.push_back(std::move(test.arguments[0]));
  const Type type = arguments[0].type;
  Expression result = Node(Op::kNullIf, type, offset, std::move(arguments));
  result.operand = test.operand;
  return result;
}

Result<Expression> Builder::Quantify(Op op, std::string_view name, Expression value,
                                     Expression array, size_t offset) {
  const auto comparison = ComparisonOf(name);
  if (!comparison) return FailHere(offset, "ANY and ALL are supported with comparisons only");
  if (value.type.array) return NoOperator(name, value.type, array.type, offset);
  if (array.op == Op::kArrayQuery) {
    if (op != Op::kAny || *comparison != Comparison::kEqual) {
      return FailHere(offset, "arrays of a table's rows are supported with = ANY only");
    }
    return Membership(std::move(value), std::move(array.query), offset);
  }
  if (array.type.base == Base::kUnknown) {
    const Base base = value.type.base == Base::kUnknown ? Base::kText : value.type.base;
    TW_ASSIGN_OR_RETURN(array, Coerce(std::move(array), {base, true}));
  }
  if (!array.type.array) {
    return FailHere(offset,
                    "op ANY/ALL (array) requires array on right side, not " + TypeText(array.type));
  }
  Expression element = Constant({}, {array.type.base, false, array.type.flexible}, offset);
  const auto common = CommonBase({&value, &element});
  if (!common) return NoOperator(name, value.type, element.type, offset);
  if (!Ordered(*common) && *comparison != Comparison::kEqual &&
      *comparison != Comparison::kNotEqual) {
    return FailHere(offset, "ordering of " + TypeText({*common}) + " is not supported");
  }
  TW_ASSIGN_OR_RETURN(value, Coerce(std::move(value), {*common}));
  TW_ASSIGN_OR_RETURN(array, Coerce(std::move(array), {*common, true}));
  Expression result = Node(op, kBoolType, offset, List(std::move(value), std::move(array)));
  result.comparison = *comparison;
  result.operand = *common;
  return result;
}

// ~~ (LIKE), ~~* (ILIKE), ~ and ~*.
Result<Expression> Builder::Match(std::string_view name, Expression a, Expression b,
                                  size_t offset) {
  const auto text = [](const Expression& e) {
    return e.type.base == Base::kText || e.type.base == Base::kUnknown;
  };
  if ((name != "~~" && name != "~~*" && name != "~" && name != "~*") || !text(a) || !text(b)) {
    return NoOperator(name, a.type, b.type, offset);
  }
  TW_ASSIGN_OR_RETURN(a, Coerce(std::move(a), kTextType));
  TW_ASSIGN_OR_RETURN(b, Coerce(std::move(b), kTextType));
  if (!name.starts_with("~~")) return Regex(name, std::move(a), std::move(b), offset);
  Expression result = Node(Op::kLike, kBoolType, offset, List(std::move(a), std::move(b)));
  if (name == "~~*") result.letter_case = LetterCase::kInsensitive;
  return result;
}

Result<Expression> Builder::Regex(std::string_view name, Expression text, Expression pattern,
                                  size_t offset) {
  if (pattern.op != Op::kConstant) {
    return FailHere(pattern.offset, "expected a constant as regular expression");
  }
  if (pattern.constant.is_null()) return Constant({}, kBoolType, offset);
  const auto letter_case = name == "~*" ? LetterCase::kInsensitive : LetterCase::kSensitive;
  auto regex = CompileRegex(pattern.constant.text, letter_case);
  if (!regex.ok()) {
    return FailHere(pattern.offset, "invalid regular expression: " + regex.error().message);
  }
  Expression result = Node(Op::kRegex, kBoolType, offset, List(std::move(text)));
  result.letter_case = letter_case;
  result.pattern = std::string(pattern.constant.text);
  result.regex = std::move(*regex);
  return result;
}

Result<Expression> Builder::Arithmetic(Op op, std::string_view name, Expression a, Expression b,
                                       size_t offset) {
  const auto common = CommonBase({&a, &b});
  if (!common || !IsInteger(*common)) {
    if (common && IsNumber(*common)) {
      return FailHere(offset,
                      "arithmetic is supported on integers only, not on " + TypeText({*common}));
    }
    return NoOperator(name, a.type, b.type, offset);
  }
  TW_ASSIGN_OR_RETURN(a, Coerce(std::move(a), {*common}));
  TW_ASSIGN_OR_RETURN(b, Coerce(std::move(b), {*common}));
  return Node(op, {*common}, offset, List(std::move(a), std::move(b)));
}

Result<Expression> Builder::Concatenate(Expression a, Expression b, size_t offset) {
  const auto text = [](const Expression& e) {
    return e.type.base == Base::kText || e.type.base == Base::kUnknown;
  };
  if (!text(a) && !text(b)) return NoOperator("||", a.type, b.type, offset);
  // text || anything: the other side as its text. An untyped literal beside another type would take
  // that type in PostgreSQL.
  if ((a.type.base == Base::kUnknown && !text(b)) || (b.type.base == Base::kUnknown && !text(a))) {
    return FailHere(offset, "expected ::text on one side of ||");
  }
  TW_ASSIGN_OR_RETURN(a, Coerce(std::move(a), kTextType));
  TW_ASSIGN_OR_RETURN(b, Coerce(std::move(b), kTextType));
  return Node(Op::kConcatenate, kTextType, offset, List(std::move(a), std::move(b)));
}

Result<Expression> Builder::JsonOperator(std::string_view name, Expression a, Expression b,
                                         size_t offset) {
  static constexpr std::string_view kNames[] = {"->", "->>", "#>", "#>>", "?", "@>", "<@"};
  if (std::ranges::find(kNames, name) == std::end(kNames)) {
    return FailHere(offset, "operator " + std::string(name) + " is not supported");
  }
  if (name == "<@") {
    std::swap(a, b);
    name = "@>";
  }
  const bool known = a.type.base == Base::kJsonb || (name == "@>" && b.type.base == Base::kJsonb);
  if (!known) return NoOperator(name, a.type, b.type, offset);
  Op op = Op::kJsonContains;
  Type right{Base::kJsonb};
  if (name.starts_with("->") || name == "?") {
    right = IsInteger(b.type.base) && name != "?" ? Type{Base::kInt4} : kTextType;
    op = name == "?" ? Op::kJsonExists
                     : (right.base == Base::kInt4 ? Op::kJsonItem : Op::kJsonField);
  } else if (name.starts_with("#")) {
    right = {Base::kText, true};
    op = Op::kJsonPath;
  }
  if (b.type.base != Base::kUnknown && b.type.base != right.base && right.base != Base::kInt4) {
    return NoOperator(name, a.type, b.type, offset);
  }
  TW_ASSIGN_OR_RETURN(a, Coerce(std::move(a), {Base::kJsonb}));
  TW_ASSIGN_OR_RETURN(b, Coerce(std::move(b), right));
  const bool boolean = op == Op::kJsonExists || op == Op::kJsonContains;
  Expression result =
      Node(op, boolean ? kBoolType : Type{Base::kJsonb}, offset, List(std::move(a), std::move(b)));
  if (!name.ends_with(">>")) return result;
  return Node(Op::kJsonText, kTextType, offset, List(std::move(result)));
}

}  // namespace tw::policy
