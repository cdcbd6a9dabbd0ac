#include "policy/cast.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "policy/decimal.h"

namespace tw::policy {
namespace {

constexpr int64_t kMicrosPerDay = int64_t{86'400} * 1'000'000;

Datum InRange(int64_t value, Base base, Scratch& scratch) {
  const bool fits = base == Base::kInt8 ||
                    (base == Base::kInt4 && value == static_cast<int32_t>(value)) ||
                    (base == Base::kInt2 && value == static_cast<int16_t>(value));
  return fits ? Datum::Int(value) : scratch.Fail(TypeText({base}) + " out of range");
}

Datum NumericToInteger(const Datum& value, Base to, Scratch& scratch) {
  if (value.kind == Datum::Kind::kInt) return InRange(value.integer, to, scratch);
  const auto rounded = RoundDecimal(value.text);
  if (rounded) return InRange(*rounded, to, scratch);
  if (value.text == "NaN") return scratch.Fail("cannot convert NaN to " + TypeText({to}));
  if (value.text.ends_with("Infinity")) {
    return scratch.Fail("cannot convert infinity to " + TypeText({to}));
  }
  return scratch.Fail(TypeText({to}) + " out of range");
}

Datum RealToInteger(double value, Base to, Scratch& scratch) {
  const double rounded = std::nearbyint(value);  // Half to even, as PostgreSQL's rint.
  if (!(rounded >= -0x1p63 && rounded < 0x1p63)) {
    return scratch.Fail(TypeText({to}) + " out of range");
  }
  return InRange(static_cast<int64_t>(rounded), to, scratch);
}

Datum RealToNumeric(double value, Scratch& scratch) {
  char buffer[64];
  const int length = std::snprintf(buffer, sizeof buffer, "%.15g", value);
  auto decimal = CanonicalDecimal(std::string_view(buffer, static_cast<size_t>(length)));
  return decimal.ok() ? scratch.Keep(std::move(*decimal)) : scratch.Fail(decimal.error().message);
}

Datum NumericToReal(const Datum& value) {
  if (value.kind == Datum::Kind::kInt) return Datum::Real(static_cast<double>(value.integer));
  return Datum::Real(DecimalToDouble(value.text));
}

Datum CastNumber(const Datum& value, Base from, Base to, Scratch& scratch) {
  if (to == Base::kBool) return Datum::Bool(value.integer != 0);
  if (from == Base::kFloat8) {
    if (IsInteger(to)) return RealToInteger(value.real, to, scratch);
    return RealToNumeric(value.real, scratch);
  }
  if (to == Base::kFloat8) return NumericToReal(value);
  if (to == Base::kNumeric) return value;
  return NumericToInteger(value, to, scratch);
}

std::string_view JsonbKindText(const json::Value& value) {
  switch (value.kind()) {
    case json::Kind::kNull:
      return "null";
    case json::Kind::kBool:
      return "boolean";
    case json::Kind::kInt:
    case json::Kind::kNumber:
      return "numeric";
    case json::Kind::kString:
      return "string";
    case json::Kind::kArray:
      return "array";
    case json::Kind::kObject:
      return "object";
  }
  return "";
}

Datum CastJsonb(const json::Value& value, Base to, Scratch& scratch) {
  const bool number = value.kind() == json::Kind::kInt || value.kind() == json::Kind::kNumber;
  if (to == Base::kBool && value.kind() == json::Kind::kBool) return Datum::Bool(value.GetBool());
  if (!IsNumber(to) || !number) {
    return scratch.Fail("cannot cast jsonb " + std::string(JsonbKindText(value)) + " to type " +
                        TypeText({to}));
  }
  if (value.kind() == json::Kind::kInt) {
    return CastNumber(Datum::Int(value.GetInt()), Base::kInt8, to, scratch);
  }
  auto decimal = CanonicalDecimal(value.NumberText());
  if (!decimal.ok()) return scratch.Fail(decimal.error().message);
  return CastNumber(scratch.Keep(std::move(*decimal)), Base::kNumeric, to, scratch);
}

Datum CastMoment(int64_t value, Base from, Base to) {
  if (from == Base::kDate) return Datum::Int(value * kMicrosPerDay);
  if (to != Base::kDate) return Datum::Int(value);  // The session's zone is UTC.
  int64_t days = value / kMicrosPerDay;
  if (value % kMicrosPerDay < 0) --days;
  return Datum::Int(days);
}

std::string DateText(int64_t days) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02u", int(date.year()), unsigned(date.month()),
                unsigned(date.day()));
  return buffer;
}

std::string MomentText(int64_t micros, Base base) {
  const int64_t days = CastMoment(micros, base, Base::kDate).integer;
  int64_t rest = micros - days * kMicrosPerDay;
  char buffer[32];
  const int64_t seconds = rest / 1'000'000;
  std::snprintf(buffer, sizeof buffer, " %02d:%02d:%02d", int(seconds / 3600),
                int(seconds / 60 % 60), int(seconds % 60));
  std::string text = DateText(days) + buffer;
  if (rest %= 1'000'000; rest != 0) {
    std::snprintf(buffer, sizeof buffer, ".%06d", int(rest));
    text += buffer;
    text.erase(text.find_last_not_of('0') + 1);
  }
  return base == Base::kTimestamptz ? text + "+00" : text;
}

std::string RealText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  // PostgreSQL writes an exponent below 1e-4 and from 1e15 on, with two digits at least.
  const double size = std::fabs(value);
  const bool exponent = size != 0 && (size < 1e-4 || size >= 1e15);
  char buffer[64];
  const auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr);
}

void AppendJsonbString(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char buffer[8];
          std::snprintf(buffer, sizeof buffer, "\\u%04x", c);
          out += buffer;
        } else {
          out += c;
        }
    }
  }
  out += '"';
}

void AppendJsonbObject(std::string& out, const json::Value& object) {
  std::vector<const json::Member*> members;
  for (const json::Member& member : object.members()) {
    if (object.Find(member.key) == &member.value) members.push_back(&member);
  }
  std::ranges::sort(members, [](const json::Member* a, const json::Member* b) {
    if (a->key.size() != b->key.size()) return a->key.size() < b->key.size();
    return a->key < b->key;
  });
  out += '{';
  for (const json::Member* member : members) {
    if (member != members.front()) out += ", ";
    AppendJsonbString(out, member->key);
    out += ": ";
    AppendJsonb(out, member->value);
  }
  out += '}';
}

bool ScalarCastExists(Base from, Base to) {
  if (from == to || from == Base::kText || to == Base::kText) return true;
  if (IsNumber(from) && IsNumber(to)) return true;
  if (IsMoment(from) && IsMoment(to)) return true;
  if (from == Base::kJsonb) return to == Base::kBool || IsNumber(to);
  return (from == Base::kBool && to == Base::kInt4) || (from == Base::kInt4 && to == Base::kBool);
}

}  // namespace

bool CastExists(Type from, Type to) {
  if (from.array != to.array) return false;
  if (to.base == Base::kOther || to.base == Base::kUnknown) return from.base == to.base;
  return ScalarCastExists(from.base, to.base);
}

Datum Cast(const Datum& value, Type from, Type to, Scratch& scratch) {
  if (value.is_null() || value.is_error() || from.base == to.base) return value;
  if (from.array) {
    std::vector<Datum> items;
    for (const Datum& item : *value.array) {
      items.push_back(Cast(item, {from.base}, {to.base}, scratch));
      if (items.back().is_error()) return items.back();
    }
    return scratch.Keep(std::move(items));
  }
  if (to.base == Base::kText) return scratch.Keep(TextOf(value, from.base));
  if (from.base == Base::kText) return ReadLiteral(value.text, to, scratch);
  if (from.base == Base::kJsonb) return CastJsonb(*value.json, to.base, scratch);
  if (from.base == Base::kBool) return Datum::Int(value.boolean ? 1 : 0);
  if (IsMoment(from.base)) return CastMoment(value.integer, from.base, to.base);
  return CastNumber(value, from.base, to.base, scratch);
}

std::string TextOf(const Datum& value, Base base) {
  switch (base) {
    case Base::kBool:
      return value.boolean ? "true" : "false";
    case Base::kInt2:
    case Base::kInt4:
    case Base::kInt8:
      return std::to_string(value.integer);
    case Base::kNumeric:
      return value.kind == Datum::Kind::kInt ? std::to_string(value.integer)
                                             : std::string(value.text);
    case Base::kFloat8:
      return RealText(value.real);
    case Base::kUuid:
      return ToLower(value.text);
    case Base::kJsonb: {
      std::string text;
      AppendJsonb(text, *value.json);
      return text;
    }
    case Base::kDate:
      return DateText(value.integer);
    case Base::kTimestamp:
    case Base::kTimestamptz:
      return MomentText(value.integer, base);
    case Base::kBytea: {
      std::string text = "\\x";
      for (const char c : value.text) {
        char buffer[4];
        std::snprintf(buffer, sizeof buffer, "%02x", static_cast<unsigned char>(c));
        text += buffer;
      }
      return text;
    }
    case Base::kUnknown:
    case Base::kText:
    case Base::kOther:
      return std::string(value.text);
  }
  TW_UNREACHABLE();
}

void AppendJsonb(std::string& out, const json::Value& value) {
  switch (value.kind()) {
    case json::Kind::kNull:
      out += "null";
      return;
    case json::Kind::kBool:
      out += value.GetBool() ? "true" : "false";
      return;
    case json::Kind::kInt:
      out += std::to_string(value.GetInt());
      return;
    case json::Kind::kNumber: {
      const auto decimal = CanonicalDecimal(value.NumberText());
      out += decimal.ok() ? *decimal : std::string(value.NumberText());
      return;
    }
    case json::Kind::kString:
      AppendJsonbString(out, value.GetString());
      return;
    case json::Kind::kArray: {
      out += '[';
      const char* separator = "";
      for (const json::Value& item : value.items()) {
        out += separator;
        AppendJsonb(out, item);
        separator = ", ";
      }
      out += ']';
      return;
    }
    case json::Kind::kObject:
      AppendJsonbObject(out, value);
      return;
  }
}

}  // namespace tw::policy
