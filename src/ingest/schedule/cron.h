// When a job is due: cron expressions with the rules of Vixie's cron over clock changes.
//
//   minute hour day-of-month month day-of-week          five fields
//   second minute hour day-of-month month day-of-week   six fields, the seconds first
//
// Fields: * , - / and, for months and weekdays, English names of three letters. Weekday 0 and 7 are
// Sunday. When both day fields are restricted, either may match (POSIX crontab(5)).
// A schedule whose second, minute and hour fields do not begin with * runs exactly once per local
// time: in a spring gap at the first instant after the gap, in an autumn repeat only the first time.
// Any other follows real time, so that it runs in both repeats and has no gap.
#pragma once

#include <bitset>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace date {
class time_zone;
}

namespace tw::ingest {

class Cron {
 public:
  // Errors: kInvalidArgument saying which field is wrong, for other numbers of fields too, and for
  // a day that never comes (30 February).
  static Result<Cron> Parse(std::string_view text);

  // The first time after `after` that it is due in `zone`. Always exists.
  WallTime Next(WallTime after, const date::time_zone& zone) const;
  const std::string& text() const { return text_; }
  // The shortest time between two runs that its fields allow, as a lower bound: 1 s, 1 min.
  std::chrono::seconds resolution() const {
    return has_seconds_ ? std::chrono::seconds(1) : std::chrono::seconds(60);
  }

 private:
  bool DayMatches(int year, unsigned month, unsigned day) const;
  std::optional<WallTime> NextFixed(WallTime after, const date::time_zone& zone) const;
  std::optional<WallTime> NextFollowing(WallTime after, const date::time_zone& zone) const;

  std::string text_;
  std::bitset<60> seconds_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false;      // The field of the day of the month begins with *.
  bool any_weekday_ = false;  // The same of the weekday.
  bool fixed_ = false;
  bool has_seconds_ = false;
};

}  // namespace tw::ingest
