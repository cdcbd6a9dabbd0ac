// The kinds of values that a configuration has and C++ lacks.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/location.h"

namespace tw::config {

// A number of bytes. Text form: an integer and a unit, "512B", "64KiB", "1MiB", "20GiB", "1TiB".
struct ByteSize {
  uint64_t bytes = 0;
  auto operator<=>(const ByteSize&) const = default;
};
constexpr ByteSize KiB(uint64_t n) {
  return {n << 10};
}
constexpr ByteSize MiB(uint64_t n) {
  return {n << 20};
}
constexpr ByteSize GiB(uint64_t n) {
  return {n << 30};
}

// Errors: kInvalidArgument when the unit is missing or unknown, or beyond uint64.
Result<ByteSize> ParseByteSize(std::string_view text);
// The largest unit that divides it: "1MiB".
std::string ToString(ByteSize size);

// A share. Text form "5%", "0.5%"; the sign is required.
struct Percent {
  double value = 0;  // 5 for "5%"
  auto operator<=>(const Percent&) const = default;
  double Fraction() const { return value / 100; }
};
Result<Percent> ParsePercent(std::string_view text);
std::string ToString(Percent percent);

// Text form of durations: an integer and a unit out of us, ms, s, m, h, d; "-30d" is allowed.
// Errors: kInvalidArgument when the unit is missing or unknown, or beyond int64 microseconds.
Result<std::chrono::microseconds> ParseDuration(std::string_view text);
// The largest unit that divides it: "90s", "2h"; zero is "0s".
std::string DurationText(std::chrono::microseconds duration);

// A value that is never printed: << writes ***, and there is no conversion to text but Reveal().
class Secret {
 public:
  Secret() = default;
  // `reference` is how the file names it ("${env:TOKEN}"), to print in its stead; may be empty.
  explicit Secret(std::string value, std::string reference = {})
      : value_(std::move(value)), reference_(std::move(reference)) {}

  const std::string& Reveal() const { return value_; }
  const std::string& reference() const { return reference_; }
  bool empty() const { return value_.empty(); }
  bool operator==(const Secret& other) const { return value_ == other.value_; }

 private:
  std::string value_;
  std::string reference_;
};
std::ostream& operator<<(std::ostream& out, const Secret& secret);

// A value that remembers where it was said, for checks after loading.
template <typename T>
struct Located {
  T value{};
  Location where;

  Located() = default;
  Located(T held) : value(std::move(held)) {}  // NOLINT: defaults are written as plain values.
  const T& operator*() const { return value; }
  const T* operator->() const { return &value; }
};

// A map in source order, with the place of each key. Keys are unique and not empty.
template <typename T>
struct OrderedMap {
  struct Item {
    std::string key;
    T value{};
    Location where;  // Of the key.
  };
  std::vector<Item> items;

  auto begin() const { return items.begin(); }
  auto end() const { return items.end(); }
  auto begin() { return items.begin(); }
  auto end() { return items.end(); }
  size_t size() const { return items.size(); }
  bool empty() const { return items.empty(); }
  const T* Find(std::string_view key) const {
    for (const Item& item : items) {
      if (item.key == key) return &item.value;
    }
    return nullptr;
  }
};

// `a` or `[a, b]` in the file.
template <typename T>
struct OneOrList {
  std::vector<T> items;

  auto begin() const { return items.begin(); }
  auto end() const { return items.end(); }
  size_t size() const { return items.size(); }
  bool empty() const { return items.empty(); }
};

}  // namespace tw::config
