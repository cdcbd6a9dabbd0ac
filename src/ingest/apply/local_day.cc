#include "ingest/apply/local_day.h"

#include <date/tz.h>

#include <charconv>

namespace tw::ingest {
namespace {

date::year_month_day DateOf(const date::time_zone& zone, WallTime time) {
  return date::year_month_day(date::floor<date::days>(zone.to_local(time)));
}

void AppendDigits(std::string& out, unsigned value, int digits) {
  char text[8];
  for (int i = digits - 1; i >= 0; --i, value /= 10) text[i] = static_cast<char>('0' + value % 10);
  out.append(text, static_cast<size_t>(digits));
}

std::string TextOf(const date::year_month_day& day) {
  std::string text;
  AppendDigits(text, static_cast<unsigned>(static_cast<int>(day.year())), 4);
  text += '-';
  AppendDigits(text, static_cast<unsigned>(day.month()), 2);
  text += '-';
  AppendDigits(text, static_cast<unsigned>(day.day()), 2);
  return text;
}

Result<date::year_month_day> ParseDate(std::string_view day) {
  int year = 0;
  unsigned month = 0;
  unsigned of_month = 0;
  const auto read = [&](size_t at, size_t size, auto& value) {
    const char* const end = day.data() + at + size;
    const auto [stopped, error] = std::from_chars(day.data() + at, end, value);
    return error == std::errc() && stopped == end;
  };
  const bool shaped = day.size() == 10 && day[4] == '-' && day[7] == '-' && read(0, 4, year) &&
                      read(5, 2, month) && read(8, 2, of_month);
  const date::year_month_day date{date::year(year), date::month(month), date::day(of_month)};
  if (!shaped || !date.ok()) {
    return Fail(ErrorCode::kInvalidArgument, "not a date: " + std::string(day));
  }
  return date;
}

}  // namespace

const date::time_zone* Zones::Find(std::string_view name) {
  if (const auto found = zones_.find(name); found != zones_.end()) return found->second;
  const date::time_zone* zone = nullptr;
  // The library reports an unknown name by throwing; here it ends.
  try {
    zone = date::locate_zone(std::string(name));
  } catch (const std::runtime_error&) {
    zone = nullptr;
  }
  constexpr size_t kZonesMax = 4'096;
  if (zones_.size() < kZonesMax) zones_.emplace(name, zone);
  return zone;
}

std::string LocalDay(const date::time_zone& zone, WallTime time) {
  return TextOf(DateOf(zone, time));
}

Result<std::string> AddDays(std::string_view day, int64_t days) {
  TW_ASSIGN_OR_RETURN(const date::year_month_day date, ParseDate(day));
  return TextOf(date::sys_days(date) + date::days(days));
}

Result<WallTime> NoonOf(const date::time_zone& zone, std::string_view day) {
  TW_ASSIGN_OR_RETURN(const date::year_month_day date, ParseDate(day));
  return WallTime(
      zone.to_sys(date::local_days(date) + std::chrono::hours(12), date::choose::earliest));
}

WallTime NextMonth(const date::time_zone& zone, WallTime time) {
  const date::year_month_day day = DateOf(zone, time);
  const date::year_month_day first = day.year() / day.month() / 1 + date::months(1);
  return WallTime(
      zone.to_sys(date::local_days(first) + std::chrono::seconds(0), date::choose::earliest));
}

}  // namespace tw::ingest
