#include "config/types.h"

#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace tw::config {
namespace {

using namespace std::chrono_literals;
using tw::testing::FailsWith;
using tw::testing::IsOkAndHolds;

TEST(DurationTest, NeedsAUnit) {
  EXPECT_THAT(ParseDuration("250ms"), IsOkAndHolds(250ms));
  EXPECT_THAT(ParseDuration("10m"), IsOkAndHolds(10min));
  EXPECT_THAT(ParseDuration("7d"), IsOkAndHolds(168h));
  EXPECT_THAT(ParseDuration("-30d"), IsOkAndHolds(-720h));
  EXPECT_THAT(ParseDuration("0s"), IsOkAndHolds(0s));
  for (const char* text : {"", "5", "s", "5 s", "5S", "1.5s", "--5s", "5sec", "1h30m", "1e3s",
                           "99999999999999999999s", "213503982334602d", "9223372036854775808us"}) {
    EXPECT_THAT(ParseDuration(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
}

TEST(DurationTest, PrintsTheLargestUnit) {
  for (const char* text : {"0s", "90s", "2h", "7d", "1500ms", "-30d", "1us", "-1us"}) {
    EXPECT_EQ(DurationText(ParseDuration(text).value()), text);
  }
  EXPECT_EQ(DurationText(60s), "1m");
}

TEST(ByteSizeTest, NeedsABinaryUnit) {
  EXPECT_THAT(ParseByteSize("64KiB"), IsOkAndHolds(KiB(64)));
  EXPECT_THAT(ParseByteSize("20GiB"), IsOkAndHolds(GiB(20)));
  EXPECT_THAT(ParseByteSize("0B"), IsOkAndHolds(ByteSize{0}));
  for (const char* text : {"", "64", "64kb", "64KB", "64K", "-1KiB", "1.5MiB", "KiB", "1 KiB",
                           "18446744073709551616B", "99999999999TiB"}) {
    EXPECT_THAT(ParseByteSize(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
  for (const char* text : {"0B", "1000B", "64KiB", "1MiB", "3TiB", "1025KiB"}) {
    EXPECT_EQ(ToString(ParseByteSize(text).value()), text);
  }
}

TEST(PercentTest, NeedsTheSign) {
  EXPECT_THAT(ParsePercent("5%"), IsOkAndHolds(Percent{5}));
  EXPECT_EQ(ParsePercent("0.5%")->Fraction(), 0.005);
  EXPECT_EQ(ToString(Percent{0.5}), "0.5%");
  for (const char* text : {"", "%", "5", "5 %", "a%", "nan%", "inf%", "1e300%"}) {
    EXPECT_THAT(ParsePercent(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
}

}  // namespace
}  // namespace tw::config
