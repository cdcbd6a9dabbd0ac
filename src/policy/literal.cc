// The input functions of the types: text → value (declared in cast.h).
#include <charconv>
#include <chrono>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "base/strings.h"
#include "policy/cast.h"
#include "policy/decimal.h"

namespace tw::policy {
namespace {

Datum Bad(std::string_view text, Type to, Scratch& scratch) {
  return scratch.Fail("invalid input syntax for type " + TypeText(to) + ": \"" + std::string(text) +
                      "\"");
}

Datum OutOfRange(std::string_view text, Base to, Scratch& scratch) {
  return scratch.Fail("value \"" + std::string(text) + "\" is out of range for type " +
                      TypeText({to}));
}

Datum ReadBool(std::string_view text, Scratch& scratch) {
  const std::string word = ToLower(Trim(text));
  const auto prefix = [&](std::string_view whole, size_t least) {
    return word.size() >= least && whole.starts_with(word);
  };
  if (prefix("true", 1) || prefix("yes", 1) || word == "on" || word == "1") {
    return Datum::Bool(true);
  }
  if (prefix("false", 1) || prefix("no", 1) || prefix("off", 2) || word == "0") {
    return Datum::Bool(false);
  }
  return Bad(text, {Base::kBool}, scratch);
}

Datum ReadInteger(std::string_view text, Base to, Scratch& scratch) {
  std::string_view digits = Trim(text);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return Bad(text, {to}, scratch);
  }
  const auto value = ParseInt64((negative ? "-" : "") + std::string(digits));
  const bool fits = value && (to == Base::kInt8 ||
                              (to == Base::kInt4 && *value == static_cast<int32_t>(*value)) ||
                              (to == Base::kInt2 && *value == static_cast<int16_t>(*value)));
  return fits ? Datum::Int(*value) : OutOfRange(text, to, scratch);
}

Datum ReadReal(std::string_view text, Scratch& scratch) {
  std::string_view number = Trim(text);
  if (number.starts_with('+')) number.remove_prefix(1);
  double value = 0;
  const char* end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, value);
  if (error == std::errc::result_out_of_range && stop == end) {
    return scratch.Fail("\"" + std::string(text) + "\" is out of range for type double precision");
  }
  if (error != std::errc{} || stop != end) return Bad(text, {Base::kFloat8}, scratch);
  return Datum::Real(value);
}

// Braces, upper case and hyphens after any group of four digits are accepted, as by uuid_in.
Datum ReadUuid(std::string_view text, Scratch& scratch) {
  std::string_view rest = text;
  const bool braces = rest.starts_with('{');
  if (braces) rest.remove_prefix(1);
  std::string uuid;
  for (int digits = 0; digits < 32; ++digits) {
    if (digits > 0 && digits % 4 == 0 && rest.starts_with('-')) rest.remove_prefix(1);
    const char c = rest.empty() ? '\0' : rest.front();
    const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c + ('a' - 'A')) : c;
    if (!((lower >= '0' && lower <= '9') || (lower >= 'a' && lower <= 'f'))) {
      return Bad(text, {Base::kUuid}, scratch);
    }
    if (digits == 8 || digits == 12 || digits == 16 || digits == 20) uuid += '-';
    uuid += lower;
    rest.remove_prefix(1);
  }
  if (rest != (braces ? "}" : "")) return Bad(text, {Base::kUuid}, scratch);
  return scratch.Keep(std::move(uuid));
}

Datum ReadBytea(std::string_view text, Scratch& scratch) {
  std::string bytes;
  if (!text.starts_with("\\x") || text.size() % 2 != 0) {
    return Bad(text, {Base::kBytea}, scratch);
  }
  for (size_t i = 2; i < text.size(); i += 2) {
    uint8_t byte = 0;
    const char* end = text.data() + i + 2;
    if (std::from_chars(text.data() + i, end, byte, 16).ptr != end) {
      return Bad(text, {Base::kBytea}, scratch);
    }
    bytes += static_cast<char>(byte);
  }
  return scratch.Keep(std::move(bytes));
}

// array_in for one dimension: "{a,\"b c\",NULL}".
Datum ReadArray(std::string_view text, Base element, Scratch& scratch) {
  const auto malformed = [&] {
    return scratch.Fail("malformed array literal: \"" + std::string(text) + "\"");
  };
  std::string_view rest = Trim(text);
  if (rest.size() < 2 || !rest.starts_with('{') || !rest.ends_with('}')) return malformed();
  rest = rest.substr(1, rest.size() - 2);
  std::vector<Datum> items;
  bool more = !Trim(rest).empty();
  while (more) {
    std::string item;
    bool quoted = false;
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t\n\r\v\f"), rest.size()));
    if (rest.starts_with('"')) {
      quoted = true;
      rest.remove_prefix(1);
      while (!rest.empty() && rest.front() != '"') {
        if (rest.front() == '\\') rest.remove_prefix(1);
        if (rest.empty()) return malformed();
        item += rest.front();
        rest.remove_prefix(1);
      }
      if (rest.empty()) return malformed();
      rest.remove_prefix(1);
    }
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string_view raw = Trim(rest.substr(0, end));
    if (quoted ? !raw.empty() : (raw.empty() || raw.find_first_of("\"\\{}") != raw.npos)) {
      return malformed();
    }
    if (!quoted) item = raw;
    if (!quoted && EqualsIgnoreCase(item, "null")) {
      items.emplace_back();
    } else {
      items.push_back(ReadLiteral(item, {element}, scratch));
      if (items.back().is_error()) return items.back();
    }
    more = end < rest.size();
    rest.remove_prefix(more ? end + 1 : end);
  }
  return scratch.Keep(std::move(items));
}

}  // namespace

std::optional<int64_t> ReadIsoDate(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = ParseUint64(text.substr(0, 4));
  const auto month = ParseUint64(text.substr(5, 2));
  const auto day = ParseUint64(text.substr(8, 2));
  if (!year || !month || !day || *year == 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date}.time_since_epoch().count();
}

std::optional<int64_t> ReadMoment(std::string_view text, Base base) {
  if (const auto date = ReadIsoDate(text)) return *date * int64_t{86'400} * 1'000'000;
  if (base == Base::kTimestamp && text.size() > 11) {
    // The zone starts at the first sign or Z after the date; PostgreSQL ignores it.
    const size_t zone = std::min(text.find_first_of("+-Zz", 11), text.size());
    if (!ParseTimestamp(text).ok()) return std::nullopt;
    text = text.substr(0, zone);
  }
  const auto time = ParseTimestamp(text);
  if (!time.ok()) return std::nullopt;
  return time->time_since_epoch().count();
}

Datum ReadLiteral(std::string_view text, Type to, Scratch& scratch) {
  if (to.array) return ReadArray(text, to.base, scratch);
  switch (to.base) {
    case Base::kBool:
      return ReadBool(text, scratch);
    case Base::kInt2:
    case Base::kInt4:
    case Base::kInt8:
      return ReadInteger(text, to.base, scratch);
    case Base::kNumeric: {
      auto decimal = CanonicalDecimal(text);
      return decimal.ok() ? scratch.Keep(std::move(*decimal))
                          : scratch.Fail(decimal.error().message);
    }
    case Base::kFloat8:
      return ReadReal(text, scratch);
    case Base::kUuid:
      return ReadUuid(text, scratch);
    case Base::kJsonb: {
      auto document = json::Parse(text);
      return document.ok() ? scratch.Keep(std::move(*document))
                           : scratch.Fail("invalid input syntax for type json");
    }
    case Base::kDate: {
      const auto days = ReadIsoDate(Trim(text));
      return days ? Datum::Int(*days) : Bad(text, to, scratch);
    }
    case Base::kTimestamp:
    case Base::kTimestamptz: {
      const auto moment = ReadMoment(Trim(text), to.base);
      return moment ? Datum::Int(*moment) : Bad(text, to, scratch);
    }
    case Base::kBytea:
      return ReadBytea(text, scratch);
    case Base::kUnknown:
    case Base::kText:
    case Base::kOther:
      return scratch.Keep(std::string(text));
  }
  TW_UNREACHABLE();
}

}  // namespace tw::policy
