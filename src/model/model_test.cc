#include <gtest/gtest.h>

#include <limits>

#include "model/change.h"
#include "model/position.h"
#include "model/value.h"

namespace tw {
namespace {

std::string Json(const Value& value, ColumnType type) {
  std::string out;
  AppendJson(out, value, type);
  return out;
}

TEST(ValueTest, EncodesAsSupabaseDoes) {
  EXPECT_EQ(Json(Value(), ColumnType::kText), "null");
  EXPECT_EQ(Json(Value(true), ColumnType::kBool), "true");
  EXPECT_EQ(Json(Value(int64_t{9007199254740993}), ColumnType::kInt8), "9007199254740993");
  EXPECT_EQ(Json(Value(std::numeric_limits<double>::quiet_NaN()), ColumnType::kFloat8), "null");
  EXPECT_EQ(Json(Value("12345678901234567890.1234567890"), ColumnType::kNumeric),
            "12345678901234567890.1234567890");
  EXPECT_EQ(Json(Value("NaN"), ColumnType::kNumeric), "\"NaN\"");
  EXPECT_EQ(Json(Value(Bytes{std::string("\x01\x02\xff", 3)}), ColumnType::kBytea), "\"0102ff\"");
  EXPECT_EQ(Json(Value(R"({"a": [1, null]})"), ColumnType::kJson), R"({"a":[1,null]})");
  EXPECT_EQ(Json(Value("{broken"), ColumnType::kJson), R"("{broken")");
  EXPECT_EQ(Json(Value("7"), ColumnType::kText), R"("7")");
}

TEST(ValueTest, HashSeparatesKinds) {
  const ValueHash hash;
  EXPECT_EQ(hash(Value("a")), hash(Value(std::string("a"))));
  EXPECT_NE(hash(Value(int64_t{1})), hash(Value(true)));
  EXPECT_NE(hash(Value("1")), hash(Value(Bytes{"1"})));
}

TEST(PositionTest, TextFormRoundTrips) {
  for (const Position position : {Position{1, 0}, Position{UINT64_MAX, UINT64_MAX}}) {
    EXPECT_EQ(ParsePosition(ToString(position)).value(), position);
  }
  EXPECT_EQ(ToString(Position{0xc0ffee, 42}), "0000000000c0ffee:42");
}

TEST(PositionTest, RefusesEverythingElse) {
  for (const char* text :
       {"", ":", "0000000000c0ffee", "0000000000c0ffee:", "0000000000C0FFEE:1",
        "0000000000c0ffee:-1", "0000000000c0ffee:01", "0000000000c0ffee:18446744073709551616",
        "c0ffee:1", "0000000000c0ffee:1 "}) {
    EXPECT_EQ(ParsePosition(text).error().code, ErrorCode::kInvalidArgument) << text;
  }
}

TEST(RelationTest, FindsColumnsByExactName) {
  Relation relation;
  relation.columns = {{"id", ColumnType::kInt8, "int8"}, {"name", ColumnType::kText, "text"}};
  relation.key = {0};
  EXPECT_EQ(relation.Find("name"), 1u);
  EXPECT_EQ(relation.Find("Name"), std::nullopt);
  EXPECT_TRUE(relation.IsKey(0));
  EXPECT_FALSE(relation.IsKey(1));
}

}  // namespace
}  // namespace tw
