// Decimals, patterns, literals and jsonb below the language.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/cast.h"
#include "policy/datum.h"
#include "policy/decimal.h"
#include "policy/jsonb.h"
#include "policy/pattern.h"
#include "testing/matchers.h"

namespace tw::policy {
namespace {

using testing::FailsWith;
using testing::IsOk;
using testing::IsOkAndHolds;

TEST(DecimalTest, CanonicalText) {
  const std::pair<const char*, const char*> kCases[] = {
      {"1", "1"},      {"+1.50", "1.50"},     {"-.5", "-0.5"},   {"5.", "5"},          {"007", "7"},
      {"1e3", "1000"}, {"1.25e1", "12.5"},    {"1e-3", "0.001"}, {"-0", "0"},          {" 2 ", "2"},
      {"nan", "NaN"},  {"-INF", "-Infinity"}, {"-0.00", "0.00"}, {"12.5e-3", "0.0125"}};
  for (const auto& [text, canonical] : kCases) {
    EXPECT_THAT(CanonicalDecimal(text), IsOkAndHolds(canonical)) << text;
    EXPECT_TRUE(IsPlainDecimal(*CanonicalDecimal(text))) << text;
  }
  for (const char* text : {"", ".", "-", "1e", "1x", "1 2", "e5", "0x1", "1e9999", "--1"}) {
    EXPECT_THAT(CanonicalDecimal(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
}

TEST(DecimalTest, OrderIsExact) {
  const char* const kAscending[] = {"-Infinity",
                                    "-100",
                                    "-99.9",
                                    "-1.01",
                                    "-1",
                                    "-0.001",
                                    "0",
                                    "0.0009",
                                    "0.001",
                                    "1",
                                    "1.00000000000000000000000001",
                                    "9",
                                    "10",
                                    "123456789012345678901234567890",
                                    "123456789012345678901234567890.1",
                                    "Infinity",
                                    "NaN"};
  for (size_t i = 0; i < std::size(kAscending); ++i) {
    for (size_t j = 0; j < std::size(kAscending); ++j) {
      const int order = CompareDecimals(kAscending[i], kAscending[j]);
      EXPECT_EQ(order < 0, i < j) << kAscending[i] << " " << kAscending[j];
      EXPECT_EQ(order > 0, i > j) << kAscending[i] << " " << kAscending[j];
    }
  }
  EXPECT_EQ(CompareDecimals("1.50", "01.5"), 0);
  EXPECT_EQ(CompareDecimals("-0", "0.00"), 0);
}

TEST(DecimalTest, RoundsHalfAwayFromZero) {
  EXPECT_EQ(RoundDecimal("2.5"), 3);
  EXPECT_EQ(RoundDecimal("-2.5"), -3);
  EXPECT_EQ(RoundDecimal("2.49"), 2);
  EXPECT_EQ(RoundDecimal("9223372036854775807.4"), INT64_MAX);
  EXPECT_EQ(RoundDecimal("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(RoundDecimal("9223372036854775807.5"), std::nullopt);
  EXPECT_EQ(RoundDecimal("18446744073709551615.9"), std::nullopt);
  EXPECT_EQ(RoundDecimal("NaN"), std::nullopt);
}

TEST(LikeTest, WildcardsEscapesAndCharacters) {
  const auto like = [](std::string_view text, std::string_view pattern) {
    return Like(text, pattern, LetterCase::kSensitive);
  };
  EXPECT_EQ(like("", ""), true);
  EXPECT_EQ(like("", "%"), true);
  EXPECT_EQ(like("", "_"), false);
  EXPECT_EQ(like("aXbXc", "a%b%c"), true);
  EXPECT_EQ(like("aaab", "%ab"), true);
  EXPECT_EQ(like("ä", "_"), true);
  EXPECT_EQ(like("äb", "%_b"), true);
  EXPECT_EQ(like("50%", "50\\%"), true);
  EXPECT_EQ(like("500", "50\\%"), false);
  EXPECT_EQ(like("a_b", "a\\_b"), true);
  EXPECT_EQ(like("a\\", "a\\\\"), true);
  EXPECT_EQ(like("a\\", "a\\"), std::nullopt);
  EXPECT_EQ(Like("ÄBC", "Äb%", LetterCase::kInsensitive), true);
  EXPECT_EQ(like(std::string(2'000, 'a'), "%a%a%a%a%a%a%a%a%b"), false);  // Ends soon.
}

TEST(RegexTest, OnlyWhatBothDialectsReadAlike) {
  for (const char* good : {"", "^a.b$", "a|b", "[[:alpha:]]+", "[.]", "[^]a]", "(?:a)\\d\\.",
                           "a{2,3}", "\\w+@\\w+", "[a-z\\-]"}) {
    EXPECT_THAT(CompileRegex(good, LetterCase::kSensitive), IsOk()) << good;
  }
  for (const char* bad : {"\\bfoo", "\\yfoo", "(a)\\1", "(?=a)", "(?i)a", "***=a", "[[.a.]]",
                          "[[:<:]]a", "a\\", "(", "\\Qa", "\\x41"}) {
    EXPECT_THAT(CompileRegex(bad, LetterCase::kSensitive), FailsWith(ErrorCode::kInvalidArgument))
        << bad;
  }
  EXPECT_TRUE(RegexMatches(**CompileRegex("^a.b$", LetterCase::kSensitive), "a\nb"));
}

TEST(LiteralTest, BooleansAndArraysAsPostgresReadsThem) {
  Scratch scratch;
  for (const char* text : {"t", "TRUE", "yes", "y", "on", "1", " tr "}) {
    EXPECT_TRUE(ReadLiteral(text, {Base::kBool}, scratch).is_true()) << text;
  }
  for (const char* text : {"f", "no", "off", "of", "0", "fal"}) {
    EXPECT_TRUE(ReadLiteral(text, {Base::kBool}, scratch).is_false()) << text;
  }
  for (const char* text : {"", "o", "2", "truex"}) {
    EXPECT_TRUE(ReadLiteral(text, {Base::kBool}, scratch).is_error()) << text;
  }
  const Datum array = ReadLiteral(R"({a, "b,\"c" ,NULL,"null"})", {Base::kText, true}, scratch);
  ASSERT_EQ(array.kind, Datum::Kind::kArray);
  ASSERT_EQ(array.array->size(), 4u);
  EXPECT_EQ((*array.array)[1].text, "b,\"c");
  EXPECT_TRUE((*array.array)[2].is_null());
  EXPECT_EQ((*array.array)[3].text, "null");
  for (const char* text : {"", "a", "{a", "{a,}", "{,}", "{\"a}", "{{a}}", "{\"a\"b}"}) {
    EXPECT_TRUE(ReadLiteral(text, {Base::kText, true}, scratch).is_error()) << text;
  }
}

TEST(JsonbTest, EqualityAndContainment) {
  const auto holds = [](bool (*test)(const json::Value&, const json::Value&), std::string_view a,
                        std::string_view b) {
    return test(json::Parse(a)->root(), json::Parse(b)->root());
  };
  EXPECT_TRUE(holds(JsonbEqual, R"({"a":1,"b":[1.0]})", R"({"b":[1],"a":1})"));
  EXPECT_FALSE(holds(JsonbEqual, "[1,2]", "[2,1]"));
  EXPECT_FALSE(holds(JsonbEqual, "9007199254740993", "9007199254740992.0"));
  EXPECT_TRUE(holds(JsonbContains, "[1,[2,3],3]", "[[3]]"));
  EXPECT_TRUE(holds(JsonbContains, R"(["foo","bar"])", R"("bar")"));
  EXPECT_FALSE(holds(JsonbContains, R"("bar")", R"(["bar"])"));
  EXPECT_FALSE(holds(JsonbContains, R"([{"a":[1]}])", R"([{"a":1}])"));
  EXPECT_TRUE(holds(JsonbContains, "[1,2]", "[2,2,1]"));
  EXPECT_FALSE(holds(JsonbContains, R"({"a":{"b":1}})", R"({"b":1})"));
}

}  // namespace
}  // namespace tw::policy
