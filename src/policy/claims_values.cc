#include "policy/claims_values.h"

#include <utility>
#include <vector>

#include "base/strings.h"
#include "policy/cast.h"

namespace tw::policy {
namespace {

std::string_view Symbol(Comparison comparison) {
  switch (comparison) {
    case Comparison::kEqual:
      return " = ";
    case Comparison::kNotEqual:
      return " <> ";
    case Comparison::kLess:
      return " < ";
    case Comparison::kLessEqual:
      return " <= ";
    case Comparison::kGreater:
      return " > ";
    case Comparison::kGreaterEqual:
      return " >= ";
  }
  return " = ";
}

std::string Typed(const std::string& sql, Type type) {
  if (type.base == Base::kUnknown || type.base == Base::kOther) return sql;
  return "(" + sql + ")::" + TypeText(type);
}

std::string Constant(const Expression& e) {
  if (e.constant.is_null()) return Typed("NULL", e.type);
  if (e.constant.kind == Datum::Kind::kArray) {
    std::string items;
    for (const Datum& item : *e.constant.array) {
      if (!items.empty()) items += ", ";
      items += item.is_null() ? "NULL" : postgres::QuoteLiteral(TextOf(item, e.type.base));
    }
    return "ARRAY[" + items + "]::" + TypeText(e.type);
  }
  return Typed(postgres::QuoteLiteral(TextOf(e.constant, e.type.base)), e.type);
}

std::string Joined(const Expression& e, std::string_view between) {
  std::string sql = "(";
  for (size_t i = 0; i < e.arguments.size(); ++i) {
    if (i > 0) sql += between;
    sql += SlotSql(e.arguments[i]);
  }
  return sql + ")";
}

std::string Listed(const Expression& e, size_t from) {
  std::string sql;
  for (size_t i = from; i < e.arguments.size(); ++i) {
    if (i > from) sql += ", ";
    sql += SlotSql(e.arguments[i]);
  }
  return sql;
}

std::string Infix(const Expression& e, std::string_view symbol) {
  return "(" + SlotSql(e.arguments[0]) + std::string(symbol) + SlotSql(e.arguments[1]) + ")";
}

std::string Case(const Expression& e) {
  std::string sql = "(CASE";
  for (size_t i = 0; i + 1 < e.arguments.size(); i += 2) {
    sql += " WHEN " + SlotSql(e.arguments[i]) + " THEN " + SlotSql(e.arguments[i + 1]);
  }
  return sql + " ELSE " + SlotSql(e.arguments.back()) + " END)";
}

std::string Regex(const Expression& e) {
  const bool folds = e.letter_case == LetterCase::kInsensitive;
  return "(" + SlotSql(e.arguments[0]) + (folds ? " ~* " : " ~ ") +
         postgres::QuoteLiteral(e.pattern) + ")";
}

// The value that the database's text stands for, owned by the scratch.
Datum FromText(std::string_view text, Type type, Scratch& scratch) {
  return Own(ReadLiteral(text, type, scratch), scratch);
}

}  // namespace

std::string SlotSql(const Expression& e) {
  const auto argument = [&](size_t i) { return SlotSql(e.arguments[i]); };
  switch (e.op) {
    case Op::kConstant:
      return Constant(e);
    case Op::kCall:
      return e.pattern + "(" + Listed(e, 0) + ")";
    case Op::kAnd:
      return Joined(e, " AND ");
    case Op::kOr:
      return Joined(e, " OR ");
    case Op::kNot:
      return "(NOT " + argument(0) + ")";
    case Op::kIsNull:
      return "(" + argument(0) + " IS NULL)";
    case Op::kIsTrue:
      return "(" + argument(0) + " IS TRUE)";
    case Op::kIsFalse:
      return "(" + argument(0) + " IS FALSE)";
    case Op::kCompare:
      return Infix(e, Symbol(e.comparison));
    case Op::kIsDistinct:
      return Infix(e, " IS DISTINCT FROM ");
    case Op::kIn:
      return "(" + argument(0) + " IN (" + Listed(e, 1) + "))";
    case Op::kAny:
      return "(" + argument(0) + std::string(Symbol(e.comparison)) + "ANY (" + argument(1) + "))";
    case Op::kAll:
      return "(" + argument(0) + std::string(Symbol(e.comparison)) + "ALL (" + argument(1) + "))";
    case Op::kLike:
      return Infix(e, e.letter_case == LetterCase::kSensitive ? " LIKE " : " ILIKE ");
    case Op::kRegex:
      return Regex(e);
    case Op::kAdd:
      return Infix(e, " + ");
    case Op::kSubtract:
      return Infix(e, " - ");
    case Op::kMultiply:
      return Infix(e, " * ");
    case Op::kDivide:
      return Infix(e, " / ");
    case Op::kRemainder:
      return Infix(e, " % ");
    case Op::kNegate:
      return "(- " + argument(0) + ")";
    case Op::kConcatenate:
      return Infix(e, " || ");
    case Op::kLower:
      return "pg_catalog.lower(" + argument(0) + ")";
    case Op::kUpper:
      return "pg_catalog.upper(" + argument(0) + ")";
    case Op::kLength:
      return "pg_catalog.length(" + argument(0) + ")";
    case Op::kCast:
      return "(" + argument(0) + ")::" + TypeText(e.type);
    case Op::kCase:
      return Case(e);
    case Op::kCoalesce:
      return "COALESCE(" + Listed(e, 0) + ")";
    case Op::kNullIf:
      return "NULLIF(" + argument(0) + ", " + argument(1) + ")";
    case Op::kJsonField:
    case Op::kJsonItem:
      return Infix(e, " -> ");
    case Op::kJsonPath:
      return Infix(e, " #> ");
    case Op::kJsonText:
      // As ->> and #>> of what is below.
      return Infix(e.arguments[0], e.arguments[0].op == Op::kJsonPath ? " #>> " : " ->> ");
    case Op::kJsonExists:
      return Infix(e, " ? ");
    case Op::kJsonContains:
      return Infix(e, " @> ");
    case Op::kJsonTexts:
      return "ARRAY(SELECT pg_catalog.jsonb_array_elements_text(" + argument(0) + "))";
    case Op::kArray:
      return Typed("ARRAY[" + Listed(e, 0) + "]", e.type);
    case Op::kColumn:
    case Op::kSlot:
    case Op::kUid:
    case Op::kRole:
    case Op::kJwt:
    case Op::kClaimsSetting:
    case Op::kExists:
    case Op::kInQuery:
    case Op::kScalarQuery:
    case Op::kArrayQuery:
      break;
  }
  return "pg_catalog.not_a_claims_expression()";  // Raises: whoever needs it is denied.
}

void CollectSlotSql(const Program& program, std::set<std::string>& expressions) {
  for (const ClaimsSlot& slot : program.slots()) expressions.insert(slot.sql);
}

Result<ClaimsValues> EvaluateClaims(postgres::Connection& connection, std::string_view role,
                                    std::string_view claims_text,
                                    const std::set<std::string>& expressions) {
  ClaimsValues values;
  if (expressions.empty()) return values;
  const std::string begin = "begin read only; set local role " +
                            postgres::QuoteIdentifier(role) +
                            "; set local \"request.jwt.claims\" = " +
                            postgres::QuoteLiteral(claims_text);
  auto transaction = postgres::Transaction::Begin(connection, begin);
  if (!transaction.ok()) {
    // The role may not be assumed, and the transaction is there all the same.
    if (connection.in_transaction()) (void)connection.Execute("rollback");
    return std::unexpected(transaction.error());
  }
  // All at once; when one raises, each by itself.
  std::string all = "select ";
  for (const std::string& sql : expressions) {
    if (all.size() > 7) all += ", ";
    all += "(" + sql + ")::text";
  }
  const auto together = connection.Query(all);
  if (together.ok()) {
    size_t column = 0;
    for (const std::string& sql : expressions) {
      const auto text = together->OptionalText(0, column++);
      values.by_sql.emplace(sql, text ? std::optional<std::string>(*text) : std::nullopt);
    }
    return values;
  }
  for (const std::string& sql : expressions) {
    if (connection.broken()) return std::unexpected(together.error());
    TW_RETURN_IF_ERROR(connection.Execute("rollback; " + begin));
    const auto one = connection.Query("select (" + sql + ")::text");
    if (!one.ok()) {
      values.by_sql.emplace(sql, std::unexpected(one.error()));
    } else {
      const auto text = one->OptionalText(0, 0);
      values.by_sql.emplace(sql, text ? std::optional<std::string>(*text) : std::nullopt);
    }
  }
  return values;
}

AccessPtr MakeAccess(std::shared_ptr<const Program> program, const ClaimsValues& values) {
  auto slots = std::make_unique<Slots>();
  for (const ClaimsSlot& slot : program->slots()) {
    const auto found = values.by_sql.find(slot.sql);
    if (found == values.by_sql.end()) {
      return std::make_shared<const Access>(
          program, Error{ErrorCode::kInternal, slot.label + ": a claims value is missing"});
    }
    if (!found->second.ok()) {
      return std::make_shared<const Access>(
          program,
          Error{ErrorCode::kInvalidArgument, slot.label + ": " + found->second.error().message});
    }
    Datum value;
    if (const auto& text = *found->second) value = FromText(*text, slot.expression.type, slots->scratch);
    if (value.is_error()) {
      // A value that this program does not hold exactly, such as an infinite timestamp.
      return std::make_shared<const Access>(
          program, Error{ErrorCode::kInvalidArgument,
                         slot.label + ": a claims value is outside what is judged here"});
    }
    slots->values.push_back(value);
  }
  return std::make_shared<const Access>(std::move(program), std::move(slots));
}

}  // namespace tw::policy
