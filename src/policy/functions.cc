// Functions, casts and sub-selects without FROM.
#include <algorithm>
#include <iterator>
#include <utility>

#include "policy/builder.h"
#include "policy/cast.h"

namespace tw::policy {
namespace {

constexpr std::string_view kFunctions =
    "supported: auth.uid, auth.jwt, auth.role, current_setting('request.jwt.claims'), lower, "
    "upper, length, coalesce, nullif";

std::vector<Expression> List(Expression a) {
  std::vector<Expression> list;
  list.push_back(std::move(a));
  return list;
}

std::optional<Base> TypeByName(std::string_view name) {
  static constexpr std::pair<std::string_view, Base> kNames[] = {
      {"bool", Base::kBool},
      {"int2", Base::kInt2},
      {"int4", Base::kInt4},
      {"int8", Base::kInt8},
      {"int", Base::kInt4},
      {"bigint", Base::kInt8},
      {"numeric", Base::kNumeric},
      {"float8", Base::kFloat8},
      {"text", Base::kText},
      {"varchar", Base::kText},
      {"uuid", Base::kUuid},
      {"jsonb", Base::kJsonb},
      {"json", Base::kJsonb},
      {"date", Base::kDate},
      {"timestamp", Base::kTimestamp},
      {"timestamptz", Base::kTimestamptz},
      {"bytea", Base::kBytea}};
  for (const auto& [known, base] : kNames) {
    if (known == name) return base;
  }
  return std::nullopt;
}

// The arguments of a plain call: no DISTINCT, ORDER BY, FILTER, OVER, VARIADIC, *.
bool IsPlainCall(const json::Value& fields) {
  return std::ranges::all_of(fields.members(), [](const json::Member& member) {
    return member.key == "funcname" || member.key == "args" || member.key == "funcformat" ||
           member.key == "location";
  });
}

}  // namespace

Result<Expression> Builder::BuildFunction(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  const SqlName function = NameOf(fields["funcname"]);
  const std::string full = (function.schema.empty() ? "" : std::string(function.schema) + ".") +
                           std::string(function.name);
  if (!IsPlainCall(fields)) {
    return FailHere(offset, "expected a plain call of function " + full);
  }
  if (full == "pg_catalog.like_escape") return FailHere(offset, "ESCAPE is not supported");
  std::vector<Expression> arguments;
  for (const json::Value& argument : fields["args"].items()) {
    TW_ASSIGN_OR_RETURN(Expression value, Build(argument));
    arguments.push_back(std::move(value));
  }
  if (function.schema == "auth" && arguments.empty()) return CallAuth(function.name, offset);
  if (full == "realtime.topic" && arguments.empty()) return CallTopic(offset);
  if (function.schema.empty() || function.schema == "pg_catalog") {
    if (function.name == "current_setting") return CallSetting(arguments, offset);
    if (function.name == "lower" || function.name == "upper" || function.name == "length" ||
        function.name == "char_length") {
      return CallText(function.name, std::move(arguments), offset);
    }
    if (function.name == "jsonb_array_elements_text" ||
        function.name == "json_array_elements_text") {
      return FailHere(offset,
                      "set-returning functions are not allowed here; expected "
                      "= ANY (ARRAY(SELECT jsonb_array_elements_text(…)))");
    }
  }
  return FailHere(offset, "function " + full + " with " + std::to_string(arguments.size()) +
                              " arguments is not supported; " + std::string(kFunctions));
}

Result<Expression> Builder::CallAuth(std::string_view name, size_t offset) {
  if (name == "uid") return Node(Op::kUid, {Base::kText, false, true}, offset, {});
  if (name == "role") return Node(Op::kRole, {Base::kText}, offset, {});
  if (name == "jwt") return Node(Op::kJwt, {Base::kJsonb}, offset, {});
  return FailHere(offset, "function auth." + std::string(name) + " is not supported; " +
                              std::string(kFunctions));
}

// The topic that a channel is joined or written to: the trial row's own (channel_policy.h).
Result<Expression> Builder::CallTopic(size_t offset) {
  const auto column = relation_.Find("topic");
  if (relation_.schema != "realtime" || relation_.table != "messages" || !column) {
    return FailHere(offset, "realtime.topic() is known only to policies of channels");
  }
  Expression topic = Node(Op::kColumn, {Base::kText}, offset, {});
  topic.index = static_cast<uint32_t>(*column);
  topic.column_type = ColumnType::kText;
  return topic;
}

Result<Expression> Builder::CallSetting(const std::vector<Expression>& arguments, size_t offset) {
  const bool plain = !arguments.empty() && arguments.size() <= 2 &&
                     arguments[0].op == Op::kConstant &&
                     arguments[0].constant.kind == Datum::Kind::kText;
  if (!plain || arguments[0].constant.text != "request.jwt.claims") {
    return FailHere(offset, "of current_setting only ('request.jwt.claims', true) is supported");
  }
  return Node(Op::kClaimsText, {Base::kText}, offset, {});
}

Result<Expression> Builder::CallText(std::string_view name, std::vector<Expression> arguments,
                                     size_t offset) {
  const bool fits =
      arguments.size() == 1 && !arguments[0].type.array &&
      (arguments[0].type.base == Base::kText || arguments[0].type.base == Base::kUnknown);
  if (!fits) return FailHere(offset, "function " + std::string(name) + " expects one text");
  TW_ASSIGN_OR_RETURN(Expression text, Coerce(std::move(arguments[0]), {Base::kText}));
  if (name == "lower") return Node(Op::kLower, {Base::kText}, offset, List(std::move(text)));
  if (name == "upper") return Node(Op::kUpper, {Base::kText}, offset, List(std::move(text)));
  return Node(Op::kLength, {Base::kInt4}, offset, List(std::move(text)));
}

Result<Type> Builder::ReadType(Fields type_name, size_t offset) {
  const SqlName name = NameOf(type_name["names"]);
  const auto base = TypeByName(name.name);
  if (!base || (name.parts > 1 && name.schema != "pg_catalog")) {
    return FailHere(offset, "type \"" + std::string(name.name) + "\" is not supported");
  }
  if (!type_name["typmods"].items().empty() || type_name.Find("setof") != nullptr) {
    return FailHere(offset, "a length or precision of a type is not supported in casts");
  }
  const size_t dimensions = type_name["arrayBounds"].items().size();
  if (dimensions > 1) return FailHere(offset, "arrays of arrays are not supported");
  return Type{*base, dimensions == 1};
}

Result<Expression> Builder::BuildCast(Fields fields) {
  const size_t offset = OffsetOf(fields, OffsetOf(fields["typeName"], 0));
  TW_ASSIGN_OR_RETURN(const Type type, ReadType(fields["typeName"], offset));
  TW_ASSIGN_OR_RETURN(Expression value, Build(fields["arg"]));
  return CastTo(std::move(value), type, offset);
}

Result<Expression> Builder::CastTo(Expression value, Type type, size_t offset) {
  if (value.type.base == Base::kUnknown) return Coerce(std::move(value), type);
  if (!CastExists(value.type, type)) {
    return FailHere(offset, "cannot cast type " + TypeText(value.type) + " to " + TypeText(type));
  }
  // Also between equal types: it makes auth.uid()::text plain text, and it checks a range.
  return Node(Op::kCast, type, offset, List(std::move(value)));
}

Result<Builder::Target> Builder::BuildTargetNode(const json::Value& node, size_t offset) {
  const SqlNode target = NodeOf(node);
  if (target.name == "TypeCast") {
    TW_ASSIGN_OR_RETURN(Target inner, BuildTargetNode(target.fields["arg"], offset));
    TW_ASSIGN_OR_RETURN(Type type, ReadType(target.fields["typeName"], offset));
    if (inner.is_set) {
      if (type.array) return FailHere(offset, "arrays of arrays are not supported");
      type.array = true;
    }
    TW_ASSIGN_OR_RETURN(inner.value, CastTo(std::move(inner.value), type, offset));
    return inner;
  }
  const SqlName function = NameOf(target.fields["funcname"]);
  const bool is_set =
      target.name == "FuncCall" && (function.schema.empty() || function.schema == "pg_catalog") &&
      (function.name == "jsonb_array_elements_text" || function.name == "json_array_elements_text");
  if (!is_set) {
    TW_ASSIGN_OR_RETURN(Expression value, Build(node));
    return Target{std::move(value), false};
  }
  const auto arguments = target.fields["args"].items();
  if (arguments.size() != 1 || !IsPlainCall(target.fields)) {
    return FailHere(offset, "jsonb_array_elements_text expects one jsonb");
  }
  TW_ASSIGN_OR_RETURN(Expression value, Build(arguments[0]));
  if (value.type.array || (value.type.base != Base::kJsonb && value.type.base != Base::kUnknown)) {
    return FailHere(value.offset,
                    "jsonb_array_elements_text expects one jsonb, not " + TypeText(value.type));
  }
  TW_ASSIGN_OR_RETURN(value, Coerce(std::move(value), {Base::kJsonb}));
  return Target{Node(Op::kJsonTexts, {Base::kText, true}, offset, List(std::move(value))), true};
}

Result<Builder::Target> Builder::BuildTarget(Fields sub_select, size_t offset) {
  const json::Value select = sub_select["SelectStmt"];
  if (select.Find("fromClause") != nullptr) {
    return FailHere(offset, "sub-select over a table is not supported on the embedded store yet");
  }
  for (const json::Member& member : select.members()) {
    const bool plain = member.key == "targetList" || member.key == "limitOption" ||
                       (member.key == "op" && member.value.AsString() == "SETOP_NONE");
    if (!plain) return FailHere(offset, "expected (SELECT expression) without further clauses");
  }
  const auto targets = select["targetList"].items();
  if (targets.size() != 1) return FailHere(offset, "subquery must return only one column");
  return BuildTargetNode(NodeOf(targets[0]).fields["val"], offset);
}

Result<Expression> Builder::BuildSubSelect(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  const std::string_view kind = fields["subLinkType"].AsString().value_or("");
  TW_ASSIGN_OR_RETURN(Target target, BuildTarget(fields["subselect"], offset));
  if (kind == "EXPR_SUBLINK") {
    if (!target.is_set) return std::move(target.value);
    return FailHere(offset, "more than one row returned by a subquery used as an expression");
  }
  const bool any = kind == "ANY_SUBLINK";
  if (kind != "ARRAY_SUBLINK" && !any && kind != "ALL_SUBLINK") {
    return FailHere(offset, "this form of sub-select is not supported (" + std::string(kind) + ")");
  }
  if (!target.is_set) {
    if (target.value.type.array) return FailHere(offset, "a sub-select of arrays is not supported");
    if (target.value.type.base == Base::kUnknown) {
      TW_ASSIGN_OR_RETURN(target.value, Coerce(std::move(target.value), {Base::kText}));
    }
    const Type element = target.value.type;
    target.value = Node(Op::kArray, {element.base, true, element.flexible}, offset,
                        List(std::move(target.value)));
  }
  if (kind == "ARRAY_SUBLINK") return std::move(target.value);
  TW_ASSIGN_OR_RETURN(Expression value, Build(fields["testexpr"]));
  const std::string_view name =
      fields.Find("operName") != nullptr ? NameOf(fields["operName"]).name : std::string_view("=");
  return Quantify(any ? Op::kAny : Op::kAll, name, std::move(value), std::move(target.value),
                  offset);
}

}  // namespace tw::policy
