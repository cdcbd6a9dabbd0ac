// The generator and the reference of random_policy.h.
#include <algorithm>

#include "base/strings.h"
#include "policy/pattern.h"
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

int Order(const Scalar& a, const Scalar& b) {
  if (const auto* text = a.AsText()) return text->compare(*b.AsText());
  if (const auto* number = a.AsInt()) return (*number > *b.AsInt()) - (*number < *b.AsInt());
  return int{*a.AsBool()} - int{*b.AsBool()};
}

class Reference {
 public:
  Reference(const Row& row, const ClaimSet& claims, Mutation mutation)
      : row_(row), claims_(claims), mutation_(mutation) {}

  Scalar Run(const Node& node) const {
    switch (node.kind) {
      case Kind::kLiteral:
        return node.literal;
      case Kind::kColumn:
        return row_[node.column];
      case Kind::kUid:
        return claims_.uid;
      case Kind::kOrg:
        return claims_.org;
      case Kind::kTeam:
        return claims_.team;
      case Kind::kAnd:
        return Join(node, false, Mutation::kAndWithNullIsNull);
      case Kind::kOr:
        return Join(node, true, Mutation::kOrWithNullIsNull);
      case Kind::kNot:
        return Not(Run(node.children[0]));
      case Kind::kIsNull:
        return Run(node.children[0]).is_null();
      case Kind::kIsTrue:
        return Is(Run(node.children[0]), true);
      case Kind::kIsFalse:
        return Is(Run(node.children[0]), false);
      case Kind::kIsNotTrue:
        return !Is(Run(node.children[0]), true);
      case Kind::kIn:
        return In(node);
      case Kind::kNotIn:
        return Not(In(node));
      case Kind::kCase:
        return Run(node.children[Is(Run(node.children[0]), true) ? 1 : 2]);
      case Kind::kCoalesce: {
        const Scalar first = Run(node.children[0]);
        return first.is_null() ? Run(node.children[1]) : first;
      }
      default:
        return Plain(node);
    }
  }

 private:
  static bool Is(const Scalar& value, bool truth) {
    return value.AsBool() != nullptr && *value.AsBool() == truth;
  }
  static Scalar Not(const Scalar& value) {
    if (value.is_null()) return value;
    return !*value.AsBool();
  }
  bool Broken(Mutation mutation) const { return mutation_ == mutation; }

  Scalar Join(const Node& node, bool decisive, Mutation null_wins) const {
    bool unknown = false;
    bool decided = false;
    for (const Node& child : node.children) {
      const Scalar value = Run(child);
      unknown |= value.is_null();
      decided |= Is(value, decisive);
    }
    if (decided && !(unknown && Broken(null_wins))) return decisive;
    return unknown ? Scalar{} : Scalar(!decisive);
  }

  Scalar Equal(const Scalar& a, const Scalar& b) const {
    if (a.is_null() || b.is_null()) {
      return Broken(Mutation::kEqualNullIsFalse) ? Scalar(false) : Scalar{};
    }
    return Order(a, b) == 0;
  }

  Scalar In(const Node& node) const {
    const Scalar value = Run(node.children[0]);
    if (value.is_null()) return value;
    bool unknown = false;
    for (size_t i = 1; i < node.children.size(); ++i) {
      const Scalar item = Run(node.children[i]);
      if (!item.is_null() && Order(value, item) == 0) return true;
      unknown |=
          item.is_null() && !(node.kind == Kind::kNotIn && Broken(Mutation::kNotInIgnoresNull));
    }
    return unknown ? Scalar{} : Scalar(false);
  }

  Scalar Plain(const Node& node) const {
    std::vector<Scalar> values;
    bool any_null = false;
    for (const Node& child : node.children) {
      values.push_back(Run(child));
      any_null |= values.back().is_null();
    }
    if (node.kind == Kind::kEqual) return Equal(values[0], values[1]);
    if (node.kind == Kind::kDistinct && any_null) {
      if (Broken(Mutation::kDistinctLikeNotEqual)) return {};
      return values[0].is_null() != values[1].is_null();
    }
    if (node.kind == Kind::kBetween) return Between(values);
    if (node.kind == Kind::kNullIf) {
      return !any_null && Order(values[0], values[1]) == 0 ? Scalar{} : values[0];
    }
    if (any_null) return {};
    return Strict(node.kind, values);
  }

  Scalar Between(const std::vector<Scalar>& v) const {
    const int least = Broken(Mutation::kBetweenIsExclusive) ? 1 : 0;
    if (!v[0].is_null() && ((!v[1].is_null() && Order(v[0], v[1]) < least) ||
                            (!v[2].is_null() && Order(v[2], v[0]) < least))) {
      return false;
    }
    return v[0].is_null() || v[1].is_null() || v[2].is_null() ? Scalar{} : Scalar(true);
  }

  Scalar Strict(Kind kind, const std::vector<Scalar>& v) const {
    switch (kind) {
      case Kind::kNotEqual:
      case Kind::kDistinct:
        return Order(v[0], v[1]) != 0;
      case Kind::kLess:
        return Order(v[0], v[1]) < 0;
      case Kind::kLessEqual:
        return Order(v[0], v[1]) <= 0;
      case Kind::kLike:
        return LikeOf(*v[0].AsText(), *v[1].AsText());
      case Kind::kConcatenate:
        return *v[0].AsText() + *v[1].AsText();
      case Kind::kLower:
        return ToLower(*v[0].AsText());
      case Kind::kLength:
        return static_cast<int64_t>(v[0].AsText()->size());
      case Kind::kAdd:
        return *v[0].AsInt() + *v[1].AsInt();
      case Kind::kSubtract:
        return *v[0].AsInt() - *v[1].AsInt();
      case Kind::kMultiply:
        return *v[0].AsInt() * *v[1].AsInt();
      case Kind::kRemainder:
        return *v[0].AsInt() % *v[1].AsInt();
      default: {
        const int64_t a = *v[0].AsInt();
        const int64_t b = *v[1].AsInt();
        const bool down = Broken(Mutation::kDivisionRoundsDown) && a % b != 0 && (a < 0) != (b < 0);
        return a / b - (down ? 1 : 0);
      }
    }
  }

  // By recursion: nothing in common with the matcher under test.
  bool LikeOf(std::string_view text, std::string_view pattern) const {
    if (pattern.empty()) return text.empty();
    if (pattern[0] == '%') {
      return LikeOf(text, pattern.substr(1)) || (!text.empty() && LikeOf(text.substr(1), pattern));
    }
    if (text.empty()) return false;
    const bool fold = Broken(Mutation::kLikeFoldsCase);
    const bool same = pattern[0] == '_' || text[0] == pattern[0] ||
                      (fold && ToLower(text.substr(0, 1)) == ToLower(pattern.substr(0, 1)));
    return same && LikeOf(text.substr(1), pattern.substr(1));
  }

  const Row& row_;
  const ClaimSet& claims_;
  Mutation mutation_;
};

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

Scalar Run(const Node& node, const Row& row, const ClaimSet& claims, Mutation mutation) {
  return Reference(row, claims, mutation).Run(node);
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

bool Visible(const PolicySet& set, const Row& row, const ClaimSet& claims, Mutation mutation) {
  const auto passes = [&](const Node& node) {
    const Scalar value = Run(node, row, claims, mutation);
    if (value.is_null()) return mutation == Mutation::kNullIsVisible;
    return *value.AsBool();
  };
  const bool permitted = mutation == Mutation::kPermissiveJoinedByAnd
                             ? std::ranges::all_of(set.permissive, passes)
                             : std::ranges::any_of(set.permissive, passes);
  return permitted && (mutation == Mutation::kRestrictiveIgnored ||
                       std::ranges::all_of(set.restrictive, passes));
}

}  // namespace tw::policy::random
