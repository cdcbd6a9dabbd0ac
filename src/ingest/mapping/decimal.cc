#include "ingest/mapping/decimal.h"

#include <algorithm>

#include "base/strings.h"

namespace tw::ingest::mapping {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// A number as digits without point: value = ±digits × 10^-scale.
struct Parts {
  bool negative = false;
  std::string digits;
  size_t scale = 0;
};

std::string Render(Parts parts) {
  const size_t digits_min = parts.scale + 1;
  if (parts.digits.size() < digits_min) {
    parts.digits.insert(0, digits_min - parts.digits.size(), '0');
  }
  const size_t zeros = std::min(parts.digits.find_first_not_of('0'), parts.digits.size());
  parts.digits.erase(0, std::min(zeros, parts.digits.size() - digits_min));
  const bool zero = parts.digits.find_first_not_of('0') == std::string::npos;
  std::string out = parts.negative && !zero ? "-" : "";
  out += parts.digits.substr(0, parts.digits.size() - parts.scale);
  if (parts.scale > 0) out += '.' + parts.digits.substr(parts.digits.size() - parts.scale);
  return out;
}

// Splits a normalized decimal.
Parts Take(std::string_view text) {
  Parts parts;
  if (text.starts_with('-')) {
    parts.negative = true;
    text.remove_prefix(1);
  }
  const size_t point = text.find('.');
  parts.digits = text.substr(0, point);
  if (point != std::string_view::npos) {
    parts.digits += text.substr(point + 1);
    parts.scale = text.size() - point - 1;
  }
  return parts;
}

void Align(Parts& a, Parts& b) {
  const size_t scale = std::max(a.scale, b.scale);
  for (Parts* parts : {&a, &b}) {
    parts->digits.append(scale - parts->scale, '0');
    parts->scale = scale;
  }
  const size_t size = std::max(a.digits.size(), b.digits.size());
  for (Parts* parts : {&a, &b}) parts->digits.insert(0, size - parts->digits.size(), '0');
}

// a + b or a - b of digit texts of equal size; a ≥ b for the latter.
std::string Combine(const std::string& a, const std::string& b, int sign) {
  std::string out(a.size() + 1, '0');
  int carry = 0;
  for (size_t i = a.size(); i-- > 0;) {
    int digit = (a[i] - '0') + sign * (b[i] - '0') + carry;
    carry = digit > 9 ? 1 : digit < 0 ? -1 : 0;
    digit -= carry * 10;
    out[i + 1] = static_cast<char>('0' + digit);
  }
  out[0] = static_cast<char>('0' + carry);
  return out;
}

}  // namespace

std::optional<std::string> NormalizeDecimal(std::string_view text) {
  text = Trim(text);
  Parts parts;
  if (text.starts_with('-') || text.starts_with('+')) {
    parts.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  size_t at = 0;
  while (at < text.size() && IsDigit(text[at])) parts.digits += text[at++];
  if (at < text.size() && text[at] == '.') {
    const size_t first = ++at;
    while (at < text.size() && IsDigit(text[at])) parts.digits += text[at++];
    parts.scale = at - first;
  }
  if (parts.digits.empty() || parts.digits.size() > kDecimalDigitsMax) return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    std::string_view power = text.substr(at + 1);
    if (power.starts_with('+')) {
      power.remove_prefix(1);
      if (power.empty() || !IsDigit(power.front())) return std::nullopt;
    }
    const auto exponent = ParseInt64(power);
    constexpr auto kExponentMax = static_cast<int64_t>(kDecimalDigitsMax);
    if (!exponent || *exponent > kExponentMax || *exponent < -kExponentMax) return std::nullopt;
    const int64_t scale = static_cast<int64_t>(parts.scale) - *exponent;
    if (scale < 0) parts.digits.append(static_cast<size_t>(-scale), '0');
    parts.scale = scale < 0 ? 0 : static_cast<size_t>(scale);
    at = text.size();
  }
  if (at != text.size()) return std::nullopt;
  std::string out = Render(std::move(parts));
  if (out.size() > kDecimalDigitsMax + 2) return std::nullopt;  // Sign and point.
  return out;
}

std::optional<std::string> AddDecimals(std::string_view a, std::string_view b) {
  Parts left = Take(a);
  Parts right = Take(b);
  Align(left, right);
  Parts sum;
  sum.scale = left.scale;
  sum.negative = left.negative;
  if (left.negative == right.negative) {
    sum.digits = Combine(left.digits, right.digits, 1);
  } else if (left.digits >= right.digits) {
    sum.digits = Combine(left.digits, right.digits, -1);
  } else {
    sum.negative = right.negative;
    sum.digits = Combine(right.digits, left.digits, -1);
  }
  std::string out = Render(std::move(sum));
  if (out.size() > kDecimalDigitsMax + 2) return std::nullopt;
  return out;
}

bool SameDecimal(std::string_view a, std::string_view b) {
  Parts left = Take(a);
  Parts right = Take(b);
  Align(left, right);
  return left.negative == right.negative && left.digits == right.digits;
}

}  // namespace tw::ingest::mapping
