// For this room's tests only: random policies over a fixed table, as PostgreSQL text for our
// compiler, as SQLite text with the claims put in as literals, and run by a small reference of
// SQL's logic that can be broken on purpose.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "policy/test_support.h"

namespace tw::policy::random {

// id, n, org: integers · owner, title: text · flag: bool.
RelationPtr Table();
std::vector<Row> RandomRows(Random& random, size_t count);
// INSERT statements for the same rows into SQLite's table t.
std::string InsertSql(const Row& row);

// NULL, boolean, integer or text.
using Scalar = Value;

struct ClaimSet {
  Scalar uid;
  Scalar org;
  Scalar team;
  Claims ToClaims(uint64_t unique) const;  // `unique` differs without a meaning for policies.
};
ClaimSet RandomClaims(Random& random);

enum class Kind : uint8_t {
  kLiteral,
  kColumn,
  kUid,
  kOrg,
  kTeam,
  kAnd,
  kOr,
  kNot,
  kIsNull,
  kIsTrue,
  kIsFalse,
  kIsNotTrue,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kDistinct,
  kIn,
  kNotIn,
  kBetween,
  kLike,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kRemainder,
  kConcatenate,
  kLower,
  kLength,
  kCase,
  kCoalesce,
  kNullIf,
};
enum class Sort : uint8_t { kBool, kInt, kText };

struct Node {
  Kind kind = Kind::kLiteral;
  Sort sort = Sort::kBool;
  Scalar literal;
  size_t column = 0;
  std::vector<Node> children;
};

Node RandomNode(Random& random, Sort sort, int depth);

enum class Dialect : uint8_t { kPostgres, kSqlite };
std::string Render(const Node& node, Dialect dialect, const ClaimSet& claims);

// Rules broken on purpose, each of which the comparison with SQLite must notice.
enum class Mutation : uint8_t {
  kNone,
  kNotInIgnoresNull,   // x NOT IN (1, NULL) is TRUE when x <> 1
  kOrWithNullIsNull,   // TRUE OR NULL is NULL
  kAndWithNullIsNull,  // FALSE AND NULL is NULL
  kEqualNullIsFalse,   // NULL = x is FALSE, so that NOT makes it TRUE
  kNullIsVisible,      // A NULL policy shows the row
  kRestrictiveIgnored,
  kPermissiveJoinedByAnd,
  kBetweenIsExclusive,
  kDistinctLikeNotEqual,  // IS DISTINCT FROM gives NULL for NULL
  kLikeFoldsCase,
  kDivisionRoundsDown,  // -5 / 2 = -3
};
inline constexpr Mutation kLastMutation = Mutation::kDivisionRoundsDown;

Scalar Run(const Node& node, const Row& row, const ClaimSet& claims, Mutation mutation);

struct PolicySet {
  std::vector<Node> permissive;
  std::vector<Node> restrictive;
};
PolicySet RandomPolicySet(Random& random);
std::vector<PolicyDefinition> Definitions(const PolicySet& set);
// A SELECT of 0 or 1 per row of t, by id.
std::string SqliteQuery(const PolicySet& set, const ClaimSet& claims);
bool Visible(const PolicySet& set, const Row& row, const ClaimSet& claims, Mutation mutation);

}  // namespace tw::policy::random
