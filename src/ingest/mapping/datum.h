// What an expression gives: a value to store, a piece of the payload, or a list of these.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "json/json.h"
#include "model/value.h"

namespace tw::ingest::mapping {

// A number as exact text: "-12.50"; no exponent, no leading zeros, scale kept. See decimal.h.
struct Decimal {
  std::string text;
  bool operator==(const Decimal&) const = default;
};

class Datum;
using List = std::vector<Datum>;

// A json::Value in it borrows the payload's Document, which must outlive the Datum. A JSON null is
// never kept: it is the null Value.
class Datum : public std::variant<Value, json::Value, Decimal, List> {
 public:
  using variant::variant;
  Datum() = default;
  Datum(json::Value json);  // NOLINT: a payload's piece is a datum.

  bool is_null() const;
  const List* AsList() const { return std::get_if<List>(this); }
  std::optional<bool> AsBool() const;    // A boolean, from either side.
  std::optional<int64_t> AsInt() const;  // An integer that fits; never from text.
  // The bytes of a text, from either side; borrowed from this datum or its payload.
  std::optional<std::string_view> AsText() const;

  // For a column: texts, booleans, int64 as such; other numbers as their exact text; objects,
  // arrays and lists as JSON text.
  Value ToValue() const;
  // For format, join and hash: like ToValue, as text; null gives nullopt.
  std::optional<std::string> ToText() const;
  void AppendJson(std::string& out) const;
};

// Equal type and content; numbers by exact value (1 equals 1.0); null equals only null.
bool Equal(const Datum& a, const Datum& b);

}  // namespace tw::ingest::mapping
