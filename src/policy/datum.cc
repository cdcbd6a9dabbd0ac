#include "policy/datum.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "policy/cast.h"
#include "policy/decimal.h"
#include "policy/jsonb.h"

namespace tw::policy {
namespace {

template <typename T>
int Order(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

int CompareReals(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return int{std::isnan(a)} - int{std::isnan(b)};
  return Order(a, b);
}

int CompareNumerics(const Datum& a, const Datum& b) {
  if (a.kind == Datum::Kind::kInt && b.kind == Datum::Kind::kInt)
    return Order(a.integer, b.integer);
  char buffer[2][24];
  const auto text = [&](const Datum& datum, char(&space)[24]) -> std::string_view {
    if (datum.kind == Datum::Kind::kText) return datum.text;
    const auto end = std::to_chars(space, space + sizeof space, datum.integer).ptr;
    return {space, static_cast<size_t>(end - space)};
  };
  return CompareDecimals(text(a, buffer[0]), text(b, buffer[1]));
}

char Folded(char c) {
  return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
}

int CompareUuids(std::string_view a, std::string_view b) {
  if (a == b) return 0;  // Most often both are in lower case.
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    if (const int order = Order(Folded(a[i]), Folded(b[i]))) return order;
  }
  return Order(a.size(), b.size());
}

// What a byte may be in a UUID's text, as bits.
constexpr uint8_t kDigit = 1;
constexpr uint8_t kLower = 2;
constexpr uint8_t kUpper = 4;
constexpr uint8_t kHyphen = 8;
constexpr uint8_t kAlien = 16;

constexpr auto kUuidBytes = [] {
  std::array<uint8_t, 256> bits{};
  bits.fill(kAlien);
  for (int c = '0'; c <= '9'; ++c) bits[c] = kDigit;
  for (int c = 'a'; c <= 'f'; ++c) bits[c] = kLower;
  for (int c = 'A'; c <= 'F'; ++c) bits[c] = kUpper;
  bits['-'] = kHyphen;
  return bits;
}();

// 8-4-4-4-12 hex digits, the letters all lower or all upper case.
bool IsStoredUuid(std::string_view text) {
  if (text.size() != 36) return false;
  uint8_t seen = 0;
  const auto group = [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) seen |= kUuidBytes[static_cast<unsigned char>(text[i])];
  };
  group(0, 8);
  group(9, 13);
  group(14, 18);
  group(19, 23);
  group(24, 36);
  const bool hyphens = text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-';
  const bool mixed = (seen & kLower) != 0 && (seen & kUpper) != 0;
  return hyphens && !mixed && (seen & (kHyphen | kAlien)) == 0;
}

Datum Misfit(Scratch& scratch) {
  return scratch.Fail("stored value does not fit its column's type");
}

std::string ShortestText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

Datum ReadNumeric(const Value& value, Scratch& scratch) {
  if (const auto* integer = value.AsInt()) return Datum::Int(*integer);
  const auto* text = value.AsText();
  if (text != nullptr && IsPlainDecimal(*text)) return Datum::Text(*text);
  const auto* real = value.AsDouble();
  if (real == nullptr && text == nullptr) return Misfit(scratch);
  auto decimal = CanonicalDecimal(real != nullptr ? ShortestText(*real) : *text);
  return decimal.ok() ? scratch.Keep(std::move(*decimal)) : Misfit(scratch);
}

Datum ReadJson(const Value& value, Scratch& scratch) {
  std::string number;
  std::string_view text;
  if (const auto* stored = value.AsText()) {
    text = *stored;
  } else if (const auto* integer = value.AsInt()) {
    text = number = std::to_string(*integer);
  } else if (const auto* real = value.AsDouble()) {
    text = number = ShortestText(*real);
  } else {
    return Misfit(scratch);
  }
  auto document = json::Parse(text);
  return document.ok() ? scratch.Keep(std::move(*document)) : Misfit(scratch);
}

Datum ReadTime(const Value& value, Base base, Scratch& scratch) {
  const auto* text = value.AsText();
  if (text == nullptr) return Misfit(scratch);
  const auto moment = base == Base::kDate ? ReadIsoDate(*text) : ReadMoment(*text, base);
  return moment ? Datum::Int(*moment) : Misfit(scratch);
}

}  // namespace

std::string TypeText(Type type) {
  const auto name = [&]() -> std::string {
    switch (type.base) {
      case Base::kUnknown:
        return "unknown";
      case Base::kBool:
        return "boolean";
      case Base::kInt2:
        return "smallint";
      case Base::kInt4:
        return "integer";
      case Base::kInt8:
        return "bigint";
      case Base::kNumeric:
        return "numeric";
      case Base::kFloat8:
        return "double precision";
      case Base::kText:
        return "text";
      case Base::kUuid:
        return "uuid";
      case Base::kJsonb:
        return "jsonb";
      case Base::kDate:
        return "date";
      case Base::kTimestamp:
        return "timestamp without time zone";
      case Base::kTimestamptz:
        return "timestamp with time zone";
      case Base::kBytea:
        return "bytea";
      case Base::kOther:
        return "a type of the database";
    }
    return "unknown";
  }();
  return type.array ? name + "[]" : name;
}

Base BaseOf(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
      return Base::kBool;
    case ColumnType::kInt2:
      return Base::kInt2;
    case ColumnType::kInt4:
      return Base::kInt4;
    case ColumnType::kInt8:
      return Base::kInt8;
    case ColumnType::kFloat8:
      return Base::kFloat8;
    case ColumnType::kNumeric:
      return Base::kNumeric;
    case ColumnType::kText:
      return Base::kText;
    case ColumnType::kBytea:
      return Base::kBytea;
    case ColumnType::kJson:
      return Base::kJsonb;
    case ColumnType::kTimestamptz:
      return Base::kTimestamptz;
    case ColumnType::kTimestamp:
      return Base::kTimestamp;
    case ColumnType::kDate:
      return Base::kDate;
    case ColumnType::kUuid:
      return Base::kUuid;
    case ColumnType::kOther:
    case ColumnType::kEncoded:
      return Base::kOther;
  }
  return Base::kOther;
}

int Compare(Base base, const Datum& a, const Datum& b) {
  switch (base) {
    case Base::kBool:
      return int{a.boolean} - int{b.boolean};
    case Base::kInt2:
    case Base::kInt4:
    case Base::kInt8:
    case Base::kDate:
    case Base::kTimestamp:
    case Base::kTimestamptz:
      return Order(a.integer, b.integer);
    case Base::kNumeric:
      return CompareNumerics(a, b);
    case Base::kFloat8:
      return CompareReals(a.real, b.real);
    case Base::kUuid:
      return CompareUuids(a.text, b.text);
    case Base::kJsonb:
      return JsonbEqual(*a.json, *b.json) ? 0 : 1;
    case Base::kUnknown:
    case Base::kText:
    case Base::kBytea:
    case Base::kOther:
      return a.text.compare(b.text);
  }
  TW_UNREACHABLE();
}

Datum ReadColumn(const Value& value, ColumnType type, Scratch& scratch) {
  if (value.is_null()) return {};
  switch (type) {
    case ColumnType::kEncoded:
      return scratch.Fail("only the database can judge a value of this type");
    case ColumnType::kBool:
      if (const auto* held = value.AsBool()) return Datum::Bool(*held);
      return Misfit(scratch);
    case ColumnType::kInt2:
    case ColumnType::kInt4:
    case ColumnType::kInt8:
      if (const auto* held = value.AsInt()) return Datum::Int(*held);
      return Misfit(scratch);
    case ColumnType::kFloat8:
      if (const auto* held = value.AsDouble()) return Datum::Real(*held);
      if (const auto* held = value.AsInt()) return Datum::Real(static_cast<double>(*held));
      return Misfit(scratch);
    case ColumnType::kNumeric:
      return ReadNumeric(value, scratch);
    case ColumnType::kText:
    case ColumnType::kOther:
      if (const auto* held = value.AsText()) return Datum::Text(*held);
      return Misfit(scratch);
    case ColumnType::kUuid:
      if (const auto* held = value.AsText(); held != nullptr && IsStoredUuid(*held)) {
        return Datum::Text(*held);
      }
      return Misfit(scratch);
    case ColumnType::kBytea:
      if (const auto* held = value.AsBytes()) return Datum::Text(held->data);
      return Misfit(scratch);
    case ColumnType::kJson:
      return ReadJson(value, scratch);
    case ColumnType::kDate:
    case ColumnType::kTimestamp:
    case ColumnType::kTimestamptz:
      return ReadTime(value, BaseOf(type), scratch);
  }
  TW_UNREACHABLE();
}

Datum Own(const Datum& datum, Scratch& scratch) {
  switch (datum.kind) {
    case Datum::Kind::kText:
      return scratch.Keep(std::string(datum.text));
    case Datum::Kind::kJson: {
      auto copy = json::Parse(datum.json->ToText());
      TW_CHECK(copy.ok());
      return scratch.Keep(std::move(*copy));
    }
    case Datum::Kind::kArray: {
      std::vector<Datum> items;
      for (const Datum& item : *datum.array) items.push_back(Own(item, scratch));
      return scratch.Keep(std::move(items));
    }
    case Datum::Kind::kNull:
    case Datum::Kind::kError:
    case Datum::Kind::kBool:
    case Datum::Kind::kInt:
    case Datum::Kind::kReal:
      return datum;
  }
  TW_UNREACHABLE();
}

void AppendIdentity(std::string& out, const Datum& datum) {
  const auto text = [&](char tag, std::string_view body) {
    out += tag;
    out += std::to_string(body.size());
    out += ':';
    out += body;
  };
  switch (datum.kind) {
    case Datum::Kind::kNull:
      out += 'n';
      return;
    case Datum::Kind::kError:
      out += 'e';
      return;
    case Datum::Kind::kBool:
      out += datum.boolean ? 't' : 'f';
      return;
    case Datum::Kind::kInt:
      text('i', std::to_string(datum.integer));
      return;
    case Datum::Kind::kReal:
      text('r', ShortestText(datum.real));
      return;
    case Datum::Kind::kText:
      text('s', datum.text);
      return;
    case Datum::Kind::kJson: {
      std::string body;
      AppendJsonb(body, *datum.json);
      text('j', body);
      return;
    }
    case Datum::Kind::kArray:
      out += "a" + std::to_string(datum.array->size()) + ":";
      for (const Datum& item : *datum.array) AppendIdentity(out, item);
      return;
  }
}

}  // namespace tw::policy
