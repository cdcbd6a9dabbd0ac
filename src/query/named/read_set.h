// What a result depends on: tables, columns, and predicates that a row must meet to matter.
//
// A change concerns a result only if, for some reference to its table, the old or the new row meets
// every predicate; an update only if it changed a column that is read. Whatever is not understood
// is left out, which makes the set wider: it never misses a change, and may match one that
// changes nothing (spec queries-and-sdk §1.3).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/relation.h"
#include "model/value.h"

namespace tw::query {

inline constexpr size_t kPredicatesMax = 64;   // Of a table reference; more are left out.
inline constexpr size_t kInValuesMax = 1'000;  // Of one IN list; a longer one is left out.

// SQLite's affinity of a column's declared type (datatype3.html §3.1): how it converts what is
// compared with it.
enum class Affinity : uint8_t { kText, kNumeric, kBlob };
Affinity AffinityOf(std::string_view declared);

// A constant, or the parameter of that number (from 0).
struct Operand {
  std::optional<size_t> parameter;
  Value constant;
};

struct Predicate {
  enum class Kind : uint8_t { kIn, kRange };
  Kind kind = Kind::kIn;
  uint16_t column = 0;
  Affinity affinity = Affinity::kBlob;
  std::vector<Operand> operands;  // kIn: the values. kRange: none.
  std::optional<Operand> low, high;
  bool low_inclusive = false;
  bool high_inclusive = false;
};

// All of them must hold; none: every row.
using Conjunction = std::vector<Predicate>;

enum class Precision : uint8_t { kExact, kColumns, kTable };
std::string_view ToString(Precision precision);

struct TableRead {
  RelationPtr relation;
  bool every_column = false;      // Columns could not be told.
  std::vector<uint16_t> columns;  // Ascending; an update of others does not matter.
  std::vector<Conjunction> references;  // At least one.

  Precision precision() const;
};

struct ReadSet {
  std::vector<TableRead> tables;
  bool time_dependent = false;  // now(), date(…): events alone cannot keep it true.
  bool is_volatile = false;     // random()
};

// The same with its parameters bound: values that compare as SQLite compares them.
struct BoundPredicate {
  uint16_t column = 0;
  bool is_range = false;
  std::vector<Value> values;  // Comparable, sorted, unique.
  std::optional<Value> low, high;
  bool low_inclusive = false;
  bool high_inclusive = false;

  bool Admits(const Value& comparable) const;
};
using BoundConjunction = std::vector<BoundPredicate>;

// References that no row can meet (a NULL parameter) are gone.
std::vector<BoundConjunction> Bind(const TableRead& read, const std::vector<Value>& parameters);

// `value` so that == and Order agree with SQLite's = and <: booleans and whole reals as integers.
// NULL stays NULL, which equals nothing.
Value Comparable(const Value& value);
// SQLite's order of values that are not NULL: numbers, then text by bytes, then blobs.
std::strong_ordering Order(const Value& a, const Value& b);

}  // namespace tw::query
