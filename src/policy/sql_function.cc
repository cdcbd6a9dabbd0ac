// Functions of the database: SQL functions are expanded, others are left to the database where they
// depend on claims alone.
#include <algorithm>
#include <utility>

#include "policy/builder.h"
#include "policy/function_reads.h"

namespace tw::policy {
namespace {

bool ReadsRow(const std::vector<Expression>& arguments) {
  return std::ranges::any_of(arguments, [](const Expression& e) { return e.reads_row; });
}

Expression IsNull(Expression value) {
  Expression test;
  test.op = Op::kIsNull;
  test.type = {Base::kBool};
  test.reads_row = value.reads_row;
  test.reads_claims = value.reads_claims;
  test.offset = value.offset;
  test.arguments.push_back(std::move(value));
  return test;
}

}  // namespace

const SchemaFunction* Builder::ResolveFunction(SqlName function, size_t arguments,
                                               bool& ambiguous) const {
  const SchemaFunction* found = nullptr;
  const auto look_in = [&](std::string_view schema) {
    for (const SchemaFunction& candidate : compilation_.schema().functions) {
      if (candidate.name != function.name || candidate.schema != schema ||
          candidate.argument_types.size() != arguments) {
        continue;
      }
      ambiguous |= found != nullptr;
      found = &candidate;
    }
  };
  if (!function.schema.empty()) {
    look_in(function.schema);
    return found;
  }
  for (const std::string& schema : search_path_) {
    if (found == nullptr) look_in(schema);
  }
  return found;
}

Result<Expression> Builder::CallDatabase(SqlName function, std::vector<Expression> arguments,
                                         size_t offset) {
  const std::string name(function.name);
  const bool built_in = function.schema.empty() || function.schema == "pg_catalog";
  if (built_in) {
    if (name == "lower" || name == "upper" || name == "length" || name == "char_length") {
      return CallText(name, std::move(arguments), offset);
    }
    const auto& builtins = compilation_.schema().builtins;
    const auto known = builtins.find(name + "/" + std::to_string(arguments.size()));
    if (known != builtins.end()) {
      if (ReadsRow(arguments)) {
        return FailHere(offset, "function " + name + " over a row is evaluated by the database only");
      }
      return CallOfClaims("pg_catalog." + name, known->second.result_type, std::move(arguments),
                          offset);
    }
  }
  bool ambiguous = false;
  const SchemaFunction* const found = ResolveFunction(function, arguments.size(), ambiguous);
  if (found == nullptr || ambiguous || found->returns_set) {
    return FailHere(offset, "function " + name + " is evaluated by the database only");
  }
  std::string reason = "it is not written in SQL";
  if (found->language == "sql" && !found->body.empty()) {
    auto inlined = Inline(*found, arguments, offset);
    if (inlined.ok()) return inlined;
    const ErrorCode code = inlined.error().code;
    if (code == ErrorCode::kResourceExhausted) return inlined;
    reason = inlined.error().message;
  }
  // What reads no table and no row gives the same for equal claims.
  if (!ReadsRow(arguments) && found->volatility != SchemaFunction::Volatility::kVolatile &&
      ReadsNoTable(*found, compilation_.schema())) {
    return CallOfClaims(QuoteName(found->schema) + "." + QuoteName(found->name),
                        found->result_type, std::move(arguments), offset);
  }
  return FailHere(offset, "function " + name + " is evaluated by the database only: " + reason);
}

Result<Expression> Builder::CallOfClaims(std::string name, std::string_view result_type,
                                         std::vector<Expression> arguments, size_t offset) {
  Type type;
  if (result_type.starts_with('_')) {
    type.array = true;
    result_type.remove_prefix(1);
  }
  const auto base = TypeByName(result_type);
  if (!base) {
    return FailHere(offset, "the result type of function " + name + " is known to the database only");
  }
  type.base = *base;
  Expression call = Node(Op::kCall, type, offset, std::move(arguments));
  call.pattern = std::move(name);
  return call;
}

Result<Expression> Builder::Inline(const SchemaFunction& function,
                                   std::vector<Expression> arguments, size_t offset) {
  if (compilation_.function_depth >= kFunctionDepthMax) {
    return FailHere(offset, "functions call each other more than " +
                                std::to_string(kFunctionDepthMax) + " deep");
  }
  const auto result_base = TypeByName(function.result_type);
  if (!result_base) return FailHere(offset, "its result type is known to the database only");
  Scope scope;
  std::vector<Expression> null_tests;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view type_name = function.argument_types[i];
    const bool array = type_name.starts_with('_');
    if (array) type_name.remove_prefix(1);
    const auto base = TypeByName(type_name);
    if (!base || array) return FailHere(offset, "its argument type is known to the database only");
    Expression& argument = arguments[i];
    if (CommonBase({&argument}) && argument.type.base != Base::kUnknown &&
        argument.type.base != *base) {
      // PostgreSQL converts implicitly; only conversions that cannot fail are known to be the same.
      const bool widens = IsNumber(argument.type.base) && IsNumber(*base) &&
                          argument.type.base < *base && *base != Base::kFloat8;
      if (!widens) return FailHere(offset, "its arguments are converted by the database");
    }
    TW_ASSIGN_OR_RETURN(argument, Coerce(std::move(argument), {*base}));
    argument.type = {*base};
    if (function.strict) null_tests.push_back(IsNull(argument));
    scope.parameter_names.push_back(function.argument_names[i]);
    scope.parameters.push_back(std::move(argument));
  }
  TW_ASSIGN_OR_RETURN(const SqlTree tree, ParseSelect(function.body));
  Builder body(function.body, 0, compilation_, scope,
               function.security_definer ? function.owner : role_,
               function.search_path.empty() ? compilation_.schema().search_path
                                            : function.search_path);
  ++compilation_.function_depth;
  auto built = body.BuildBody(tree.root["SelectStmt"]);
  --compilation_.function_depth;
  if (!built.ok()) return Annotate(built.error(), "in function " + function.name);
  Expression result = std::move(*built);
  if (result.type.base == Base::kUnknown) {
    TW_ASSIGN_OR_RETURN(result, Coerce(std::move(result), {*result_base}));
  }
  if (result.type.array || result.type.base != *result_base) {
    return FailHere(offset, "its result is converted by the database");
  }
  if (null_tests.empty()) return result;
  std::vector<Expression> parts;
  parts.push_back(null_tests.size() == 1
                      ? std::move(null_tests[0])
                      : Node(Op::kOr, {Base::kBool}, offset, std::move(null_tests)));
  const Type type = result.type;
  parts.push_back(Constant({}, type, offset));
  parts.push_back(std::move(result));
  return Node(Op::kCase, type, offset, std::move(parts));
}

Result<Expression> Builder::BuildBody(const json::Value& select) {
  const bool from_tables =
      select.Find("fromClause") != nullptr || select.Find("whereClause") != nullptr;
  if (select["op"].AsString() != "SETOP_NONE") return FailHere(0, "UNION is not supported here");
  if (!from_tables) {
    TW_ASSIGN_OR_RETURN(Target target, BuildTarget(select, 0));
    if (target.is_set) return FailHere(0, "set-returning functions are not supported here");
    return std::move(target.value);
  }
  TW_ASSIGN_OR_RETURN(auto query, BuildQuery(select, true, 0));
  query->first_only = true;  // A function returns its first row.
  const Type type = query->target[0].type;
  return QueryNode(Op::kScalarQuery, type, 0, std::move(query));
}

}  // namespace tw::policy
