// A filter as PostgreSQL takes it, where the database itself is to find the rows.
#include "policy/cast.h"
#include "policy/filter.h"
#include "policy/filter_condition.h"
#include "policy/program.h"
#include "postgres/connection.h"

namespace tw::policy {
namespace {

using postgres::QuoteIdentifier;
using postgres::QuoteLiteral;

std::string_view OperatorOf(FilterOp op) {
  switch (op) {
    case FilterOp::kEqual:
      return "=";
    case FilterOp::kNotEqual:
      return "<>";
    case FilterOp::kLess:
      return "<";
    case FilterOp::kLessEqual:
      return "<=";
    case FilterOp::kGreater:
      return ">";
    case FilterOp::kGreaterEqual:
      return ">=";
    case FilterOp::kIn:
      return "in";
    case FilterOp::kLike:
      return "like";
    case FilterOp::kILike:
      return "ilike";
    case FilterOp::kIs:
      return "is";
    case FilterOp::kMatch:
      return "~";
    case FilterOp::kIMatch:
      return "~*";
    case FilterOp::kIsDistinct:
      return "is distinct from";
  }
  return "=";
}

// Literals have no type of their own: the column's decides, as where a client writes SQL.
std::string OperandOf(const Condition& leaf) {
  if (leaf.op == FilterOp::kIs) {
    const Datum& value = leaf.values[0];
    return value.is_null() ? "null" : value.boolean ? "true" : "false";
  }
  const bool is_text = leaf.op == FilterOp::kLike || leaf.op == FilterOp::kILike ||
                       leaf.op == FilterOp::kMatch || leaf.op == FilterOp::kIMatch;
  std::string list;
  for (const Datum& value : leaf.values) {
    list += list.empty() ? "" : ", ";
    list += QuoteLiteral(TextOf(value, is_text ? Base::kText : BaseOf(leaf.type)));
  }
  return leaf.op == FilterOp::kIn ? "(" + list + ")" : list;
}

std::string SqlOf(const Condition& condition, const Relation& relation) {
  if (condition.kind == Condition::Kind::kLeaf) {
    if (condition.op == FilterOp::kIn && condition.values.empty()) {
      return condition.negated ? "true" : "false";
    }
    const std::string sql = QuoteIdentifier(relation.columns[condition.column].name) + " " +
                            std::string(OperatorOf(condition.op)) + " " + OperandOf(condition);
    return condition.negated ? "not (" + sql + ")" : "(" + sql + ")";
  }
  std::string sql;
  for (const auto& part : condition.parts) {
    if (!sql.empty()) sql += condition.kind == Condition::Kind::kAny ? " or " : " and ";
    sql += SqlOf(*part, relation);
  }
  return "(" + sql + ")";
}

}  // namespace

std::string Filter::ToSql(const Relation& relation) const {
  std::string sql;
  for (const auto& condition : conditions_) {
    sql += (sql.empty() ? "" : " and ") + SqlOf(*condition, relation);
  }
  return sql.empty() ? "true" : sql;
}

}  // namespace tw::policy
