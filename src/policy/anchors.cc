// Anchors: equalities that every allowed row satisfies, read off the tree (program.h).
#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "policy/cast.h"
#include "policy/program.h"

namespace tw::policy {
namespace {

using Anchors = std::optional<std::vector<Anchor>>;

Anchors One(size_t column, Value value) {
  std::vector<Anchor> list;
  list.push_back({column, std::move(value)});
  return list;
}

// column = value, whichever side the column is on; compared in type `operand`.
Anchors FromEquality(const Expression& a, const Expression& b, Base operand, const Slots& slots) {
  const Expression& column = a.op == Op::kColumn ? a : b;
  const Expression& other = a.op == Op::kColumn ? b : a;
  const auto left = ValueForEveryRow(a, slots);
  const auto right = ValueForEveryRow(b, slots);
  if (left && right) {
    const bool never = left->is_null() || right->is_null() || Compare(operand, *left, *right) != 0;
    return never ? Anchors(std::vector<Anchor>{}) : std::nullopt;
  }
  if (column.op != Op::kColumn) return std::nullopt;
  const auto value = ValueForEveryRow(other, slots);
  if (!value) return std::nullopt;
  return AnchorsFor(column.index, column.column_type, *value);
}

Anchors FromIn(const Expression& e, const Slots& slots) {
  Anchors all = std::vector<Anchor>{};
  for (size_t i = 1; i < e.arguments.size() && all; ++i) {
    all =
        JoinAnchors(std::move(all), FromEquality(e.arguments[0], e.arguments[i], e.operand, slots));
  }
  return all;
}

Anchors FromAny(const Expression& e, const Slots& slots) {
  const Expression& column = e.arguments[0];
  const auto array = ValueForEveryRow(e.arguments[1], slots);
  if (column.op != Op::kColumn || !array || e.comparison != Comparison::kEqual) {
    return std::nullopt;
  }
  Anchors all = std::vector<Anchor>{};
  if (array->kind != Datum::Kind::kArray) return all;
  for (const Datum& item : *array->array) {
    all = JoinAnchors(std::move(all), AnchorsFor(column.index, column.column_type, item));
    if (!all) return all;
  }
  return all;
}

// jsonb ? column: the keys or strings of a JSON value that is the same for every row.
Anchors FromJsonExists(const Expression& e, const Slots& slots) {
  const auto json = ValueForEveryRow(e.arguments[0], slots);
  const Expression& column = e.arguments[1];
  if (column.op != Op::kColumn || !json) return std::nullopt;
  std::vector<Anchor> all;
  if (json->kind != Datum::Kind::kJson) return all;
  const auto add = [&](std::string_view text) { all.push_back({column.index, Value(text)}); };
  for (const json::Member& member : json->json->members()) add(member.key);
  for (const json::Value& item : json->json->items()) {
    if (item.is_string()) add(item.GetString());
  }
  if (json->json->is_string()) add(json->json->GetString());
  if (all.size() > kAnchorsMax) return std::nullopt;
  return all;
}

// NOT x is TRUE when x is FALSE.
Anchors FromNot(const Expression& x, const Slots& slots) {
  if (x.op == Op::kColumn) return One(x.index, Value(false));
  if (x.op == Op::kNot) return AnchorsOf(x.arguments[0], slots);
  if (x.op == Op::kIsDistinct) {
    const Expression& a = x.arguments[0];
    const Expression& b = x.arguments[1];
    const Expression& other = a.op == Op::kColumn ? b : a;
    const Expression& column = a.op == Op::kColumn ? a : b;
    const auto value = ValueForEveryRow(other, slots);
    if (column.op != Op::kColumn || !value) return std::nullopt;
    if (value->is_null()) return One(column.index, Value{});
    return AnchorsFor(column.index, column.column_type, *value);
  }
  if (x.op == Op::kCompare && x.comparison == Comparison::kNotEqual) {
    return FromEquality(x.arguments[0], x.arguments[1], x.operand, slots);
  }
  return std::nullopt;
}

// Booleans and NULLs tell little of a row.
bool Weak(const std::vector<Anchor>& anchors) {
  return std::ranges::any_of(anchors, [](const Anchor& anchor) {
    return anchor.value.is_null() || anchor.value.AsBool() != nullptr;
  });
}

}  // namespace

Anchors AnchorsOf(const Expression& e, const Slots& slots) {
  if (const auto value = ValueForEveryRow(e, slots)) {
    if (value->is_true()) return std::nullopt;
    return std::vector<Anchor>{};
  }
  switch (e.op) {
    case Op::kColumn:
      return One(e.index, Value(true));
    case Op::kAnd: {
      Anchors best;
      for (const Expression& argument : e.arguments) {
        best = BetterAnchors(std::move(best), AnchorsOf(argument, slots));
      }
      return best;
    }
    case Op::kOr: {
      Anchors all = std::vector<Anchor>{};
      for (const Expression& argument : e.arguments) {
        all = JoinAnchors(std::move(all), AnchorsOf(argument, slots));
        if (!all) return all;
      }
      return all;
    }
    case Op::kNot:
      return FromNot(e.arguments[0], slots);
    case Op::kIsTrue:
      return AnchorsOf(e.arguments[0], slots);
    case Op::kIsFalse:
      return FromNot(e.arguments[0], slots);
    case Op::kIsNull:
      if (e.arguments[0].op == Op::kColumn) return One(e.arguments[0].index, Value{});
      return std::nullopt;
    case Op::kCompare:
      if (e.comparison != Comparison::kEqual) return std::nullopt;
      return FromEquality(e.arguments[0], e.arguments[1], e.operand, slots);
    case Op::kIn:
      return FromIn(e, slots);
    case Op::kAny:
      return FromAny(e, slots);
    case Op::kJsonExists:
      return FromJsonExists(e, slots);
    default:
      return std::nullopt;  // Nothing that an index could use.
  }
}

bool AnchorsSelectMore(const std::vector<Anchor>& a, const std::vector<Anchor>& b) {
  if (Weak(a) != Weak(b)) return Weak(b);
  return a.size() < b.size();
}

Anchors BetterAnchors(Anchors a, Anchors b) {
  if (!a) return b;
  if (!b) return a;
  return AnchorsSelectMore(*b, *a) ? std::move(b) : std::move(a);
}

Anchors JoinAnchors(Anchors a, Anchors b) {
  if (!a || !b) return std::nullopt;
  for (Anchor& anchor : *b) {
    if (std::ranges::find(*a, anchor) == a->end()) a->push_back(std::move(anchor));
    if (a->size() > kAnchorsMax) return std::nullopt;
  }
  return a;
}

Anchors AnchorsFor(size_t column, ColumnType type, const Datum& value) {
  if (value.is_null() || value.is_error()) return std::vector<Anchor>{};
  switch (type) {
    case ColumnType::kBool:
      return One(column, Value(value.boolean));
    case ColumnType::kInt2:
    case ColumnType::kInt4:
    case ColumnType::kInt8:
      // Compared as numeric the value may be a decimal text: "5.0" equals 5.
      if (value.kind == Datum::Kind::kInt) return One(column, Value(value.integer));
      return std::nullopt;
    case ColumnType::kText:
    case ColumnType::kOther:
      return One(column, Value(value.text));
    case ColumnType::kEncoded:
      return std::nullopt;
    case ColumnType::kUuid: {
      std::string lower = ToLower(value.text);
      std::string upper = lower;
      for (char& c : upper) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
      Anchors forms = One(column, Value(std::move(lower)));
      return JoinAnchors(std::move(forms), One(column, Value(std::move(upper))));
    }
    case ColumnType::kDate:
      // Compared with a timestamp the column is cast and is no plain column here.
      return One(column, Value(TextOf(value, Base::kDate)));
    case ColumnType::kFloat8:
    case ColumnType::kNumeric:
    case ColumnType::kBytea:
    case ColumnType::kJson:
    case ColumnType::kTimestamp:
    case ColumnType::kTimestamptz:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace tw::policy
