#include "ingest/schedule/cron.h"

#include <date/tz.h>

#include <array>
#include <vector>

#include "base/check.h"
#include "base/strings.h"

namespace tw::ingest {
namespace {

using std::chrono::seconds;

constexpr size_t kTextBytesMax = 256;
// Any expression with a day that exists is due within eight years (29 February, 1897–1903 aside).
constexpr int kYearsMax = 9;

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};

struct Field {
  std::string_view name;
  unsigned min;
  unsigned max;
  std::span<const std::string_view> names;  // The first stands for `min`.
};

std::optional<unsigned> Number(const Field& field, std::string_view text) {
  for (size_t i = 0; i < field.names.size(); ++i) {
    if (EqualsIgnoreCase(text, field.names[i])) return field.min + static_cast<unsigned>(i);
  }
  const auto value = ParseUint64(text);
  if (!value || *value < field.min || *value > field.max) return std::nullopt;
  return static_cast<unsigned>(*value);
}

// The numbers of one part: "*", "5", "1-5", "*/15", "10-40/10"; empty when it is wrong.
std::vector<unsigned> Part(const Field& field, std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view range = text.substr(0, slash);
  uint64_t step = 1;
  if (slash != std::string_view::npos) {
    const auto parsed = ParseUint64(text.substr(slash + 1));
    if (!parsed || *parsed == 0 || *parsed > field.max) return {};
    step = *parsed;
  }
  unsigned first = field.min;
  unsigned last = field.max;
  if (range != "*") {
    const size_t dash = range.find('-');
    const auto from = Number(field, range.substr(0, dash));
    if (!from) return {};
    first = *from;
    // "5/15" means from 5 to the end, as every cron reads it.
    last = slash == std::string_view::npos ? first : field.max;
    if (dash != std::string_view::npos) {
      const auto to = Number(field, range.substr(dash + 1));
      if (!to || *to < first) return {};
      last = *to;
    }
  }
  std::vector<unsigned> numbers;
  for (uint64_t value = first; value <= last; value += step) {
    numbers.push_back(static_cast<unsigned>(value));
  }
  return numbers;
}

template <size_t N>
Status Read(const Field& field, std::string_view text, std::bitset<N>& bits) {
  for (const std::string_view part : Split(text, ',')) {
    const auto numbers = Part(field, part);
    if (numbers.empty()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "'" + std::string(part) + "' is no " + std::string(field.name) + " (" +
                      std::to_string(field.min) + " to " + std::to_string(field.max) + ")");
    }
    for (const unsigned number : numbers) bits.set(number % N);
  }
  return {};
}

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = text.find_first_not_of(" \t", at);
    if (begin == std::string_view::npos) break;
    at = std::min(text.find_first_of(" \t", begin), text.size());
    words.push_back(text.substr(begin, at - begin));
  }
  return words;
}

}  // namespace

Result<Cron> Cron::Parse(std::string_view text) {
  if (text.size() > kTextBytesMax) return Fail(ErrorCode::kInvalidArgument, "too long");
  auto words = Words(text);
  if (words.size() != 5 && words.size() != 6) {
    return Fail(ErrorCode::kInvalidArgument,
                "a cron schedule has five fields, or six with the seconds first; found " +
                    std::to_string(words.size()));
  }
  Cron cron;
  cron.text_ = std::string(text);
  cron.has_seconds_ = words.size() == 6;
  if (!cron.has_seconds_) words.insert(words.begin(), "0");
  TW_RETURN_IF_ERROR(Read({"second", 0, 59, {}}, words[0], cron.seconds_));
  TW_RETURN_IF_ERROR(Read({"minute", 0, 59, {}}, words[1], cron.minutes_));
  TW_RETURN_IF_ERROR(Read({"hour", 0, 23, {}}, words[2], cron.hours_));
  TW_RETURN_IF_ERROR(Read({"day of the month", 1, 31, {}}, words[3], cron.days_));
  TW_RETURN_IF_ERROR(Read({"month", 1, 12, kMonths}, words[4], cron.months_));
  TW_RETURN_IF_ERROR(Read({"day of the week", 0, 7, kWeekdays}, words[5], cron.weekdays_));
  cron.any_day_ = words[3].starts_with('*');
  cron.any_weekday_ = words[5].starts_with('*');
  cron.fixed_ = !words[0].starts_with('*') && !words[1].starts_with('*') &&
                !words[2].starts_with('*');
  bool possible = !cron.any_weekday_ || cron.any_day_;
  constexpr unsigned kDays[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (unsigned month = 1; month <= 12 && !possible; ++month) {
    for (unsigned day = 1; day <= kDays[month]; ++day) {
      possible = possible || (cron.months_[month] && cron.days_[day]);
    }
  }
  if (!possible) return Fail(ErrorCode::kInvalidArgument, "no such day ever comes");
  return cron;
}

bool Cron::DayMatches(int year, unsigned month, unsigned day) const {
  if (!months_[month]) return false;
  const date::year_month_day when{date::year(year), date::month(month), date::day(day)};
  const bool by_day = days_[day];
  const bool by_weekday = weekdays_[date::weekday(date::sys_days(when)).c_encoding()];
  // Restricted both, either is enough; with a * in one of them, both hold.
  return any_day_ || any_weekday_ ? by_day && by_weekday : by_day || by_weekday;
}

// Local times one by one, each mapped to the one instant at which it runs.
std::optional<WallTime> Cron::NextFixed(WallTime after, const date::time_zone& zone) const {
  // A gap moves a run later by at most a day (Samoa, 2011), so yesterday's may still come.
  auto day = date::floor<date::days>(zone.to_local(after)) - date::days(1);
  const auto last = day + date::years(kYearsMax);
  for (; day < last; day += date::days(1)) {
    const date::year_month_day when(day);
    if (!DayMatches(static_cast<int>(when.year()), unsigned(when.month()), unsigned(when.day()))) {
      continue;
    }
    for (int hour = 0; hour < 24; ++hour) {
      if (!hours_[hour]) continue;
      for (int minute = 0; minute < 60; ++minute) {
        if (!minutes_[minute]) continue;
        for (int second = 0; second < 60; ++second) {
          if (!seconds_[second]) continue;
          const auto local = day + std::chrono::hours(hour) + std::chrono::minutes(minute) +
                             seconds(second);
          // `earliest` gives the first of two in a repeat, and the end of a gap inside one.
          const WallTime at(zone.to_sys(local, date::choose::earliest));
          if (at > after) return at;
        }
      }
    }
  }
  return std::nullopt;
}

// Real instants one by one, skipping what cannot match.
std::optional<WallTime> Cron::NextFollowing(WallTime after, const date::time_zone& zone) const {
  auto at = date::floor<seconds>(after) + seconds(1);
  const auto last = at + std::chrono::hours(24) * 366 * kYearsMax;
  while (at < last) {
    // Within one offset local time runs as real time does.
    const date::sys_info info = zone.get_info(at);
    auto local = date::local_seconds(at.time_since_epoch() + info.offset);
    const auto until = date::local_seconds(info.end.time_since_epoch() + info.offset);
    while (local < until) {
      const auto day = date::floor<date::days>(local);
      const date::year_month_day when(day);
      if (!DayMatches(static_cast<int>(when.year()), unsigned(when.month()),
                      unsigned(when.day()))) {
        local = day + date::days(1);
        if (local.time_since_epoch() - info.offset >= last.time_since_epoch()) return std::nullopt;
        continue;
      }
      const date::hh_mm_ss<seconds> time(local - day);
      if (!hours_[static_cast<size_t>(time.hours().count())]) {
        local = day + time.hours() + std::chrono::hours(1);
      } else if (!minutes_[static_cast<size_t>(time.minutes().count())]) {
        local = day + time.hours() + time.minutes() + std::chrono::minutes(1);
      } else if (!seconds_[static_cast<size_t>(time.seconds().count())]) {
        local += seconds(1);
      } else {
        return WallTime(date::sys_seconds(local.time_since_epoch() - info.offset));
      }
    }
    at = info.end;
  }
  return std::nullopt;
}

WallTime Cron::Next(WallTime after, const date::time_zone& zone) const {
  const auto next = fixed_ ? NextFixed(after, zone) : NextFollowing(after, zone);
  TW_CHECK(next.has_value());  // Parse refused what never comes.
  return *next;
}

}  // namespace tw::ingest
