#include "ingest/schedule/cron.h"

#include <date/tz.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::FailsWith;

WallTime At(std::string_view text) { return *ParseTimestamp(text); }

// The instants in (from, to] at which `text` is due, as "HH:MM" or "DD HH:MM:SS".
std::vector<std::string> Due(const char* text, const char* zone, std::string_view from,
                             std::string_view to, size_t at = 11, size_t size = 5) {
  const Cron cron = *Cron::Parse(text);
  const date::time_zone& where = *date::locate_zone(zone);
  std::vector<std::string> due;
  for (WallTime next = cron.Next(At(from), where); next <= At(to); next = cron.Next(next, where)) {
    due.push_back(FormatTimestampMs(next).substr(at, size));
  }
  return due;
}

constexpr const char* kNewYork = "America/New_York";

// J1: the table of the specification.
TEST(CronTest, J1_AFixedJobRunsOnceOverEachClockChange) {
  // 02:30 does not exist: it runs at the gap's end, 03:00 EDT.
  EXPECT_THAT(Due("30 2 * * *", kNewYork, "2025-03-09T00:00:00Z", "2025-03-10T00:00:00Z"),
              ElementsAre("07:00"));
  // 01:30 exists twice: the first time only, and on the next day at its usual time.
  EXPECT_THAT(Due("30 1 * * *", kNewYork, "2025-11-02T00:00:00Z", "2025-11-03T12:00:00Z"),
              ElementsAre("05:30", "06:30"));
}

TEST(CronTest, J1_AWildcardJobFollowsRealTime) {
  EXPECT_THAT(Due("*/30 * * * *", kNewYork, "2025-11-02T04:40:00Z", "2025-11-02T07:40:00Z"),
              ElementsAre("05:00", "05:30", "06:00", "06:30", "07:00", "07:30"));
  EXPECT_THAT(Due("*/30 * * * *", kNewYork, "2025-03-09T06:10:00Z", "2025-03-09T08:10:00Z"),
              ElementsAre("06:30", "07:00", "07:30", "08:00"));
}

TEST(CronTest, J1_ZonesWithoutChangesAndWithOddOffsets) {
  EXPECT_THAT(Due("30 2 * * *", "Asia/Kathmandu", "2025-03-09T00:00:00Z", "2025-03-11T00:00:00Z"),
              ElementsAre("20:45", "20:45"));  // +05:45
  EXPECT_THAT(Due("0 9 * * *", "Etc/UTC", "2025-03-09T00:00:00Z", "2025-03-11T00:00:00Z"),
              ElementsAre("09:00", "09:00"));
  // Lord Howe changes by half an hour: 02:00 → 02:30 on 5 October 2025.
  EXPECT_THAT(Due("15 2 * * *", "Australia/Lord_Howe", "2025-10-04T00:00:00Z",
                  "2025-10-05T12:00:00Z"),
              ElementsAre("15:30"));
  // Samoa had no 30 December 2011 at all.
  EXPECT_THAT(Due("0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", "2012-01-01T00:00:00Z", 8, 8),
              ElementsAre("29T22:00", "30T10:00", "30T22:00", "31T22:00"));
}

TEST(CronTest, SixFieldsBeginWithTheSeconds) {
  EXPECT_THAT(Due("*/30 * * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z", 11, 8),
              ElementsAre("00:00:30", "00:01:00", "00:01:30"));
}

// J5: every 30 seconds for a day, each at its second.
TEST(CronTest, J5_EveryThirtySecondsForADay) {
  EXPECT_EQ(Due("*/30 * * * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z").size(),
            2'880u);
}

TEST(CronTest, ListsRangesStepsAndNames) {
  EXPECT_THAT(Due("0,30 8-10/2 * * *", "UTC", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
              ElementsAre("08:00", "08:30", "10:00", "10:30"));
  EXPECT_THAT(Due("0 0 * feb sun", "UTC", "2026-01-01T00:00:00Z", "2026-02-20T00:00:00Z", 5, 5),
              ElementsAre("02-01", "02-08", "02-15"));
  EXPECT_THAT(Due("0 0 * * 7", "UTC", "2026-01-01T00:00:00Z", "2026-01-12T00:00:00Z", 5, 5),
              ElementsAre("01-04", "01-11"));
  // Both day fields restricted: either.
  EXPECT_THAT(Due("0 0 13 * fri", "UTC", "2026-02-01T00:00:00Z", "2026-02-20T12:00:00Z", 5, 5),
              ElementsAre("02-06", "02-13", "02-20"));
  EXPECT_THAT(Due("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2033-01-01T00:00:00Z", 0, 10),
              ElementsAre("2028-02-29", "2032-02-29"));
}

TEST(CronTest, RefusesWhatItCannotMean) {
  for (const char* text : {"", "* * * *", "* * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *",
                           "* * 32 * *", "* * * 13 * ", "* * * * 8", "*/0 * * * *", "5-1 * * * *",
                           "a * * * *", "1,,2 * * * *", "-1 * * * *", "1- * * * *", "* * * foo *",
                           "@daily", "*/90 * * * *"}) {
    EXPECT_THAT(Cron::Parse(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
  EXPECT_THAT(Cron::Parse("0 0 30 2 *"), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("ever")));
  EXPECT_THAT(Cron::Parse("* * * * * * *"),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("five fields, or six")));
}

// The oracle tests every second for whether its local time matches.
TEST(CronTest, FollowingSchedulesEqualASecondBySecondOracle) {
  const uint64_t seed = 20260102;
  SeededRandom random(seed);
  const date::time_zone& zone = *date::locate_zone(kNewYork);
  for (int round = 0; round < 30; ++round) {
    const auto step = 1 + random.Below(29);
    const auto hour_step = 1 + random.Below(5);
    const std::string text =
        "*/" + std::to_string(step) + " */" + std::to_string(hour_step) + " * * *";
    const Cron cron = *Cron::Parse(text);
    const WallTime from = At("2025-11-01T00:00:00Z") + std::chrono::minutes(random.Below(4'000));
    const WallTime next = cron.Next(from, zone);
    auto expected = date::floor<std::chrono::minutes>(from) + std::chrono::minutes(1);
    for (;; expected += std::chrono::minutes(1)) {
      const auto local = zone.to_local(expected);
      const auto of_day = local - date::floor<date::days>(local);
      const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(of_day).count();
      if (minutes % 60 % static_cast<long>(step) == 0 &&
          minutes / 60 % static_cast<long>(hour_step) == 0) {
        break;
      }
    }
    EXPECT_EQ(next, WallTime(expected)) << text << " seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace tw::ingest
