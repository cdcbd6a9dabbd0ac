#include "policy/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/test_support.h"
#include "testing/matchers.h"

namespace tw::policy {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

bool Matches(std::string_view text, const Row& row = SampleRow()) {
  const auto filter = Filter::Parse(text, *AllTypes());
  if (!filter.ok()) {
    ADD_FAILURE() << text << ": " << filter.error();
    return false;
  }
  return filter->Matches(row);
}

std::string ErrorOf(std::string_view text) {
  const auto filter = Filter::Parse(text, *AllTypes());
  return filter.ok() ? "ok" : filter.error().message;
}

TEST(FilterTest, EveryOperator) {
  for (const char* text : {"i4=eq.5",
                           "i4=neq.6",
                           "i4=lt.6",
                           "i4=lte.5",
                           "i4=gt.4",
                           "i4=gte.5",
                           "i4=in.(4,5)",
                           "t=like.h%o",
                           "t=ilike.H_LLO",
                           "b=is.true",
                           "n=is.null",
                           "t=match.^h",
                           "t=imatch.^H",
                           "i4=isdistinct.6",
                           "i4=not.eq.6",
                           "i4=not.in.(1,2)",
                           "b=not.is.false",
                           "i4=not.is.null",
                           "t=not.like.x%",
                           "i4=not.isdistinct.5",
                           "b=not.is.unknown",
                           "b=eq.t",
                           "num=eq.1.5",
                           "f=gt.2",
                           "u=eq.5F0C2A4E-9D1B-4C3A-8E7F-0123456789AB",
                           "d=gte.2026-01-01",
                           "tz=lt.2026-01-02T03:04:06Z",
                           "o=eq.open",
                           "i8=eq.7000000000",
                           "bytes=eq.\\x0102",
                           "j=neq.{}",
                           "t=not.match.[0-9]",
                           "i4=not.lt.5"}) {
    EXPECT_TRUE(Matches(text)) << text;
    // The opposite, where not. is not there already.
    std::string opposite(text);
    const size_t at = opposite.find('=') + 1;
    if (opposite.substr(at, 4) == "not.") {
      opposite.erase(at, 4);
    } else {
      opposite.insert(at, "not.");
    }
    EXPECT_FALSE(Matches(opposite)) << opposite;
  }
}

TEST(FilterTest, NullMatchesOnlyIsNullAndIsDistinct) {
  for (const char* text : {"n=eq.5", "n=neq.5", "n=not.eq.5", "n=not.in.(1,2)", "n=in.(1)",
                           "n=lt.5", "n=not.lt.5", "n=not.is.null", "n=not.isdistinct.5"}) {
    EXPECT_FALSE(Matches(text)) << text;
  }
  EXPECT_TRUE(Matches("n=is.null"));
  EXPECT_TRUE(Matches("n=isdistinct.5"));
  Row row = SampleRow();
  row[0] = Value{};
  EXPECT_TRUE(Matches("b=is.unknown", row));
  EXPECT_TRUE(Matches("b=not.is.true", row));
  EXPECT_FALSE(Matches("b=is.false", row));
  row[6] = Value{};
  EXPECT_FALSE(Matches("t=not.like.a", row));
  EXPECT_FALSE(Matches("t=not.match.a", row));
}

TEST(FilterTest, ListsQuotesAndParentheses) {
  EXPECT_TRUE(Matches("i4=eq.5,t=eq.hello"));
  EXPECT_TRUE(Matches("i4=eq.5, t=eq.hello"));
  EXPECT_FALSE(Matches("i4=eq.5,t=eq.bye"));
  Row row = SampleRow();
  row[6] = R"(a,b "c" \d)";
  EXPECT_TRUE(Matches(R"(t=eq."a,b \"c\" \\d",i4=eq.5)", row));
  EXPECT_TRUE(Matches(R"(t=in.(x,"a,b \"c\" \\d"),i4=eq.5)", row));
  EXPECT_TRUE(Matches(R"(t=in.("a,b \"c\" \\d" , y))", row));
  row[6] = "f(1,2)";
  EXPECT_TRUE(Matches("t=eq.f(1,2),i4=eq.5", row));
  row[6] = "a.b=c";
  EXPECT_TRUE(Matches("t=eq.a.b=c", row));
  row[6] = "";
  EXPECT_TRUE(Matches("t=eq.", row));
  EXPECT_TRUE(Matches("t=in.(\"\")", row));
  EXPECT_FALSE(Matches("t=in.()", row));
}

TEST(FilterTest, EmptyTextMatchesEverything) {
  for (const char* text : {"", "  ", "\t\n"}) {
    const auto filter = Filter::Parse(text, *AllTypes());
    ASSERT_TRUE(filter.ok());
    EXPECT_TRUE(filter->empty());
    EXPECT_TRUE(filter->Matches(SampleRow()));
  }
}

TEST(FilterTest, RefusalsInUpstreamsWords) {
  const std::pair<const char*, const char*> kCases[] = {
      {"i4=eq.1,", "filter must not contain empty segments (check for extra commas)"},
      {"i4=eq.1,,t=eq.a", "filter must not contain empty segments (check for extra commas)"},
      {"i4=foo.hey", "Error parsing `filter` params: [\"foo\", \"hey\"]"},
      {"i4=not.foo.hey", "Error parsing `filter` params: [\"foo\", \"hey\"]"},
      {"i4=eq", "Error parsing `filter` params: [\"eq\"]"},
      {"hey", "Error parsing `filter` params: [\"hey\"]"},
      {"i4=in.1,2", "`in` filter value must be wrapped by parentheses"},
      {"nope=eq.1", "invalid column for filter nope"},
      {"i4=eq.abc", "invalid input syntax for type integer: \"abc\""},
      {"i4=in.(1,abc)", "invalid input syntax for type integer: \"abc\""},
      {"i4=eq.99999999999", "value \"99999999999\" is out of range for type integer"},
      {"u=eq.1", "invalid input syntax for type uuid: \"1\""},
      {"tz=eq.soon", "invalid input syntax for type timestamp with time zone: \"soon\""},
      {"num=eq.x", "invalid input syntax for type numeric: \"x\""},
      {"i4=is.true", "is true filter requires a boolean column, got integer"},
      {"i4=not.is.unknown", "is unknown filter requires a boolean column, got integer"},
      {"i4=is.5", "Error parsing `filter` params: [\"is\", \"5\"]"},
      {"i4=like.5%", "operator like requires a text-compatible column type, got integer"},
      {"u=imatch.5", "operator imatch requires a text-compatible column type, got uuid"},
      {"t=like.a\\", "LIKE pattern must not end with escape character"},
      {"j=gt.1", "operator gt is not supported for column type jsonb"},
  };
  for (const auto& [text, message] : kCases) EXPECT_EQ(ErrorOf(text), message) << text;
  EXPECT_THAT(ErrorOf("t=match.(a"), HasSubstr("invalid regular expression for match filter: "));
  EXPECT_THAT(ErrorOf("t=imatch.(a"), HasSubstr("invalid regular expression for imatch filter: "));
}

TEST(FilterTest, LimitsAreNamed) {
  std::string in = "i4=in.(0";
  for (int i = 1; i < 100; ++i) in += "," + std::to_string(i);
  EXPECT_EQ(ErrorOf(in + ")"), "ok");
  EXPECT_EQ(ErrorOf(in + ",100)"), "too many values for `in` filter. Maximum 100");
  EXPECT_THAT(Filter::Parse(std::string(kFilterBytesMax + 1, 'x'), *AllTypes()),
              FailsWith(ErrorCode::kResourceExhausted));
  std::string many = "i4=eq.1";
  for (size_t i = 0; i < kFilterConditionsMax; ++i) many += ",i4=eq.1";
  EXPECT_THAT(Filter::Parse(many, *AllTypes()), FailsWith(ErrorCode::kResourceExhausted));
}

TEST(FilterTest, EqualitiesComeFromTheBestCondition) {
  const auto anchors = [](std::string_view text) {
    const auto filter = Filter::Parse(text, *AllTypes());
    return std::vector<Anchor>(filter->equalities().begin(), filter->equalities().end());
  };
  EXPECT_THAT(anchors("i4=eq.5"), ElementsAre(Anchor{2, 5}));
  EXPECT_THAT(anchors("b=eq.true,i4=in.(1,2),t=eq.x"), ElementsAre(Anchor{6, "x"}));
  EXPECT_THAT(anchors("i4=in.(1,2),b=eq.true"), UnorderedElementsAre(Anchor{2, 1}, Anchor{2, 2}));
  EXPECT_THAT(anchors("i4=not.eq.5,num=eq.5,i4=gt.1"), IsEmpty());
}

TEST(FilterTest, CanonicalTextJoinsEqualFilters) {
  const auto canonical = [](std::string_view text) {
    return Filter::Parse(text, *AllTypes())->canonical();
  };
  EXPECT_EQ(canonical("t=eq.a,i4=eq.05"), canonical("i4=eq. 5,t=eq.\"a\",i4=eq.5"));
  EXPECT_EQ(canonical("i4=in.(2,1,2)"), canonical("i4=in.(1,2)"));
  EXPECT_NE(canonical("i4=in.(1,2)"), canonical("i4=not.in.(1,2)"));
  EXPECT_EQ(canonical("i4=eq.5"), "i4=eq.\"5\"");
  for (const char* text : {R"(t=eq."a,b\"\\c")", "i4=not.in.(1,2)", "b=is.unknown", "i4=in.()",
                           "t=like.a\\%b", "tz=gt.2026-01-02T03:04:05.5Z", "f=lt.1e300",
                           "num=eq.1e3", "bytes=eq.\\x00ff", "j=eq.{\"a\":[1]}"}) {
    EXPECT_EQ(canonical(canonical(text)), canonical(text)) << text;
  }
}

TEST(FilterTest, ConditionsOfAUrl) {
  const auto matches = [](std::string_view column, std::string_view operation) {
    return Filter::ParseCondition(column, operation, *AllTypes())->Matches(SampleRow());
  };
  EXPECT_TRUE(matches("i4", "not.eq.6"));
  EXPECT_TRUE(matches("t", "like.h*o"));
  EXPECT_TRUE(matches("t", "eq.hello"));
  EXPECT_FALSE(matches("t", "eq.a,b"));
  EXPECT_THAT(Filter::ParseCondition("nope", "eq.1", *AllTypes()),
              FailsWith(ErrorCode::kInvalidArgument, "invalid column for filter nope"));
  const Filter both = Filter::And(*Filter::Parse("i4=eq.5", *AllTypes()),
                                  *Filter::ParseCondition("t", "eq.bye", *AllTypes()));
  EXPECT_FALSE(both.Matches(SampleRow()));
  EXPECT_EQ(both.canonical(), "i4=eq.\"5\",t=eq.\"bye\"");
}

TEST(FilterTest, StoredValuesThatDoNotFitNeverMatch) {
  Row row = SampleRow();
  row[2] = "x";
  for (const char* text : {"i4=eq.5", "i4=neq.5", "i4=not.eq.5", "i4=is.null", "i4=not.is.null",
                           "i4=isdistinct.5", "i4=not.isdistinct.5"}) {
    EXPECT_FALSE(Matches(text, row)) << text;
  }
}

}  // namespace
}  // namespace tw::policy
