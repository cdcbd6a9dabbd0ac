#include "query/named/read_set.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace tw::query {
namespace {

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

int Rank(const Value& value) {
  if (value.AsText() != nullptr) return 2;
  return value.AsBytes() != nullptr ? 3 : 1;
}

std::strong_ordering OrderIntReal(int64_t integer, double real) {
  constexpr double kTwo63 = 9'223'372'036'854'775'808.0;
  if (real >= kTwo63) return std::strong_ordering::less;
  if (real < -kTwo63) return std::strong_ordering::greater;
  const auto whole = static_cast<int64_t>(real);
  if (integer != whole) return integer <=> whole;
  const double rest = real - static_cast<double>(whole);
  return rest > 0   ? std::strong_ordering::less
         : rest < 0 ? std::strong_ordering::greater
                    : std::strong_ordering::equal;
}

std::strong_ordering OrderNumbers(const Value& a, const Value& b) {
  const int64_t* const integer_a = a.AsInt();
  const int64_t* const integer_b = b.AsInt();
  if (integer_a != nullptr && integer_b != nullptr) return *integer_a <=> *integer_b;
  if (integer_a != nullptr) return OrderIntReal(*integer_a, *b.AsDouble());
  if (integer_b != nullptr) {
    return 0 <=> OrderIntReal(*integer_b, *a.AsDouble());
  }
  return *a.AsDouble() < *b.AsDouble()   ? std::strong_ordering::less
         : *a.AsDouble() > *b.AsDouble() ? std::strong_ordering::greater
                                         : std::strong_ordering::equal;
}

// How SQLite converts `value` when it is compared with a column of that affinity; nullopt where
// the answer depends on more than is worth following.
std::optional<Value> Convert(const Value& value, Affinity affinity) {
  if (affinity == Affinity::kText) {
    if (value.AsBool() != nullptr) return Value(*value.AsBool() ? "1" : "0");
    if (value.AsInt() != nullptr) return Value(std::to_string(*value.AsInt()));
    if (value.AsDouble() != nullptr) return std::nullopt;
    return value;
  }
  if (affinity == Affinity::kNumeric && value.AsText() != nullptr) {
    const std::string& text = *value.AsText();
    if (const auto integer = ParseInt64(text); integer && std::to_string(*integer) == text) {
      return Value(*integer);
    }
    // Text that begins like a number may become one; all else stays text.
    const size_t first = text.find_first_not_of(" \t\n\v\f\r");
    if (first == text.npos) return value;
    const char c = text[first];
    const bool like_number = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (!like_number) return value;
    // What holds a character that no number has stays text as well: dates, uuids.
    if (text.find_first_not_of("0123456789+-.eE \t\n\v\f\r") != text.npos) return value;
    return std::nullopt;
  }
  return Comparable(value);
}

enum class Outcome : uint8_t { kBound, kUnknown, kNever };

// The operand's value; kNever for NULL, which nothing equals.
Outcome BindOperand(const Operand& operand, Affinity affinity,
                    const std::vector<Value>& parameters, Value& out) {
  const Value& given = operand.parameter ? parameters[*operand.parameter] : operand.constant;
  if (given.is_null()) return Outcome::kNever;
  auto converted = Convert(given, affinity);
  if (!converted) return Outcome::kUnknown;
  out = Comparable(*converted);
  return Outcome::kBound;
}

Outcome BindIn(const Predicate& predicate, const std::vector<Value>& parameters,
               BoundPredicate& bound) {
  for (const Operand& operand : predicate.operands) {
    Value value;
    switch (BindOperand(operand, predicate.affinity, parameters, value)) {
      case Outcome::kUnknown: return Outcome::kUnknown;
      case Outcome::kNever: continue;
      case Outcome::kBound: bound.values.push_back(std::move(value));
    }
  }
  const auto less = [](const Value& a, const Value& b) { return Order(a, b) < 0; };
  std::ranges::sort(bound.values, less);
  bound.values.erase(
      std::unique(bound.values.begin(), bound.values.end(),
                  [](const Value& a, const Value& b) { return Order(a, b) == 0; }),
      bound.values.end());
  return bound.values.empty() ? Outcome::kNever : Outcome::kBound;
}

Outcome BindRange(const Predicate& predicate, const std::vector<Value>& parameters,
                  BoundPredicate& bound) {
  bound.is_range = true;
  bound.low_inclusive = predicate.low_inclusive;
  bound.high_inclusive = predicate.high_inclusive;
  for (const bool low : {true, false}) {
    const auto& operand = low ? predicate.low : predicate.high;
    if (!operand) continue;
    Value value;
    const Outcome outcome = BindOperand(*operand, predicate.affinity, parameters, value);
    if (outcome == Outcome::kNever) return outcome;
    if (outcome == Outcome::kBound) (low ? bound.low : bound.high) = std::move(value);
  }
  return bound.low || bound.high ? Outcome::kBound : Outcome::kUnknown;
}

}  // namespace

Affinity AffinityOf(std::string_view declared) {
  const std::string name = ToLower(declared);
  if (Contains(name, "int")) return Affinity::kNumeric;
  if (Contains(name, "char") || Contains(name, "clob") || Contains(name, "text")) {
    return Affinity::kText;
  }
  if (Contains(name, "blob") || name.empty()) return Affinity::kBlob;
  return Affinity::kNumeric;
}

std::string_view ToString(Precision precision) {
  switch (precision) {
    case Precision::kExact: return "exact";
    case Precision::kColumns: return "columns";
    case Precision::kTable: return "table";
  }
  return "table";
}

Precision TableRead::precision() const {
  const bool narrow = std::ranges::none_of(references, &Conjunction::empty);
  if (narrow) return Precision::kExact;
  return every_column ? Precision::kTable : Precision::kColumns;
}

std::vector<BoundConjunction> Bind(const TableRead& read, const std::vector<Value>& parameters) {
  std::vector<BoundConjunction> result;
  for (const Conjunction& reference : read.references) {
    BoundConjunction bound;
    bool never = false;
    for (const Predicate& predicate : reference) {
      BoundPredicate one{.column = predicate.column};
      const Outcome outcome = predicate.kind == Predicate::Kind::kIn
                                  ? BindIn(predicate, parameters, one)
                                  : BindRange(predicate, parameters, one);
      if (outcome == Outcome::kNever) never = true;
      if (outcome == Outcome::kBound) bound.push_back(std::move(one));
    }
    if (!never) result.push_back(std::move(bound));
  }
  return result;
}

bool BoundPredicate::Admits(const Value& value) const {
  if (value.is_null()) return false;
  if (!is_range) {
    return std::ranges::binary_search(
        values, value, [](const Value& a, const Value& b) { return Order(a, b) < 0; });
  }
  if (low) {
    const auto order = Order(value, *low);
    if (order < 0 || (order == 0 && !low_inclusive)) return false;
  }
  if (high) {
    const auto order = Order(value, *high);
    if (order > 0 || (order == 0 && !high_inclusive)) return false;
  }
  return true;
}

Value Comparable(const Value& value) {
  if (const bool* const boolean = value.AsBool()) return Value(int64_t{*boolean});
  if (const double* const real = value.AsDouble()) {
    constexpr double kTwo63 = 9'223'372'036'854'775'808.0;
    if (*real == std::floor(*real) && *real >= -kTwo63 && *real < kTwo63) {
      return Value(static_cast<int64_t>(*real));
    }
  }
  return value;
}

std::strong_ordering Order(const Value& a, const Value& b) {
  if (Rank(a) != Rank(b)) return Rank(a) <=> Rank(b);
  switch (Rank(a)) {
    case 2: return a.AsText()->compare(*b.AsText()) <=> 0;
    case 3: return a.AsBytes()->data.compare(b.AsBytes()->data) <=> 0;
    default: return OrderNumbers(a, b);
  }
}

}  // namespace tw::query
