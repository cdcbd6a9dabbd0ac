#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "base/clock.h"
#include "base/function.h"
#include "base/random.h"
#include "base/result.h"
#include "base/strings.h"

namespace tw {
namespace {

using ::testing::ElementsAre;

Result<int> Half(int value) {
  if (value % 2 != 0) return Fail(ErrorCode::kInvalidArgument, "odd");
  return value / 2;
}

Result<int> Quarter(int value) {
  TW_ASSIGN_OR_RETURN(const int half, Half(value));
  return Half(half);
}

TEST(ResultTest, MacrosPassTheErrorUp) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).error(), (Error{ErrorCode::kInvalidArgument, "odd"}));
  EXPECT_EQ(Annotate(Quarter(7).error(), "here").error().message, "here: odd");
}

TEST(TimestampTest, FormatsThreeDigitsUtc) {
  EXPECT_EQ(FormatTimestampMs(WallTime{std::chrono::microseconds{1'767'323'045'678'999}}),
            "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(FormatTimestampMs(WallTime{}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(FormatTimestampMs(WallTime{std::chrono::microseconds{-1}}), "1969-12-31T23:59:59.999Z");
}

TEST(TimestampTest, ParsesWhatSendersSend) {
  const WallTime expected{std::chrono::seconds{1'761'969'598}};
  for (const char* text : {"2025-10-31T23:59:58-04:00", "2025-11-01T03:59:58Z",
                           "2025-11-01 03:59:58.000000Z", "2025-11-01t03:59:58.0+00",
                           "2025-11-01T03:59:58", "2025-11-01T09:29:58+0530"}) {
    const auto parsed = ParseTimestamp(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, expected) << text;
  }
  EXPECT_EQ(ParseTimestamp("2025-11-01T03:59:58.123456789Z")->time_since_epoch().count(),
            1'761'969'598'123'456);
}

TEST(TimestampTest, RefusesEverythingElse) {
  for (const char* text :
       {"", "now", "2025-13-01T00:00:00Z", "2025-02-30", "2025-11-01T24:00:00Z",
        "2025-11-01T03:59:58.Z", "2025-11-01T03:59:58Zx", "1761969598", "2025-11-01T03:5"}) {
    EXPECT_EQ(ParseTimestamp(text).error().code, ErrorCode::kInvalidArgument) << text;
  }
}

TEST(RandomTest, SeedRepeats) {
  SeededRandom a(7), b(7), c(8);
  EXPECT_EQ(a.Next(), b.Next());
  EXPECT_NE(a.Next(), c.Next());
  for (int i = 0; i < 1000; ++i) EXPECT_LT(a.Below(3), 3u);
}

TEST(RandomTest, UuidsHaveVersionFourAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = SystemRandom().Uuid();
    EXPECT_EQ(uuid.size(), 36u);
    EXPECT_EQ(uuid[14], '4');
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
    EXPECT_TRUE(seen.insert(uuid).second);
  }
}

TEST(StringsTest, SplitKeepsEmptyParts) {
  EXPECT_THAT(Split("a,,b", ','), ElementsAre("a", "", "b"));
  EXPECT_THAT(Split("", ','), ElementsAre(""));
}

TEST(StringsTest, TrimAndCase) {
  EXPECT_EQ(Trim(" \t a b\n"), "a b");
  EXPECT_EQ(Trim("  "), "");
  EXPECT_EQ(ToLower("ÄbC"), "Äbc");
  EXPECT_TRUE(EqualsIgnoreCase("Content-Length", "content-length"));
  EXPECT_FALSE(EqualsIgnoreCase("a", "ab"));
}

TEST(StringsTest, IntegersAreWholeOrNothing) {
  EXPECT_EQ(ParseInt64("-9223372036854775808"), INT64_MIN);
  for (const char* text : {"", "+1", " 1", "1 ", "1.0", "9223372036854775808", "0x1"}) {
    EXPECT_EQ(ParseInt64(text), std::nullopt) << text;
  }
}

TEST(StringsTest, Utf8EdgesAfterRfc3629) {
  for (const char* good : {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(good));
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

TEST(StringsTest, NearestFindsTypingErrorsOnly) {
  constexpr std::array<std::string_view, 3> kNames = {"listen", "data_dir", "sources"};
  EXPECT_EQ(Nearest("lisen", kNames), "listen");
  EXPECT_EQ(Nearest("datadir", kNames), "data_dir");
  EXPECT_EQ(Nearest("zebra", kNames), std::nullopt);
}

TEST(FunctionTest, HoldsMoveOnlyCallables) {
  Function<int(int)> add = [kept = std::make_unique<int>(4)](int n) { return *kept + n; };
  Function<int(int)> moved = std::move(add);
  EXPECT_EQ(moved(3), 7);
  EXPECT_FALSE(add);
}

}  // namespace
}  // namespace tw
