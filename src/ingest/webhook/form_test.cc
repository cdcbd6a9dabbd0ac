#include "ingest/webhook/form.h"

#include <gmock/gmock.h>

namespace tw::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(FormTest, FieldsAreDecodedInTheirOrder) {
  EXPECT_THAT(ParseForm("b=1+2&a=%2B1&&c&d=%zz%4&=x&a=%C3%A4"),
              ElementsAre(Pair("b", "1 2"), Pair("a", "+1"), Pair("c", ""), Pair("d", "%zz%4"),
                          Pair("", "x"), Pair("a", "\xC3\xA4")));
  EXPECT_THAT(ParseForm(""), ElementsAre());
}

TEST(FormTest, ARepeatedNameIsAnArray) {
  EXPECT_EQ(JsonOfForm("a=1&b=2&a=3"), "{\"a\":[\"1\",\"3\"],\"b\":\"2\"}");
  EXPECT_EQ(JsonOfForm(""), "{}");
}

TEST(FormTest, BytesThatAreNoTextDoNotBreakTheDocument) {
  EXPECT_EQ(JsonOfForm("a=x%FF&b=%22%0A"), "{\"a\":\"x\xEF\xBF\xBD\",\"b\":\"\\\"\\n\"}");
}

TEST(FormTest, TheTypeMayHaveParameters) {
  EXPECT_TRUE(IsForm("application/x-www-form-urlencoded"));
  EXPECT_TRUE(IsForm("Application/X-WWW-Form-Urlencoded ; charset=utf-8"));
  EXPECT_FALSE(IsForm("application/json"));
  EXPECT_FALSE(IsForm(""));
}

}  // namespace
}  // namespace tw::ingest
