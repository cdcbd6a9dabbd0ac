#include "config/types.h"

#include <array>
#include <charconv>

#include "base/strings.h"

namespace tw::config {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};
constexpr std::array kSizes = {Unit{"B", 1}, Unit{"KiB", 1ull << 10}, Unit{"MiB", 1ull << 20},
                               Unit{"GiB", 1ull << 30}, Unit{"TiB", 1ull << 40}};
constexpr std::array kTimes = {
    Unit{"us", 1},         Unit{"ms", 1'000},        Unit{"s", 1'000'000},
    Unit{"m", 60'000'000}, Unit{"h", 3'600'000'000}, Unit{"d", 86'400'000'000}};

constexpr std::string_view kSizeUnits = "B, KiB, MiB, GiB, TiB";
constexpr std::string_view kTimeUnits = "us, ms, s, m, h, d";

// An integer without sign and one of `units`, multiplied.
Result<uint64_t> ParseAmount(std::string_view text, std::span<const Unit> units,
                             std::string_view names) {
  const size_t split = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view name = text.substr(split);
  const auto amount = ParseUint64(text.substr(0, split));
  if (split == 0) return Fail(ErrorCode::kInvalidArgument, "no number");
  if (name.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the unit is missing: one of " + std::string(names));
  }
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    uint64_t product = 0;
    if (!amount || __builtin_mul_overflow(*amount, unit.factor, &product)) break;
    return product;
  }
  for (const Unit& unit : units) {
    if (unit.name == name) return Fail(ErrorCode::kInvalidArgument, "too large");
  }
  return Fail(ErrorCode::kInvalidArgument,
              "unknown unit '" + std::string(name) + "': one of " + std::string(names));
}

std::string AmountText(uint64_t amount, std::span<const Unit> units, std::string_view zero) {
  if (amount == 0) return std::string(zero);
  for (size_t i = units.size(); i-- > 0;) {
    if (amount % units[i].factor == 0) {
      return std::to_string(amount / units[i].factor) + std::string(units[i].name);
    }
  }
  return {};
}

}  // namespace

Result<ByteSize> ParseByteSize(std::string_view text) {
  TW_ASSIGN_OR_RETURN(const uint64_t bytes, ParseAmount(text, kSizes, kSizeUnits));
  return ByteSize{bytes};
}

std::string ToString(ByteSize size) {
  return AmountText(size.bytes, kSizes, "0B");
}

Result<Percent> ParsePercent(std::string_view text) {
  std::string_view number = text;
  if (!number.ends_with('%')) return Fail(ErrorCode::kInvalidArgument, "the sign % is missing");
  number.remove_suffix(1);
  Percent percent;
  const char* const end = number.data() + number.size();
  const auto parsed = std::from_chars(number.data(), end, percent.value, std::chars_format::fixed);
  if (parsed.ec != std::errc{} || parsed.ptr != end || !(percent.value > -1e12) ||
      !(percent.value < 1e12)) {
    return Fail(ErrorCode::kInvalidArgument, "no number before the %");
  }
  return percent;
}

std::string ToString(Percent percent) {
  std::array<char, 512> buffer;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), percent.value,
                                     std::chars_format::fixed);
  return std::string(buffer.data(), written.ptr) + '%';
}

Result<std::chrono::microseconds> ParseDuration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  TW_ASSIGN_OR_RETURN(const uint64_t amount, ParseAmount(text, kTimes, kTimeUnits));
  if (amount > static_cast<uint64_t>(INT64_MAX)) {
    return Fail(ErrorCode::kInvalidArgument, "too large");
  }
  const auto signed_amount = static_cast<int64_t>(amount);
  return std::chrono::microseconds(negative ? -signed_amount : signed_amount);
}

std::string DurationText(std::chrono::microseconds duration) {
  const int64_t count = duration.count();
  const uint64_t amount = count < 0 ? -static_cast<uint64_t>(count) : static_cast<uint64_t>(count);
  return (count < 0 ? "-" : "") + AmountText(amount, kTimes, "0s");
}

std::ostream& operator<<(std::ostream& out, const Secret&) {
  return out << "***";
}

}  // namespace tw::config
