// Values while an expression is evaluated, and their types. A Datum is a view: its text, JSON and
// arrays live in the row, in the claims, in the Program or in a Scratch.
#pragma once

#include <cstdint>
#include <forward_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "model/value.h"

namespace tw::policy {

// Scalar types. json is treated as jsonb.
enum class Base : uint8_t {
  kUnknown,  // A literal whose type its surroundings decide.
  kBool,
  kInt2,
  kInt4,
  kInt8,
  kNumeric,
  kFloat8,
  kText,
  kUuid,
  kJsonb,
  kDate,
  kTimestamp,
  kTimestamptz,
  kBytea,
  kOther,  // Known to the database only: text that can be compared for equality.
};

struct Type {
  Base base = Base::kUnknown;
  bool array = false;
  // auth.uid(): text that becomes uuid where a uuid is wanted.
  bool flexible = false;
  bool operator==(const Type&) const = default;
};

// "integer", "timestamp with time zone", "text[]": as PostgreSQL's messages spell it.
std::string TypeText(Type type);
Base BaseOf(ColumnType type);
inline bool IsInteger(Base b) {
  return b == Base::kInt2 || b == Base::kInt4 || b == Base::kInt8;
}
inline bool IsNumber(Base b) {
  return IsInteger(b) || b == Base::kNumeric || b == Base::kFloat8;
}
inline bool IsMoment(Base b) {
  return b == Base::kDate || b == Base::kTimestamp || b == Base::kTimestamptz;
}

// How each type is held: bool kBool · integers kInt · numeric kInt or kText (plain decimal) ·
// float8 kReal · text, uuid (36 characters of one case), bytea, other kText · jsonb kJson · date
// kInt (days since 1970) · timestamps kInt (microseconds since 1970) · arrays kArray.
struct Datum {
  enum class Kind : uint8_t { kNull, kError, kBool, kInt, kReal, kText, kJson, kArray };

  Kind kind = Kind::kNull;
  union {
    int64_t integer = 0;
    bool boolean;
    double real;
    const json::Value* json;
    const std::vector<Datum>* array;
  };
  std::string_view text;

  bool is_null() const { return kind == Kind::kNull; }
  // The error that was put into the Scratch; absorbs whatever it meets.
  bool is_error() const { return kind == Kind::kError; }
  bool is_true() const { return kind == Kind::kBool && boolean; }
  bool is_false() const { return kind == Kind::kBool && !boolean; }

  static Datum Error() { return Make(Kind::kError); }
  static Datum Bool(bool value) {
    Datum datum = Make(Kind::kBool);
    datum.boolean = value;
    return datum;
  }
  static Datum Int(int64_t value) {
    Datum datum = Make(Kind::kInt);
    datum.integer = value;
    return datum;
  }
  static Datum Real(double value) {
    Datum datum = Make(Kind::kReal);
    datum.real = value;
    return datum;
  }
  static Datum Text(std::string_view value) {
    Datum datum = Make(Kind::kText);
    datum.text = value;
    return datum;
  }
  static Datum Json(const json::Value* value) {
    Datum datum = Make(Kind::kJson);
    datum.json = value;
    return datum;
  }
  static Datum Array(const std::vector<Datum>* value) {
    Datum datum = Make(Kind::kArray);
    datum.array = value;
    return datum;
  }

 private:
  static Datum Make(Kind kind) {
    Datum datum;
    datum.kind = kind;
    return datum;
  }
};

// Owns what an evaluation computes, and its first error. Costs nothing while unused. One thread.
class Scratch {
 public:
  Datum Keep(std::string text) { return Datum::Text(texts_.emplace_front(std::move(text))); }
  Datum Keep(json::Document document) {
    return Datum::Json(&documents_.emplace_front(std::move(document)).root());
  }
  Datum Keep(std::vector<Datum> items) {
    return Datum::Array(&arrays_.emplace_front(std::move(items)));
  }
  Datum Fail(std::string message) {
    if (!error_) error_ = std::move(message);
    return Datum::Error();
  }
  const std::optional<std::string>& error() const { return error_; }

 private:
  std::forward_list<std::string> texts_;
  std::forward_list<json::Document> documents_;
  std::forward_list<std::vector<Datum>> arrays_;
  std::optional<std::string> error_;
};

// <0, 0, >0 of two non-null values of one type (for kJsonb only: 0 or not). Text by bytes; numerics
// exactly; NaN equals itself and is above everything.
int Compare(Base base, const Datum& a, const Datum& b);

// A stored value as its column's type; an error when it does not fit (policy.h, "Differs").
Datum ReadColumn(const Value& value, ColumnType type, Scratch& scratch);

// A copy that depends on nothing but `scratch`.
Datum Own(const Datum& datum, Scratch& scratch);

// Appends a text that is equal only for values of one type that are the same.
void AppendIdentity(std::string& out, const Datum& datum);

}  // namespace tw::policy
