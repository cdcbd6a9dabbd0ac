#include "ingest/mapping/time_text.h"

#include <date/date.h>
#include <date/tz.h>

#include <array>
#include <cstdio>
#include <sstream>

#include "base/strings.h"
#include "ingest/mapping/decimal.h"
#include "ingest/mapping/expression.h"

namespace tw::ingest::mapping {
namespace {

using std::chrono::microseconds;

constexpr auto kFirst = date::sys_days{date::year{0} / 1 / 1};
constexpr auto kLast = date::sys_days{date::year{10000} / 1 / 1};

std::optional<WallTime> InRange(WallTime time) {
  if (time < kFirst || time >= kLast) return std::nullopt;
  return time;
}

// Seconds or milliseconds since 1970, with a fraction perhaps.
std::optional<WallTime> ReadUnix(const Datum& input, int digits_to_micro) {
  const auto text = input.ToText();
  auto number = text ? NormalizeDecimal(*text) : std::nullopt;
  if (!number) return std::nullopt;
  number = NormalizeDecimal(*number + 'e' + std::to_string(digits_to_micro));
  if (!number) return std::nullopt;
  const auto whole = ParseInt64(std::string_view(*number).substr(0, number->find('.')));
  if (!whole) return std::nullopt;
  return InRange(WallTime(microseconds(*whole)));
}

std::optional<WallTime> ReadLetters(const std::string& text, const std::string& format,
                                    const date::time_zone* zone) {
  std::istringstream in(text);
  date::local_time<microseconds> local;
  std::string abbreviation;
  constexpr std::chrono::minutes kNone{INT32_MIN};
  std::chrono::minutes offset = kNone;
  date::from_stream(in, format.c_str(), local, &abbreviation, &offset);
  if (in.fail() || in.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
  const WallTime as_utc{local.time_since_epoch()};
  if (!InRange(as_utc)) return std::nullopt;
  if (offset != kNone) return InRange(as_utc - offset);
  if (zone == nullptr) return as_utc;
  return InRange(zone->to_sys(local, date::choose::earliest));
}

}  // namespace

bool IsTimeFormat(std::string_view format) {
  if (format == "rfc3339" || format == "unix" || format == "unix_ms") return true;
  bool letters = false;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') continue;
    constexpr std::string_view kLetters = "aAbBdDeFhHIjmMnpRStTyYzZ%";
    // The library would also take widths, and overflow on large ones.
    if (++i == format.size() || !kLetters.contains(format[i])) return false;
    letters = letters || format[i] != '%';
  }
  return letters;
}

std::optional<WallTime> ReadTime(const Datum& input, const std::string& format,
                                 const date::time_zone* zone) {
  if (format == "unix") return ReadUnix(input, 6);
  if (format == "unix_ms") return ReadUnix(input, 3);
  const auto text = input.AsText();
  if (!text) return std::nullopt;
  const std::string trimmed(Trim(*text));
  if (format != "rfc3339") return ReadLetters(trimmed, format, zone);
  const auto time = ParseTimestamp(trimmed);
  return time.ok() ? InRange(*time) : std::nullopt;
}

std::string MonthStart(WallTime time, const date::time_zone* zone) {
  const auto local = zone == nullptr ? date::local_time<microseconds>(time.time_since_epoch())
                                     : zone->to_local(time);
  const date::year_month_day day{date::floor<date::days>(local)};
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%04d-%02u-01", static_cast<int>(day.year()),
                static_cast<unsigned>(day.month()));
  return text.data();
}

std::string TimeText(WallTime time) {
  const auto day = date::floor<date::days>(time);
  const date::year_month_day date{day};
  const date::hh_mm_ss<microseconds> clock{time - day};
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return text.data();
}

}  // namespace tw::ingest::mapping
