#include "ingest/mapping/decimal.h"

#include <gtest/gtest.h>

namespace tw::ingest::mapping {
namespace {

TEST(DecimalTest, NormalizesExactly) {
  const std::pair<const char*, const char*> cases[] = {
      {"0", "0"},         {"-0", "0"},
      {"-0.00", "0.00"},  {"007", "7"},
      {"+1.50", "1.50"},  {".5", "0.5"},
      {"5.", "5"},        {" 12.30 ", "12.30"},
      {"1e3", "1000"},    {"1.25e1", "12.5"},
      {"12e-3", "0.012"}, {"-1E+2", "-100"},
      {"0e5", "0"},       {"12345678901234567890.123456789", "12345678901234567890.123456789"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(NormalizeDecimal(text), expected) << text;
}

TEST(DecimalTest, RefusesEverythingElse) {
  for (const char* text : {"", " ", "-", ".", "e5", "1e", "1e+", "1e+-5", "1,5", "1.2.3", "0x1",
                           "NaN", "inf", "1 2", "--1", "1e1001", "1e99999999999999999999"}) {
    EXPECT_EQ(NormalizeDecimal(text), std::nullopt) << text;
  }
  EXPECT_EQ(NormalizeDecimal(std::string(kDecimalDigitsMax + 1, '1')), std::nullopt);
  EXPECT_NE(NormalizeDecimal(std::string(kDecimalDigitsMax, '1')), std::nullopt);
}

TEST(DecimalTest, AddsExactly) {
  EXPECT_EQ(AddDecimals("0.1", "0.2"), "0.3");
  EXPECT_EQ(AddDecimals("1.50", "1.5"), "3.00");
  EXPECT_EQ(AddDecimals("1.50", "-1.5"), "0.00");
  EXPECT_EQ(AddDecimals("-5", "3"), "-2");
  EXPECT_EQ(AddDecimals("3", "-5"), "-2");
  EXPECT_EQ(AddDecimals("999", "1"), "1000");
  EXPECT_EQ(AddDecimals("1000", "-1"), "999");
  EXPECT_EQ(AddDecimals("99999999999999999999.99", "0.01"), "100000000000000000000.00");
  const std::string longest(kDecimalDigitsMax + 2, '9');
  EXPECT_EQ(AddDecimals(longest, longest), std::nullopt);
}

TEST(DecimalTest, ComparesByValue) {
  EXPECT_TRUE(SameDecimal("1.50", "1.5"));
  EXPECT_TRUE(SameDecimal("0.00", "0"));
  EXPECT_FALSE(SameDecimal("1", "-1"));
  EXPECT_FALSE(SameDecimal("1", "1.0000000000000000000001"));
}

}  // namespace
}  // namespace tw::ingest::mapping
