#include "ingest/mapping/datum.h"

#include "ingest/mapping/decimal.h"

namespace tw::ingest::mapping {
namespace {

bool IsNumber(const json::Value& value) {
  return value.kind() == json::Kind::kInt || value.kind() == json::Kind::kNumber;
}

// The exact text of a number; nullopt for all else and for texts.
std::optional<std::string> NumberOf(const Datum& datum) {
  if (const auto integer = datum.AsInt()) return std::to_string(*integer);
  if (const auto* decimal = std::get_if<Decimal>(&datum)) return decimal->text;
  if (const auto* piece = std::get_if<json::Value>(&datum); piece != nullptr && IsNumber(*piece)) {
    auto text = NormalizeDecimal(piece->NumberText());
    return text ? text : std::optional(std::string(piece->NumberText()));
  }
  return std::nullopt;
}

void AppendPlain(std::string& out, const Value& value) {
  if (value.is_null()) {
    out += "null";
  } else if (const bool* boolean = value.AsBool()) {
    out += *boolean ? "true" : "false";
  } else if (const int64_t* integer = value.AsInt()) {
    json::AppendInt(out, *integer);
  } else if (const double* number = value.AsDouble()) {
    json::AppendDouble(out, *number);
  } else if (const std::string* text = value.AsText()) {
    json::AppendString(out, *text);
  } else {
    tw::AppendJson(out, value, ColumnType::kBytea);
  }
}

}  // namespace

Datum::Datum(json::Value json)
    : variant(json.is_null() ? variant() : variant(std::in_place_type<json::Value>, json)) {}

bool Datum::is_null() const {
  const Value* value = std::get_if<Value>(this);
  return value != nullptr && value->is_null();
}

std::optional<bool> Datum::AsBool() const {
  if (const auto* piece = std::get_if<json::Value>(this)) return piece->AsBool();
  if (const auto* value = std::get_if<Value>(this); value != nullptr && value->AsBool()) {
    return *value->AsBool();
  }
  return std::nullopt;
}

std::optional<int64_t> Datum::AsInt() const {
  if (const auto* piece = std::get_if<json::Value>(this)) return piece->AsInt();
  if (const auto* value = std::get_if<Value>(this); value != nullptr && value->AsInt()) {
    return *value->AsInt();
  }
  return std::nullopt;
}

std::optional<std::string_view> Datum::AsText() const {
  if (const auto* piece = std::get_if<json::Value>(this)) return piece->AsString();
  if (const auto* value = std::get_if<Value>(this); value != nullptr && value->AsText()) {
    return *value->AsText();
  }
  return std::nullopt;
}

Value Datum::ToValue() const {
  if (const auto* value = std::get_if<Value>(this)) return *value;
  if (const auto* decimal = std::get_if<Decimal>(this)) return decimal->text;
  if (const auto* piece = std::get_if<json::Value>(this)) {
    switch (piece->kind()) {
      case json::Kind::kNull:
        return {};
      case json::Kind::kBool:
        return piece->GetBool();
      case json::Kind::kInt:
        return piece->GetInt();
      case json::Kind::kNumber:
        return piece->NumberText();
      case json::Kind::kString:
        return piece->GetString();
      case json::Kind::kArray:
      case json::Kind::kObject:
        return piece->ToText();
    }
  }
  std::string text;
  AppendJson(text);
  return text;
}

std::optional<std::string> Datum::ToText() const {
  if (is_null()) return std::nullopt;
  if (const auto text = AsText()) return std::string(*text);
  if (const auto* decimal = std::get_if<Decimal>(this)) return decimal->text;
  std::string text;
  AppendJson(text);
  return text;
}

void Datum::AppendJson(std::string& out) const {
  if (const auto* value = std::get_if<Value>(this)) {
    AppendPlain(out, *value);
  } else if (const auto* decimal = std::get_if<Decimal>(this)) {
    out += decimal->text;
  } else if (const auto* piece = std::get_if<json::Value>(this)) {
    piece->AppendTo(out);
  } else {
    char separator = '[';
    for (const Datum& item : *AsList()) {
      out += separator;
      item.AppendJson(out);
      separator = ',';
    }
    out += AsList()->empty() ? "[]" : "]";
  }
}

bool Equal(const Datum& a, const Datum& b) {
  if (const auto left = a.AsText()) return b.AsText() == left;
  if (a.is_null() || b.is_null()) return a.is_null() && b.is_null();
  if (const auto left = a.AsBool()) return b.AsBool() == left;
  if (const auto left = a.AsInt(), right = b.AsInt(); left && right) return *left == *right;
  if (const auto left = NumberOf(a), right = NumberOf(b); left || right) {
    if (!left || !right) return false;
    const auto exact_left = NormalizeDecimal(*left);
    const auto exact_right = NormalizeDecimal(*right);
    if (exact_left && exact_right) return SameDecimal(*exact_left, *exact_right);
    return *left == *right;
  }
  std::string left;
  std::string right;
  a.AppendJson(left);
  b.AppendJson(right);
  return left == right;
}

}  // namespace tw::ingest::mapping
