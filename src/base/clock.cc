#include "base/clock.h"

#include <array>
#include <cstdio>

namespace tw {
namespace {

class RealClock : public Clock {
 public:
  WallTime Wall() const override {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
  }
  MonoTime Mono() const override { return std::chrono::steady_clock::now(); }
};

// Reads digits off the front of `text` and removes them; -1 when they are not all digits.
int TakeDigits(std::string_view& text, size_t count) {
  if (text.size() < count) return -1;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool TakeChar(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// Parses "Z", "+05", "+05:30", "+0530" or nothing. False when something else follows.
bool TakeZone(std::string_view& text, std::chrono::minutes& offset) {
  offset = std::chrono::minutes{0};
  if (text.empty()) return true;
  if (TakeChar(text, "Zz")) return text.empty();
  const bool negative = text.front() == '-';
  if (!TakeChar(text, "+-")) return false;
  const int hours = TakeDigits(text, 2);
  if (hours < 0 || hours > 15) return false;
  int minutes = 0;
  if (!text.empty()) {
    TakeChar(text, ":");
    minutes = TakeDigits(text, 2);
    if (minutes < 0 || minutes > 59) return false;
  }
  offset = std::chrono::minutes{hours * 60 + minutes};
  if (negative) offset = -offset;
  return text.empty();
}

}  // namespace

Clock& SystemClock() {
  static RealClock clock;
  return clock;
}

std::string FormatTimestampMs(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{
      std::chrono::floor<std::chrono::milliseconds>(time - day)};
  std::array<char, 40> text;
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", int(date.year()),
      unsigned(date.month()), unsigned(date.day()), int(clock.hours().count()),
      int(clock.minutes().count()), int(clock.seconds().count()),
      int(clock.subseconds().count()));
  return std::string(text.data(), static_cast<size_t>(length));
}

Result<WallTime> ParseTimestamp(std::string_view text) {
  const std::string_view whole = text;
  const auto bad = [&] {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + std::string(whole.substr(0, 64)) + "' is not an RFC 3339 timestamp");
  };
  const int year = TakeDigits(text, 4);
  if (year < 0 || !TakeChar(text, "-")) return bad();
  const int month = TakeDigits(text, 2);
  if (month < 0 || !TakeChar(text, "-")) return bad();
  const int day = TakeDigits(text, 2);
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{unsigned(month)},
                                         std::chrono::day{unsigned(day)}};
  if (day < 0 || !date.ok()) return bad();
  if (text.empty()) return WallTime{std::chrono::sys_days{date}};
  if (!TakeChar(text, "Tt ")) return bad();
  const int hour = TakeDigits(text, 2);
  if (hour < 0 || hour > 23 || !TakeChar(text, ":")) return bad();
  const int minute = TakeDigits(text, 2);
  if (minute < 0 || minute > 59) return bad();
  int second = 0;
  if (TakeChar(text, ":")) {
    second = TakeDigits(text, 2);
    if (second < 0 || second > 60) return bad();
  }
  int64_t micros = 0;
  if (TakeChar(text, ".,")) {
    int digits = 0;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
      if (++digits <= 6) micros = micros * 10 + (text.front() - '0');
    }
    if (digits == 0 || digits > 9) return bad();
    for (; digits < 6; ++digits) micros *= 10;
  }
  std::chrono::minutes offset;
  if (!TakeZone(text, offset)) return bad();
  return WallTime{std::chrono::sys_days{date}} + std::chrono::hours{hour} +
         std::chrono::minutes{minute} + std::chrono::seconds{second} +
         std::chrono::microseconds{micros} - offset;
}

}  // namespace tw
