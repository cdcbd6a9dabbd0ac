#include "policy/decimal.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

#include "base/strings.h"

namespace tw::policy {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

size_t CountDigits(std::string_view text) {
  return static_cast<size_t>(std::ranges::find_if_not(text, IsDigit) - text.begin());
}

enum class Magnitude : int8_t { kNegativeInfinity = -1, kFinite = 0, kInfinity = 1, kNaN = 2 };

struct View {
  Magnitude magnitude = Magnitude::kFinite;
  bool negative = false;
  std::string_view whole;     // Without leading zeros.
  std::string_view fraction;  // Without trailing zeros.
  bool zero() const { return whole.empty() && fraction.empty(); }
};

View ViewOf(std::string_view text) {
  View view;
  if (text == "NaN") return {Magnitude::kNaN};
  if (text == "Infinity") return {Magnitude::kInfinity};
  if (text == "-Infinity") return {Magnitude::kNegativeInfinity};
  if (!text.empty() && text.front() == '-') {
    view.negative = true;
    text.remove_prefix(1);
  }
  const size_t point = std::min(text.find('.'), text.size());
  view.whole = text.substr(0, point);
  view.whole.remove_prefix(std::min(view.whole.find_first_not_of('0'), view.whole.size()));
  if (point < text.size()) view.fraction = text.substr(point + 1);
  view.fraction = view.fraction.substr(0, view.fraction.find_last_not_of('0') + 1);
  if (view.zero()) view.negative = false;
  return view;
}

int CompareFinite(const View& a, const View& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = 0;
  if (a.whole.size() != b.whole.size()) {
    order = a.whole.size() < b.whole.size() ? -1 : 1;
  } else {
    order = a.whole.compare(b.whole);
    if (order == 0) order = a.fraction.compare(b.fraction);
  }
  return a.negative ? -order : order;
}

std::optional<std::string> SpecialValue(std::string_view text) {
  const std::string lower = ToLower(text);
  if (lower == "nan") return "NaN";
  if (lower == "inf" || lower == "infinity" || lower == "+inf" || lower == "+infinity") {
    return "Infinity";
  }
  if (lower == "-inf" || lower == "-infinity") return "-Infinity";
  return std::nullopt;
}

// Moves the point of whole.fraction by `exponent` places.
std::string Shifted(std::string_view whole, std::string_view fraction, int64_t exponent) {
  std::string digits = std::string(whole) + std::string(fraction);
  int64_t point = static_cast<int64_t>(whole.size()) + exponent;
  if (point < 0) {
    digits.insert(0, static_cast<size_t>(-point), '0');
    point = 0;
  }
  if (point > static_cast<int64_t>(digits.size())) {
    digits.append(static_cast<size_t>(point) - digits.size(), '0');
  }
  std::string left = digits.substr(0, static_cast<size_t>(point));
  const std::string right = digits.substr(static_cast<size_t>(point));
  left.erase(0, std::min(left.find_first_not_of('0'), left.size()));
  if (left.empty()) left = "0";
  return right.empty() ? left : left + "." + right;
}

}  // namespace

Result<std::string> CanonicalDecimal(std::string_view source) {
  const auto bad = [&] {
    return Fail(ErrorCode::kInvalidArgument,
                "invalid input syntax for type numeric: \"" + std::string(source) + "\"");
  };
  std::string_view text = Trim(source);
  if (auto special = SpecialValue(text)) return *std::move(special);
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  const std::string_view whole = text.substr(0, CountDigits(text));
  text.remove_prefix(whole.size());
  std::string_view fraction;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    fraction = text.substr(0, CountDigits(text));
    text.remove_prefix(fraction.size());
  }
  if (whole.empty() && fraction.empty()) return bad();
  int64_t exponent = 0;
  if (!text.empty()) {
    if (text.front() != 'e' && text.front() != 'E') return bad();
    text.remove_prefix(1);
    if (!text.empty() && text.front() == '+') text.remove_prefix(1);
    const auto parsed = ParseInt64(text);
    if (!parsed) return bad();
    exponent = *parsed;
  }
  const auto limit = static_cast<int64_t>(kNumericDigitsMax);
  if (whole.size() > kNumericDigitsMax || fraction.size() > kNumericDigitsMax || exponent > limit ||
      exponent < -limit) {
    return Fail(ErrorCode::kInvalidArgument, "value overflows numeric format");
  }
  std::string result = Shifted(whole, fraction, exponent);
  if (negative && !ViewOf(result).zero()) result.insert(0, 1, '-');
  return result;
}

bool IsPlainDecimal(std::string_view text) {
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") return true;
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  const size_t whole = CountDigits(text);
  if (whole == 0) return false;
  text.remove_prefix(whole);
  if (text.empty()) return true;
  if (text.front() != '.') return false;
  text.remove_prefix(1);
  return !text.empty() && CountDigits(text) == text.size();
}

int CompareDecimals(std::string_view a, std::string_view b) {
  const View left = ViewOf(a);
  const View right = ViewOf(b);
  if (left.magnitude == Magnitude::kFinite && right.magnitude == Magnitude::kFinite) {
    return CompareFinite(left, right);
  }
  return static_cast<int>(left.magnitude) - static_cast<int>(right.magnitude);
}

std::optional<int64_t> RoundDecimal(std::string_view plain) {
  const View view = ViewOf(plain);
  if (view.magnitude != Magnitude::kFinite || view.whole.size() > 19) return std::nullopt;
  uint64_t whole = 0;
  if (!view.whole.empty()) {
    const char* end = view.whole.data() + view.whole.size();
    if (std::from_chars(view.whole.data(), end, whole).ec != std::errc{}) return std::nullopt;
  }
  if (!view.fraction.empty() && view.fraction.front() >= '5') ++whole;
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (whole > kMax + (view.negative ? 1 : 0)) return std::nullopt;
  return static_cast<int64_t>(view.negative ? 0 - whole : whole);
}

double DecimalToDouble(std::string_view plain) {
  double value = 0;
  const char* end = plain.data() + plain.size();
  if (std::from_chars(plain.data(), end, value).ec == std::errc{}) return value;
  // Out of double's range: the infinities and zero that strtod gives.
  return std::strtod(std::string(plain).c_str(), nullptr);
}

}  // namespace tw::policy
