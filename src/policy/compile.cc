#include <algorithm>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "policy/builder.h"
#include "policy/cast.h"

namespace tw::policy {
namespace {

std::vector<Expression> List(Expression one) {
  std::vector<Expression> list;
  list.push_back(std::move(one));
  return list;
}

}  // namespace

Result<Expression> Builder::Build(const json::Value& node) {
  TW_RETURN_IF_ERROR(compilation_.Count());
  return Dispatch(NodeOf(node));
}

Result<Expression> Builder::BuildBool(const json::Value& node, std::string_view user) {
  TW_ASSIGN_OR_RETURN(Expression value, Build(node));
  return CoerceToBool(std::move(value), user);
}

Result<Expression> Builder::Dispatch(const SqlNode& node) {
  if (node.name == "ColumnRef") return BuildColumn(node.fields);
  if (node.name == "A_Const") return BuildConstant(node.fields);
  if (node.name == "A_Expr") return BuildOperator(node.fields);
  if (node.name == "BoolExpr") return BuildLogic(node.fields);
  if (node.name == "NullTest") return BuildNullTest(node.fields);
  if (node.name == "BooleanTest") return BuildBooleanTest(node.fields);
  if (node.name == "CaseExpr") return BuildCase(node.fields);
  if (node.name == "CoalesceExpr") return BuildCoalesce(node.fields);
  if (node.name == "A_ArrayExpr") return BuildArray(node.fields);
  if (node.name == "FuncCall") return BuildFunction(node.fields);
  if (node.name == "TypeCast") return BuildCast(node.fields);
  if (node.name == "SubLink") return BuildSubSelect(node.fields);
  if (node.name == "ParamRef") return BuildParameter(node.fields);
  if (node.name == "SQLValueFunction") {
    const std::string_view which = node.fields["op"].AsString().value_or("");
    const bool names_role =
        which == "SVFOP_CURRENT_USER" || which == "SVFOP_CURRENT_ROLE" || which == "SVFOP_USER";
    if (postgres() && names_role) {
      return Constant(constants_.Keep(role_), {Base::kText}, OffsetOf(node.fields, 0));
    }
    return FailHere(OffsetOf(node.fields, 0),
                    "values of the session and of the clock are not supported in policies");
  }
  return FailHere(OffsetOf(node.fields, 0),
                  "this form of expression is not supported (" + std::string(node.name) + ")");
}

Expression Builder::ColumnOf(const ScopeEntry& entry, size_t column, size_t offset) {
  const ColumnType type = entry.table->relation->columns[column].type;
  Expression result = Node(Op::kColumn, {BaseOf(type)}, offset, {});
  result.range = entry.range;
  result.index = entry.inner ? compilation_.inner().Column(*entry.inner, column)
                             : static_cast<uint32_t>(column);
  result.column_type = type;
  return result;
}

// The column in `entry`; an error where the role may not read it or its type is not known here.
Result<Expression> Builder::UseColumn(const ScopeEntry& entry, size_t column, size_t offset) {
  const SchemaTable& table = *entry.table;
  if (entry.privileges == ScopeEntry::Privileges::kNeeded && !table.MayRead(role_, column)) {
    return Fail(ErrorCode::kPermissionDenied, "permission denied for table " +
                                                  table.relation->table + " (role \"" + role_ +
                                                  "\")");
  }
  if (!table.exact.empty() && !table.exact[column]) {
    return FailHere(offset, "column \"" + table.relation->columns[column].name +
                                "\" has a type that only the database compares (" +
                                table.relation->columns[column].type_name + ")");
  }
  return ColumnOf(entry, column, offset);
}

Result<std::optional<Expression>> Builder::FindPlainName(const Scope& scope, std::string_view name,
                                                         size_t offset) {
  const ScopeEntry* found = nullptr;
  for (const auto& [merged, entry] : scope.merged) {
    if (merged == name) found = &scope.entries[entry];
  }
  for (const ScopeEntry& entry : scope.entries) {
    if (!entry.table->relation->Find(name) || found == &entry) continue;
    if (found != nullptr) {
      if (std::ranges::any_of(scope.merged, [&](const auto& m) { return m.first == name; })) break;
      return FailHere(offset, "column reference \"" + std::string(name) + "\" is ambiguous");
    }
    found = &entry;
  }
  if (found != nullptr) {
    TW_ASSIGN_OR_RETURN(Expression column,
                        UseColumn(*found, *found->table->relation->Find(name), offset));
    return std::optional(std::move(column));
  }
  for (size_t i = 0; i < scope.parameter_names.size(); ++i) {
    if (scope.parameter_names[i] == name) return std::optional(scope.parameters[i]);
  }
  return std::optional<Expression>();
}

Result<Expression> Builder::BuildColumn(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  const auto parts = fields["fields"].items();
  const SqlName name = NameOf(fields["fields"]);
  if (NodeOf(parts.back()).name != "String" || parts.size() > 3) {
    return FailHere(offset, "expected a column name");
  }
  const auto part = [&](size_t i) { return parts[i]["String"]["sval"].AsString().value_or(""); };
  const ScopeEntry* near = nullptr;  // Where the name was looked for, for the message.
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->outer) {
    if (parts.size() == 1) {
      TW_ASSIGN_OR_RETURN(auto found, FindPlainName(*scope, name.name, offset));
      if (found) return std::move(*found);
      if (near == nullptr && !scope->entries.empty()) near = &scope->entries.front();
      continue;
    }
    const auto entry = std::ranges::find_if(scope->entries, [&](const ScopeEntry& candidate) {
      return candidate.alias == part(parts.size() - 2) &&
             (parts.size() == 2 || candidate.table->relation->schema == part(0));
    });
    if (entry == scope->entries.end()) continue;
    if (const auto column = entry->table->relation->Find(name.name)) {
      return UseColumn(*entry, *column, offset);
    }
    near = &*entry;
    break;
  }
  if (near == nullptr) {
    return FailHere(offset, "missing FROM-clause entry for table \"" + std::string(name.schema) +
                                "\"" + (parts.size() == 1 ? "" : OnlyOwnTable()));
  }
  return UnknownColumn(*near->table->relation, name.name, offset);
}

std::string Builder::OnlyOwnTable() const {
  const Scope* outermost = scope_;
  while (outermost->outer != nullptr) outermost = outermost->outer;
  if (outermost->entries.empty()) return {};
  return "; a policy sees only columns of \"" + outermost->entries[0].table->relation->table +
         "\" and of the tables in its sub-selects";
}

std::unexpected<Error> Builder::UnknownColumn(const Relation& relation, std::string_view name,
                                              size_t offset) const {
  std::string message = "column \"" + std::string(name) + "\" does not exist in table \"" +
                        relation.table + "\"";
  std::vector<std::string_view> known;
  for (const Column& candidate : relation.columns) known.push_back(candidate.name);
  if (const auto near = Nearest(name, known)) {
    message += "; did you mean \"" + std::string(*near) + "\"?";
  }
  return FailHere(offset, message);
}

// $1 in a function's body.
Result<Expression> Builder::BuildParameter(Fields fields) {
  const int64_t number = fields["number"].AsInt().value_or(0);
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->outer) {
    if (scope->parameters.empty()) continue;
    if (number < 1 || static_cast<size_t>(number) > scope->parameters.size()) break;
    return scope->parameters[static_cast<size_t>(number) - 1];
  }
  return FailHere(OffsetOf(fields, 0), "there is no parameter $" + std::to_string(number));
}

Result<Expression> Builder::BuildConstant(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  const auto text = [&](std::string_view value) { return constants_.Keep(std::string(value)); };
  if (fields.Find("isnull") != nullptr) return Constant({}, {Base::kUnknown}, offset);
  if (const json::Value* value = fields.Find("sval")) {
    return Constant(text((*value)["sval"].AsString().value_or("")), {Base::kUnknown}, offset);
  }
  if (const json::Value* value = fields.Find("boolval")) {
    const bool truth = (*value)["boolval"].AsBool().value_or(false);
    return Constant(Datum::Bool(truth), {Base::kBool}, offset);
  }
  if (fields.Find("ival") != nullptr) {
    int64_t value = 0;
    if (!IntegerOf(fields, sql_, text_offset_, value)) {
      return FailHere(offset, "write this number in its plain form, such as -5");
    }
    return Constant(Datum::Int(value), {Base::kInt4}, offset);
  }
  if (const json::Value* value = fields.Find("fval")) {
    const std::string_view number = (*value)["fval"].AsString().value_or("");
    if (const auto integer = ParseInt64(number)) {
      const bool small = *integer == static_cast<int32_t>(*integer);
      return Constant(Datum::Int(*integer), {small ? Base::kInt4 : Base::kInt8}, offset);
    }
    const Datum decimal = ReadLiteral(number, {Base::kNumeric}, constants_);
    if (decimal.is_error()) return FailHere(offset, "expected a number");
    return Constant(decimal, {Base::kNumeric}, offset);
  }
  return FailHere(offset, "bit strings are not supported");
}

Result<Expression> Builder::BuildLogic(Fields fields) {
  const std::string_view kind = fields["boolop"].AsString().value_or("");
  const bool is_not = kind == "NOT_EXPR";
  const std::string_view word = is_not ? "NOT" : (kind == "AND_EXPR" ? "AND" : "OR");
  const Op op = is_not ? Op::kNot : (kind == "AND_EXPR" ? Op::kAnd : Op::kOr);
  std::vector<Expression> arguments;
  for (const json::Value& argument : fields["args"].items()) {
    TW_ASSIGN_OR_RETURN(Expression value, BuildBool(argument, word));
    arguments.push_back(std::move(value));
  }
  return Node(op, {Base::kBool}, OffsetOf(fields, 0), std::move(arguments));
}

Result<Expression> Builder::BuildNullTest(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  TW_ASSIGN_OR_RETURN(Expression value, Build(fields["arg"]));
  Expression test = Node(Op::kIsNull, {Base::kBool}, offset, List(std::move(value)));
  if (fields["nulltesttype"].AsString() != "IS_NOT_NULL") return test;
  return Node(Op::kNot, {Base::kBool}, offset, List(std::move(test)));
}

Result<Expression> Builder::BuildBooleanTest(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  std::string_view kind = fields["booltesttype"].AsString().value_or("IS_TRUE");
  TW_ASSIGN_OR_RETURN(Expression value, BuildBool(fields["arg"], "IS TRUE or IS FALSE"));
  const bool negated = kind.starts_with("IS_NOT_");
  kind.remove_prefix(negated ? 7 : 3);
  const Op op = kind == "TRUE" ? Op::kIsTrue : (kind == "FALSE" ? Op::kIsFalse : Op::kIsNull);
  Expression test = Node(op, {Base::kBool}, offset, List(std::move(value)));
  if (!negated) return test;
  return Node(Op::kNot, {Base::kBool}, offset, List(std::move(test)));
}

Result<Expression> Builder::BuildCase(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  std::vector<Expression> arguments;
  for (const json::Value& item : fields["args"].items()) {
    const json::Value when = item["CaseWhen"];
    TW_ASSIGN_OR_RETURN(Expression test, Build(when["expr"]));
    if (fields.Find("arg") != nullptr) {
      // CASE x WHEN v: x is compiled anew for each comparison, since types may differ.
      TW_ASSIGN_OR_RETURN(Expression subject, Build(fields["arg"]));
      TW_ASSIGN_OR_RETURN(
          test, Compare("=", std::move(subject), std::move(test), OffsetOf(when, offset)));
    }
    TW_ASSIGN_OR_RETURN(test, CoerceToBool(std::move(test), "CASE/WHEN"));
    TW_ASSIGN_OR_RETURN(Expression result, Build(when["result"]));
    arguments.push_back(std::move(test));
    arguments.push_back(std::move(result));
  }
  if (fields.Find("defresult") != nullptr) {
    TW_ASSIGN_OR_RETURN(Expression otherwise, Build(fields["defresult"]));
    arguments.push_back(std::move(otherwise));
  } else {
    arguments.push_back(Constant({}, {Base::kUnknown}, offset));
  }
  std::vector<const Expression*> results = {&arguments.back()};
  for (size_t i = 1; i + 1 < arguments.size(); i += 2) results.push_back(&arguments[i]);
  const auto common = CommonBase(results);
  if (!common) return FailHere(offset, "CASE types cannot be matched");
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (i % 2 == 0 && i + 1 != arguments.size()) continue;
    if (arguments[i].type.array) return FailHere(offset, "CASE of arrays is not supported");
    TW_ASSIGN_OR_RETURN(arguments[i], Coerce(std::move(arguments[i]), {*common}));
  }
  return Node(Op::kCase, {*common}, offset, std::move(arguments));
}

Result<Expression> Builder::BuildCoalesce(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  std::vector<Expression> arguments;
  std::vector<const Expression*> all;
  bool flexible = true;
  for (const json::Value& item : fields["args"].items()) {
    TW_ASSIGN_OR_RETURN(Expression value, Build(item));
    if (value.type.array) return FailHere(offset, "COALESCE of arrays is not supported");
    flexible = flexible && (value.type.flexible || value.type.base == Base::kUnknown);
    arguments.push_back(std::move(value));
  }
  bool any_known = false;
  for (const Expression& argument : arguments) {
    all.push_back(&argument);
    any_known = any_known || argument.type.base != Base::kUnknown;
  }
  const auto common = CommonBase(all);
  if (!common) return FailHere(offset, "COALESCE types cannot be matched");
  const Type type{*common, false, flexible && any_known};
  for (Expression& argument : arguments) {
    TW_ASSIGN_OR_RETURN(argument, Coerce(std::move(argument), type));
  }
  return Node(Op::kCoalesce, type, offset, std::move(arguments));
}

Result<Expression> Builder::BuildArray(Fields fields) {
  const size_t offset = OffsetOf(fields, 0);
  std::vector<Expression> items;
  for (const json::Value& element : fields["elements"].items()) {
    TW_ASSIGN_OR_RETURN(Expression item, Build(element));
    if (item.type.array) return FailHere(offset, "arrays of arrays are not supported");
    items.push_back(std::move(item));
  }
  std::vector<const Expression*> all;
  bool flexible = !items.empty();
  for (const Expression& item : items) {
    all.push_back(&item);
    flexible = flexible && item.type.flexible;
  }
  const auto common = CommonBase(all);
  if (!common) return FailHere(offset, "ARRAY types cannot be matched");
  for (Expression& item : items) {
    TW_ASSIGN_OR_RETURN(item, Coerce(std::move(item), {*common}));
  }
  return Node(Op::kArray, {*common, true, flexible}, offset, std::move(items));
}

}  // namespace tw::policy
