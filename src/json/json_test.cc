#include "json/json.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

namespace tw::json {
namespace {

std::string RoundTrip(std::string_view text) {
  const auto document = Parse(text);
  return document.ok() ? document->root().ToText() : document.error().message;
}

TEST(JsonTest, EveryKindRoundTrips) {
  for (const char* text :
       {"null", "true", "false", "0", "-7", "1.50", "1e3", "\"\"", "\"a\\\"b\"", "[]", "{}",
        "[1,[2,[]],{\"a\":null}]", "{\"a\":{\"b\":[true,false]},\"c\":\"\\n\"}"}) {
    EXPECT_EQ(RoundTrip(text), text);
  }
  EXPECT_EQ(RoundTrip(" [ 1 , 2 ] \n"), "[1,2]");
  EXPECT_EQ(RoundTrip(" 12 "), "12");
}

TEST(JsonTest, IntegersAreExactAndOtherNumbersKeepTheirText) {
  const auto document = Parse(R"([9223372036854775807,-9223372036854775808,9223372036854775808,
                                  12345678901234567890.1234567890,-0,1e-999])");
  ASSERT_TRUE(document.ok());
  const auto items = document->root().items();
  EXPECT_EQ(items[0].GetInt(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(items[1].GetInt(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(items[2].kind(), Kind::kNumber);
  EXPECT_EQ(items[3].NumberText(), "12345678901234567890.1234567890");
  EXPECT_EQ(items[4].NumberText(), "-0");
  EXPECT_EQ(items[5].GetDouble(), 0);
}

TEST(JsonTest, LastDuplicateWinsAndAbsentIsToldFromNull) {
  const auto document = Parse(R"({"a":1,"a":2,"n":null})");
  ASSERT_TRUE(document.ok());
  const Value& root = document->root();
  EXPECT_EQ(root["a"].GetInt(), 2);
  EXPECT_NE(root.Find("n"), nullptr);
  EXPECT_EQ(root.Find("m"), nullptr);
  EXPECT_TRUE(root["m"]["deeper"].is_null());
}

TEST(JsonTest, StringsAreDecoded) {
  const auto document = Parse(R"("\u00e4\ud83d\ude00\u0000z")");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->root().GetString(), std::string_view("\xc3\xa4\xf0\x9f\x98\x80\0z", 8));
}

TEST(JsonTest, RefusesEverythingElse) {
  for (const char* text :
       {"", " ", "nul", "truex", "[1,]", "[1 2]", "{\"a\":}", "{a:1}", "{\"a\":1,}", "01", "1.", ".5",
        "+1", "1e", "1e999", "-1e999", "\"", "\"\\x\"", "\"\\ud800\"", "\"\xff\"", "\"\t\"", "[1] 2",
        "1 2", "{} {}", "[", "{\"a\":1", "NaN", "[1e999]", "\xef\xbb\xbf{}"}) {
    EXPECT_EQ(Parse(text).error().code, ErrorCode::kInvalidArgument) << text;
  }
}

TEST(JsonTest, NestingIsBounded) {
  const std::string fits(kDepthMax, '[');
  EXPECT_TRUE(Parse(fits + std::string(kDepthMax, ']')).ok());
  const std::string deep(kDepthMax + 1, '[');
  EXPECT_FALSE(Parse(deep + std::string(kDepthMax + 1, ']')).ok());
  EXPECT_FALSE(Parse(std::string(100'000, '[')).ok());
}

TEST(JsonTest, DocumentSurvivesMovesAndLaterParses) {
  auto first = Parse(R"({"k":"value"})");
  ASSERT_TRUE(first.ok());
  const Document moved = std::move(*first);
  ASSERT_TRUE(Parse(R"({"k":"other"})").ok());
  EXPECT_EQ(moved.root()["k"].GetString(), "value");
}

TEST(WriterTest, PlacesCommas) {
  Writer writer;
  writer.Object().Key("a").Int(1).Key("b").Array().Null().Bool(true).Double(0.1).End();
  writer.Key("c").Object().End().Key("d").String("x\x01\"").Key("e").Raw("[0]").End();
  EXPECT_EQ(writer.Take(), R"({"a":1,"b":[null,true,0.1],"c":{},"d":"x\u0001\"","e":[0]})");
}

TEST(WriterTest, InvalidUtf8BecomesReplacementCharacters) {
  std::string out;
  AppendString(out, "a\xff" "b\xe2\x82");
  EXPECT_EQ(out, "\"a\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST(WriterTest, DoublesReadBackTheSame) {
  for (const double value : {0.1, 1e300, -2.5e-7, 5e-324, 123456789.0}) {
    std::string out;
    AppendDouble(out, value);
    EXPECT_EQ(std::strtod(out.c_str(), nullptr), value) << out;
  }
  std::string out;
  AppendDouble(out, std::numeric_limits<double>::infinity());
  EXPECT_EQ(out, "null");
}

}  // namespace
}  // namespace tw::json
