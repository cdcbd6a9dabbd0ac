// The compiler's working state for one SQL text; private to compile.cc, operators.cc, functions.cc,
// subselect.cc and sql_function.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "json/json.h"
#include "model/relation.h"
#include "policy/compile.h"
#include "policy/expression.h"
#include "policy/sql_tree.h"
#include "policy/subquery.h"

namespace tw::policy {

class Builder {
 public:
  // `scope` says what names mean; `role` has the rights (the owner's inside SECURITY DEFINER).
  Builder(std::string_view sql, size_t text_offset, Compilation& compilation, const Scope& scope,
          std::string role, std::vector<std::string> search_path)
      : sql_(sql),
        text_offset_(text_offset),
        compilation_(compilation),
        scope_(&scope),
        role_(std::move(role)),
        search_path_(std::move(search_path)),
        constants_(compilation.constants()) {}

  Result<Expression> Build(const json::Value& node);
  // The one value of a function's SELECT.
  Result<Expression> BuildBody(const json::Value& select);
  // The same as Build, but boolean; `user` names who wants it, for the message.
  Result<Expression> BuildBool(const json::Value& node, std::string_view user);

 private:
  using Fields = const json::Value&;

  // compile.cc: leaves, logic, CASE and its kin.
  Result<Expression> Dispatch(const SqlNode& node);
  Result<Expression> BuildColumn(Fields fields);
  Result<std::optional<Expression>> FindPlainName(const Scope& scope, std::string_view name,
                                                  size_t offset);
  Result<Expression> UseColumn(const ScopeEntry& entry, size_t column, size_t offset);
  Expression ColumnOf(const ScopeEntry& entry, size_t column, size_t offset);
  std::string OnlyOwnTable() const;
  std::unexpected<Error> UnknownColumn(const Relation& relation, std::string_view name,
                                       size_t offset) const;
  Result<Expression> BuildParameter(Fields fields);
  Result<Expression> BuildConstant(Fields fields);
  Result<Expression> BuildLogic(Fields fields);
  Result<Expression> BuildNullTest(Fields fields);
  Result<Expression> BuildBooleanTest(Fields fields);
  Result<Expression> BuildCase(Fields fields);
  Result<Expression> BuildCoalesce(Fields fields);
  Result<Expression> BuildArray(Fields fields);

  // operators.cc: A_Expr.
  Result<Expression> BuildOperator(Fields fields);
  Result<Expression> BuildPlainOperator(Fields fields, std::string_view name);
  Result<Expression> BuildNegation(Fields fields);
  Result<Expression> BuildIn(Fields fields, std::string_view name);
  Result<Expression> BuildBetween(Fields fields, std::string_view kind);
  Result<Expression> BuildDistinct(Fields fields, std::string_view kind);
  Result<Expression> BuildNullIf(Fields fields);
  Result<Expression> Quantify(Op op, std::string_view name, Expression value, Expression array,
                              size_t offset);
  Result<Expression> Compare(std::string_view name, Expression a, Expression b, size_t offset);
  Result<Expression> Match(std::string_view name, Expression a, Expression b, size_t offset);
  Result<Expression> Regex(std::string_view name, Expression text, Expression pattern,
                           size_t offset);
  Result<Expression> Arithmetic(Op op, std::string_view name, Expression a, Expression b,
                                size_t offset);
  Result<Expression> Concatenate(Expression a, Expression b, size_t offset);
  Result<Expression> JsonOperator(std::string_view name, Expression a, Expression b, size_t offset);

  // functions.cc: functions, casts, sub-selects.
  Result<Expression> BuildFunction(Fields fields);
  Result<Expression> CallAuth(std::string_view name, size_t offset);
  Result<Expression> CallTopic(size_t offset);
  Result<Expression> CallSetting(const std::vector<Expression>& arguments, size_t offset);
  Result<Expression> CallText(std::string_view name, std::vector<Expression> arguments,
                              size_t offset);
  Result<Expression> BuildCast(Fields fields);
  Result<Type> ReadType(Fields type_name, size_t offset);
  Result<Expression> CastTo(Expression value, Type type, size_t offset);
  Result<Expression> BuildSubSelect(Fields fields);
  // The one target of a SELECT without FROM; `is_set` tells jsonb_array_elements_text, then the
  // expression is the array of its rows.
  struct Target {
    Expression value;
    bool is_set = false;
  };
  Result<Target> BuildTarget(Fields select, size_t offset);
  Result<Target> BuildTargetNode(const json::Value& node, size_t offset);

  // subselect.cc: sub-selects over tables.
  Result<Expression> BuildTableSelect(const json::Value& select, std::string_view kind,
                                      Fields fields, size_t offset);
  // A set operation or one SELECT as the right side of IN, or under EXISTS.
  Result<Expression> BuildMembership(const json::Value& select, std::string_view kind,
                                     const Expression* value, size_t offset);
  Result<std::shared_ptr<SubQuery>> BuildQuery(const json::Value& select, bool wants_target,
                                               size_t offset);
  Status CheckClauses(const json::Value& select, bool exists, SubQuery& query, size_t offset);
  Status AddFrom(const json::Value& node, SubQuery& query, Scope& scope, size_t offset);
  Status AddTable(Fields range, SubQuery& query, Scope& scope, size_t offset);
  Status AddJoin(Fields join, SubQuery& query, Scope& scope, size_t offset);
  const SchemaTable* ResolveTable(std::string_view schema, std::string_view name) const;
  Result<Expression> Membership(Expression value, std::shared_ptr<SubQuery> query, size_t offset);
  static Expression QueryNode(Op op, Type type, size_t offset, std::shared_ptr<SubQuery> query);

  // sql_function.cc: functions of the database.
  Result<Expression> CallDatabase(SqlName function, std::vector<Expression> arguments,
                                  size_t offset);
  const SchemaFunction* ResolveFunction(SqlName function, size_t arguments, bool& ambiguous) const;
  Result<Expression> Inline(const SchemaFunction& function, std::vector<Expression> arguments,
                            size_t offset);
  Result<Expression> CallOfClaims(std::string name, std::string_view result_type,
                                  std::vector<Expression> arguments, size_t offset);

  // types.cc: how types meet.
  std::optional<Base> CommonBase(const std::vector<const Expression*>& expressions) const;
  // Implicit conversion; the caller has found that it exists. A literal that does not read as `to`
  // is an error at its place.
  Result<Expression> Coerce(Expression value, Type to);
  Result<Expression> CoerceToBool(Expression value, std::string_view user);
  static Expression Constant(Datum value, Type type, size_t offset);
  static Expression Node(Op op, Type type, size_t offset, std::vector<Expression> arguments);
  std::unexpected<Error> FailHere(size_t offset, std::string_view reason) const {
    return FailAt(sql_, offset, reason);
  }
  size_t OffsetOf(const json::Value& fields, size_t otherwise) const {
    return policy::OffsetOf(fields, otherwise, text_offset_);
  }
  // The type named so in casts and by functions; nullopt: not known here.
  std::optional<Base> TypeByName(std::string_view name) const;
  bool postgres() const { return compilation_.schema().dialect == Dialect::kPostgres; }
  std::unexpected<Error> NoOperator(std::string_view name, Type a, Type b, size_t offset) const;

  std::string_view sql_;
  size_t text_offset_;
  Compilation& compilation_;
  const Scope* scope_;
  std::string role_;
  std::vector<std::string> search_path_;
  Scratch& constants_;
};

}  // namespace tw::policy
