// Groups of conditions in filters: or, and, not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>

#include "base/random.h"
#include "policy/filter.h"
#include "policy/test_support.h"
#include "testing/matchers.h"

namespace tw::policy {
namespace {

using testing::FailsWith;
using ::testing::SizeIs;

const RelationPtr kTasks = MakeRelation({{"a", ColumnType::kInt4},
                                         {"b", ColumnType::kInt4},
                                         {"t", ColumnType::kText}});

Filter Parse(std::string_view text) {
  auto filter = Filter::Parse(text, *kTasks);
  if (!filter.ok()) ADD_FAILURE() << text << ": " << filter.error();
  return filter.ok() ? *filter : Filter();
}

bool Matches(std::string_view text, Row row) { return Parse(text).Matches(row); }

TEST(FilterGroupTest, OrMatchesWhenAnyPartDoes) {
  constexpr std::string_view kFilter = "or=(a.eq.1,b.gt.5)";
  EXPECT_TRUE(Matches(kFilter, {1, 0, "x"}));
  EXPECT_TRUE(Matches(kFilter, {0, 6, "x"}));
  EXPECT_FALSE(Matches(kFilter, {0, 0, "x"}));
}

TEST(FilterGroupTest, GroupsNestAndJoinOrdinaryConditions) {
  constexpr std::string_view kFilter = R"(t=eq.x,or=(a.in.(1,2),and(b.gte.3,b.lt.5)))";
  EXPECT_TRUE(Matches(kFilter, {2, 0, "x"}));
  EXPECT_TRUE(Matches(kFilter, {0, 4, "x"}));
  EXPECT_FALSE(Matches(kFilter, {0, 5, "x"}));
  EXPECT_FALSE(Matches(kFilter, {2, 0, "y"}));
}

TEST(FilterGroupTest, QuotedValuesMayHoldCommasAndParentheses) {
  EXPECT_TRUE(Matches(R"x(or=(t.eq."a,b)",a.eq.9))x", {0, 0, "a,b)"}));
}

TEST(FilterGroupTest, NotOfNullIsNotTrue) {
  EXPECT_FALSE(Matches("not.or=(a.eq.1,b.eq.2)", {0, Value(), "x"}));
  EXPECT_TRUE(Matches("not.or=(a.eq.1,b.eq.2)", {0, 0, "x"}));
  EXPECT_TRUE(Matches("not.and=(a.eq.1,b.eq.2)", {0, Value(), "x"}));
}

TEST(FilterGroupTest, EqualitiesOfAllPartsOfAnOrAreAnchors) {
  EXPECT_THAT(Parse("or=(a.eq.1,a.eq.2)").equalities(), SizeIs(2));
  EXPECT_THAT(Parse("or=(a.eq.1,b.gt.2)").equalities(), SizeIs(0));
  EXPECT_THAT(Parse("and=(a.eq.1,b.gt.2)").equalities(), SizeIs(1));
}

TEST(FilterGroupTest, CanonicalTextParsesBackToItself) {
  for (const char* text : {"or=(b.gt.5,a.eq.1)", "not.or=(a.eq.1,and(b.is.null,t.like.x%))",
                           "t=eq.x,or=(a.in.(2,1),not.and(a.eq.1,b.eq.2))"}) {
    const std::string canonical = Parse(text).canonical();
    EXPECT_EQ(Parse(canonical).canonical(), canonical) << text;
  }
}

TEST(FilterGroupTest, AUrlGivesAGroupAsOneParameter) {
  auto filter = Filter::ParseCondition("or", "(a.eq.1,b.eq.2)", *kTasks);
  ASSERT_TRUE(filter.ok());
  EXPECT_TRUE(filter->Matches({0, 2, "x"}));
}

TEST(FilterGroupTest, RefusesWhatItCannotRead) {
  for (const char* text : {"or=()", "or=(a.eq.1,)", "or=(a)", "or=(nope.eq.1)", "or=a.eq.1",
                           "or=(a.eq.1", "xor=(a.eq.1)", "or=(a.huh.1)"}) {
    EXPECT_THAT(Filter::Parse(text, *kTasks), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
  std::string deep = "a.eq.1";
  for (int i = 0; i < 17; ++i) deep = "or(" + deep + ")";
  EXPECT_THAT(Filter::Parse("and=(" + deep + ")", *kTasks),
              FailsWith(ErrorCode::kResourceExhausted));
  std::string many = "a.eq.0";
  for (int i = 1; i <= 64; ++i) many += ",a.eq." + std::to_string(i);
  EXPECT_THAT(Filter::Parse("or=(" + many + ")", *kTasks),
              FailsWith(ErrorCode::kResourceExhausted));
}

// Three-valued logic by hand, as PostgreSQL has it.
using Truth = std::optional<bool>;
struct Tree {
  std::string text;  // As an element of a group.
  Truth value;
};

Tree RandomTree(SeededRandom& random, const Row& row, int depth) {
  const bool negated = random.Below(3) == 0;
  Tree tree;
  if (depth == 0 || random.Below(3) == 0) {
    const size_t column = random.Below(2);
    const auto literal = static_cast<int64_t>(random.Below(3));
    tree.text = std::string(column == 0 ? "a" : "b") + (negated ? ".not.eq." : ".eq.") +
                std::to_string(literal);
    if (!row[column].is_null()) tree.value = (row[column] == Value(literal)) != negated;
    return tree;
  }
  const bool any = random.Below(2) == 0;
  bool unknown = false;
  bool decided = false;
  tree.text = std::string(negated ? "not." : "") + (any ? "or(" : "and(");
  const size_t parts = 1 + random.Below(3);
  for (size_t i = 0; i < parts; ++i) {
    const Tree part = RandomTree(random, row, depth - 1);
    if (i > 0) tree.text += ',';
    tree.text += part.text;
    unknown = unknown || !part.value;
    decided = decided || part.value == any;
  }
  tree.text += ')';
  if (decided) {
    tree.value = any;
  } else if (!unknown) {
    tree.value = !any;
  }
  if (tree.value && negated) tree.value = !*tree.value;
  return tree;
}

TEST(FilterGroupTest, AgreesWithThreeValuedLogic) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  for (int i = 0; i < 2'000; ++i) {
    const auto value = [&] {
      return random.Below(4) == 0 ? Value() : Value(static_cast<int64_t>(random.Below(3)));
    };
    const Row row = {value(), value(), Value("x")};
    const Tree tree = RandomTree(random, row, 3);
    ASSERT_EQ(Matches("and=(" + tree.text + ")", row), tree.value == true) << tree.text;
  }
}

}  // namespace
}  // namespace tw::policy
