// model: the nouns that every room speaks: Value, Row, Relation, Change, Batch, Position, Claims.
//
// Start here   value.h → relation.h → change.h → position.h; claims.h for who is asking.
// Promises     Plain immutable data: no I/O, no clock, no threads. Shared between loops only as
//              shared_ptr<const T>.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tw {

// The type of a column as clients see it, named after pg_type.typname. Types outside this list are
// kOther and travel as text under their own name, or kEncoded where clients get something else than
// a string.
enum class ColumnType : uint8_t {
  kBool,
  kInt2,
  kInt4,
  kInt8,
  kFloat8,
  kNumeric,
  kText,
  kBytea,
  kJson,
  kTimestamptz,
  kTimestamp,
  kDate,
  kUuid,
  kOther,
  // Known to the database only (arrays, composites, float4): the text is the JSON that clients get.
  kEncoded,
};

// "int8", "text", …; "text" for kOther and kEncoded.
std::string_view TypeName(ColumnType type);

// Raw bytes (bytea, SQLite BLOB), told apart from text.
struct Bytes {
  std::string data;
  auto operator<=>(const Bytes&) const = default;
};

// Not in the row image: a large value that an UPDATE did not change, or a column outside of the
// replica identity. Never equal to a stored value, so that no filter and no policy can be satisfied
// by it; left out of what clients get.
struct Absent {
  auto operator<=>(const Absent&) const = default;
};

// One SQL value. Monostate is NULL. Types without a C++ counterpart (numeric, timestamps, uuid,
// json) are kept as the text that the database gave.
class Value
    : public std::variant<std::monostate, bool, int64_t, double, std::string, Bytes, Absent> {
 public:
  using variant::variant;
  Value(const char* text) : variant(std::string(text)) {}
  Value(std::string_view text) : variant(std::string(text)) {}
  Value(int value) : variant(int64_t{value}) {}

  bool is_null() const { return index() == 0; }
  bool is_absent() const { return std::holds_alternative<Absent>(*this); }
  const bool* AsBool() const { return std::get_if<bool>(this); }
  const int64_t* AsInt() const { return std::get_if<int64_t>(this); }
  const double* AsDouble() const { return std::get_if<double>(this); }
  const std::string* AsText() const { return std::get_if<std::string>(this); }
  const Bytes* AsBytes() const { return std::get_if<Bytes>(this); }
};

// Equal values of equal kind hash equally (grouping, anchors; not SQL comparison, see policy).
struct ValueHash {
  size_t operator()(const Value& value) const;
};

// Values in the order of a Relation's columns.
using Row = std::vector<Value>;

// Appends `value` as JSON the way Supabase Realtime encodes it (realtime-protocol §3.4): numbers
// unquoted with all digits, json nested, bytea as hex without prefix, NaN and infinities as null.
void AppendJson(std::string& out, const Value& value, ColumnType type);

}  // namespace tw
