#include "base/percent.h"

#include <gtest/gtest.h>

namespace tw {
namespace {

TEST(PercentTest, EveryByteRoundTrips) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(PercentDecode(PercentEncode(bytes)), bytes);
  EXPECT_EQ(PercentEncode("a-Z_0.~/ é"), "a-Z_0.~%2F%20%C3%A9");
}

TEST(PercentTest, PlusIsASpaceInFormsOnly) {
  EXPECT_EQ(PercentDecode("a+b%2Bc"), "a+b+c");
  EXPECT_EQ(PercentDecode("a+b%2bc", PlusSign::kSpace), "a b+c");
}

TEST(PercentTest, RefusesIncompleteEscapes) {
  for (const char* text : {"%", "a%", "%4", "%4g", "%g4", "%%41", "%+1", "%-1", "% 1", "%0x"}) {
    EXPECT_EQ(PercentDecode(text).error().code, ErrorCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace tw
