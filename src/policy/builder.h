// The compiler's working state; private to compile.cc, operators.cc and functions.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "json/json.h"
#include "model/relation.h"
#include "policy/expression.h"
#include "policy/sql_tree.h"

namespace tw::policy {

class Builder {
 public:
  Builder(std::string_view sql, const Relation& relation, Scratch& constants)
      : sql_(sql), relation_(relation), constants_(constants) {}

  Result<Expression> Build(const json::Value& node);
  // The same, but boolean; `user` names who wants it, for the message.
  Result<Expression> BuildBool(const json::Value& node, std::string_view user);

 private:
  using Fields = const json::Value&;

  // compile.cc: leaves, logic, CASE and its kin.
  Result<Expression> Dispatch(const SqlNode& node);
  Result<Expression> BuildColumn(Fields fields);
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
  Result<Target> BuildTarget(Fields sub_select, size_t offset);
  Result<Target> BuildTargetNode(const json::Value& node, size_t offset);

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
  std::unexpected<Error> NoOperator(std::string_view name, Type a, Type b, size_t offset) const;

  std::string_view sql_;
  const Relation& relation_;
  Scratch& constants_;
  size_t nodes_ = 0;
};

}  // namespace tw::policy
