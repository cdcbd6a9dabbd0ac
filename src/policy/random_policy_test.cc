// The generator of random_policy.h.
#include <utility>

#include "policy/random_policy.h"

namespace tw::policy::random {
namespace {

template <typename T, size_t N>
const T& Pick(Random& random, const T (&items)[N]) {
  return items[random.Below(N)];
}

constexpr const char* kTexts[] = {"u1", "u2", "a", "A", "ab", "a%", "", "b_", "Zz"};

Scalar RandomLiteral(Random& random, Sort sort) {
  if (random.Percent(15)) return {};
  switch (sort) {
    case Sort::kBool:
      return random.Percent(50);
    case Sort::kInt:
      return static_cast<int64_t>(random.Below(9)) - 3;
    case Sort::kText:
      return Pick(random, kTexts);
  }
  return {};
}

Sort SortOfColumn(size_t column) {
  return column == 5 ? Sort::kBool : (column >= 3 ? Sort::kText : Sort::kInt);
}

Node Leaf(Random& random, Sort sort) {
  Node node;
  node.sort = sort;
  if (random.Percent(45)) {
    node.kind = Kind::kColumn;
    do node.column = random.Below(6);
    while (SortOfColumn(node.column) != sort);
    return node;
  }
  if (random.Percent(50) && sort != Sort::kBool) {
    node.kind = sort == Sort::kText ? (random.Percent(70) ? Kind::kUid : Kind::kTeam) : Kind::kOrg;
    return node;
  }
  node.literal = RandomLiteral(random, sort);
  return node;
}

// What the children of a kind must be.
std::vector<Sort> ChildSorts(Random& random, Kind kind, Sort sort) {
  const Sort any = random.Percent(50) ? Sort::kInt : Sort::kText;
  switch (kind) {
    case Kind::kNot:
    case Kind::kIsTrue:
    case Kind::kIsFalse:
    case Kind::kIsNotTrue:
      return {Sort::kBool};
    case Kind::kIsNull:
      return {Pick(random, {Sort::kBool, Sort::kInt, Sort::kText})};
    case Kind::kAnd:
    case Kind::kOr:
      return std::vector<Sort>(2 + random.Below(2), Sort::kBool);
    case Kind::kIn:
    case Kind::kNotIn:
      return std::vector<Sort>(2 + random.Below(3), any);
    case Kind::kBetween:
      return {any, any, any};
    case Kind::kLike:
      return {Sort::kText, Sort::kText};
    case Kind::kLower:
    case Kind::kLength:
      return {Sort::kText};
    case Kind::kCase:
      return {Sort::kBool, sort, sort};
    case Kind::kCoalesce:
    case Kind::kNullIf:
      return {sort, sort};
    case Kind::kAdd:
    case Kind::kSubtract:
    case Kind::kMultiply:
    case Kind::kDivide:
    case Kind::kRemainder:
      return {Sort::kInt, Sort::kInt};
    case Kind::kConcatenate:
      return {Sort::kText, Sort::kText};
    default:
      return {any, any};  // Comparisons.
  }
}

Kind RandomKind(Random& random, Sort sort) {
  if (sort == Sort::kInt) {
    return Pick(random,
                {Kind::kAdd, Kind::kSubtract, Kind::kMultiply, Kind::kDivide, Kind::kRemainder,
                 Kind::kLength, Kind::kCase, Kind::kCoalesce, Kind::kNullIf});
  }
  if (sort == Sort::kText) {
    return Pick(random,
                {Kind::kConcatenate, Kind::kLower, Kind::kCase, Kind::kCoalesce, Kind::kNullIf});
  }
  return Pick(random,
              {Kind::kAnd,      Kind::kAnd,     Kind::kOr,       Kind::kOr,        Kind::kNot,
               Kind::kIsNull,   Kind::kIsTrue,  Kind::kIsFalse,  Kind::kIsNotTrue, Kind::kEqual,
               Kind::kEqual,    Kind::kEqual,   Kind::kNotEqual, Kind::kLess,      Kind::kLessEqual,
               Kind::kDistinct, Kind::kIn,      Kind::kNotIn,    Kind::kBetween,   Kind::kLike,
               Kind::kCase,     Kind::kCoalesce});
}

std::string LiteralSql(const Scalar& value, Sort sort, Dialect dialect) {
  if (value.is_null()) {
    if (dialect == Dialect::kSqlite) return "NULL";
    return sort == Sort::kInt ? "NULL::int8" : (sort == Sort::kText ? "NULL::text" : "NULL::bool");
  }
  if (const bool* flag = value.AsBool()) return *flag ? "true" : "false";
  if (const int64_t* number = value.AsInt()) return std::to_string(*number);
  return "'" + *value.AsText() + "'";
}

std::string_view Infix(Kind kind) {
  switch (kind) {
    case Kind::kAnd:
      return " AND ";
    case Kind::kOr:
      return " OR ";
    case Kind::kEqual:
      return " = ";
    case Kind::kNotEqual:
      return " <> ";
    case Kind::kLess:
      return " < ";
    case Kind::kLessEqual:
      return " <= ";
    case Kind::kDistinct:
      return " IS DISTINCT FROM ";
    case Kind::kAdd:
      return " + ";
    case Kind::kSubtract:
      return " - ";
    case Kind::kMultiply:
      return " * ";
    case Kind::kDivide:
      return " / ";
    case Kind::kRemainder:
      return " % ";
    case Kind::kConcatenate:
      return " || ";
    default:
      return "";
  }
}

}  // namespace

RelationPtr Table() {
  return MakeRelation({{"id", ColumnType::kInt8},
                       {"n", ColumnType::kInt4},
                       {"org", ColumnType::kInt8},
                       {"owner", ColumnType::kText},
                       {"title", ColumnType::kText},
                       {"flag", ColumnType::kBool}},
                      "t");
}

std::vector<Row> RandomRows(Random& random, size_t count) {
  std::vector<Row> rows;
  for (size_t i = 0; i < count; ++i) {
    Row row = {static_cast<int64_t>(i)};
    for (size_t column = 1; column < 6; ++column) {
      row.push_back(RandomLiteral(random, SortOfColumn(column)));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string InsertSql(const Row& row) {
  std::string sql = "INSERT INTO t VALUES (";
  for (size_t i = 0; i < row.size(); ++i) {
    sql += (i == 0 ? "" : ", ") + LiteralSql(row[i], SortOfColumn(i), Dialect::kSqlite);
  }
  return sql + ");";
}

Claims ClaimSet::ToClaims(uint64_t unique) const {
  json::Writer writer;
  writer.Object().Key("role").String("authenticated").Key("jti").Uint(unique);
  if (!uid.is_null()) writer.Key("sub").String(*uid.AsText());
  if (!org.is_null()) writer.Key("org").Int(*org.AsInt());
  if (!team.is_null()) writer.Key("team").String(*team.AsText());
  return MakeClaims(writer.End().Take());
}

ClaimSet RandomClaims(Random& random) {
  ClaimSet claims;
  do claims.uid = RandomLiteral(random, Sort::kText);
  while (!claims.uid.is_null() && claims.uid.AsText()->empty());  // Empty sub is NULL.
  claims.org = RandomLiteral(random, Sort::kInt);
  claims.team = RandomLiteral(random, Sort::kText);
  return claims;
}

Node RandomNode(Random& random, Sort sort, int depth) {
  if (depth == 0 || random.Percent(sort == Sort::kBool ? 8 : 45)) return Leaf(random, sort);
  Node node;
  node.sort = sort;
  node.kind = RandomKind(random, sort);
  for (const Sort child : ChildSorts(random, node.kind, sort)) {
    node.children.push_back(RandomNode(random, child, depth - 1));
  }
  if (node.kind == Kind::kDivide || node.kind == Kind::kRemainder) {
    Node& divisor = node.children[1];  // Not zero: PostgreSQL raises, SQLite gives NULL.
    divisor = Node{.sort = Sort::kInt, .literal = Pick(random, {-2, 2, 3})};
  }
  return node;
}

std::string Render(const Node& node, Dialect dialect, const ClaimSet& claims) {
  const bool sqlite = dialect == Dialect::kSqlite;
  const auto child = [&](size_t i) { return Render(node.children[i], dialect, claims); };
  const auto list = [&](size_t from, std::string_view separator) {
    std::string sql;
    for (size_t i = from; i < node.children.size(); ++i) {
      if (i > from) sql += separator;
      sql += child(i);
    }
    return sql;
  };
  switch (node.kind) {
    case Kind::kLiteral:
      return LiteralSql(node.literal, node.sort, dialect);
    case Kind::kColumn:
      return Table()->columns[node.column].name;
    case Kind::kUid:
      return sqlite ? LiteralSql(claims.uid, Sort::kText, dialect) : "(select auth.uid())";
    case Kind::kOrg:
      return sqlite ? LiteralSql(claims.org, Sort::kInt, dialect) : "(auth.jwt()->>'org')::int8";
    case Kind::kTeam:
      return sqlite ? LiteralSql(claims.team, Sort::kText, dialect) : "(auth.jwt()->>'team')";
    case Kind::kNot:
      return "(NOT " + child(0) + ")";
    case Kind::kIsNull:
      return "(" + child(0) + " IS NULL)";
    case Kind::kIsTrue:
      return "(" + child(0) + " IS TRUE)";
    case Kind::kIsFalse:
      return "(" + child(0) + " IS FALSE)";
    case Kind::kIsNotTrue:
      return "(" + child(0) + " IS NOT TRUE)";
    case Kind::kIn:
      return "(" + child(0) + " IN (" + list(1, ", ") + "))";
    case Kind::kNotIn:
      return "(" + child(0) + " NOT IN (" + list(1, ", ") + "))";
    case Kind::kBetween:
      return "(" + child(0) + " BETWEEN " + child(1) + " AND " + child(2) + ")";
    case Kind::kLike:
      return "(" + list(0, " LIKE ") + (sqlite ? " ESCAPE '\\')" : ")");
    case Kind::kLower:
      return "lower(" + child(0) + ")";
    case Kind::kLength:
      return "length(" + child(0) + ")";
    case Kind::kCase:
      return "(CASE WHEN " + child(0) + " THEN " + child(1) + " ELSE " + child(2) + " END)";
    case Kind::kCoalesce:
      return "coalesce(" + list(0, ", ") + ")";
    case Kind::kNullIf:
      return "nullif(" + list(0, ", ") + ")";
    default:
      return "(" + list(0, Infix(node.kind)) + ")";
  }
}

// ANDs and ORs of equalities, as most policies in the world: these have anchors.
Node RandomEqualities(Random& random, int depth) {
  Node node;
  if (depth > 0) {
    node.kind = random.Percent(60) ? Kind::kOr : Kind::kAnd;
    for (int i = 0; i < 2; ++i) node.children.push_back(RandomEqualities(random, depth - 1));
    return node;
  }
  node.kind = random.Percent(70) ? Kind::kEqual : Kind::kIn;
  Node column;
  column.kind = Kind::kColumn;
  column.column = 1 + random.Below(4);
  column.sort = SortOfColumn(column.column);
  node.children = {column, Leaf(random, column.sort)};
  if (node.kind == Kind::kIn) node.children.push_back(Leaf(random, column.sort));
  if (random.Percent(20)) std::swap(node.children[0], node.children[1]);
  return node;
}

PolicySet RandomPolicySet(Random& random) {
  PolicySet set;
  if (random.Percent(35)) {
    set.permissive.push_back(RandomEqualities(random, static_cast<int>(random.Below(3))));
    if (random.Percent(50)) return set;
  }
  for (uint64_t i = random.Below(3) + 1; i > 0; --i) {
    set.permissive.push_back(RandomNode(random, Sort::kBool, 4));
  }
  for (uint64_t i = random.Below(3); i > 0; --i) {
    set.restrictive.push_back(RandomNode(random, Sort::kBool, 3));
  }
  return set;
}

std::vector<PolicyDefinition> Definitions(const PolicySet& set) {
  std::vector<PolicyDefinition> definitions;
  for (const Node& node : set.permissive) {
    definitions.push_back(Permissive(Render(node, Dialect::kPostgres, {})));
  }
  for (const Node& node : set.restrictive) {
    definitions.push_back(Restrictive(Render(node, Dialect::kPostgres, {})));
  }
  return definitions;
}

std::string SqliteQuery(const PolicySet& set, const ClaimSet& claims) {
  std::string sql = "SELECT ((";
  for (const Node& node : set.permissive) {
    sql +=
        (&node == &set.permissive.front() ? "" : " OR ") + Render(node, Dialect::kSqlite, claims);
  }
  sql += ")";
  for (const Node& node : set.restrictive) {
    sql += " AND " + Render(node, Dialect::kSqlite, claims);
  }
  return sql + ") IS TRUE FROM t ORDER BY id";
}

}  // namespace tw::policy::random
