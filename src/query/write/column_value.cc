#include "query/write/column_value.h"

#include "base/clock.h"
#include "base/strings.h"
#include "crypto/encoding.h"

namespace tw::query {
namespace {

std::unexpected<WriteError> NotOfType(const Column& column, std::string_view text) {
  return std::unexpected(WriteError{400, "22P02",
                                    "invalid input syntax for type " + column.type_name + ": \"" +
                                        std::string(text.substr(0, 64)) + "\""});
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (hyphen ? c != '-' : !hex) return false;
  }
  return true;
}

bool IsNumber(std::string_view text) {
  const auto number = json::Parse(text);
  return number.ok() && (number->root().kind() == json::Kind::kInt ||
                         number->root().kind() == json::Kind::kNumber);
}

// A text, also of a number or boolean, as a value of the column's type.
WriteOr<Value> FromText(const Column& column, std::string_view text) {
  switch (column.type) {
    case ColumnType::kBool:
      if (text == "true" || text == "t" || text == "1") return Value(true);
      if (text == "false" || text == "f" || text == "0") return Value(false);
      return NotOfType(column, text);
    case ColumnType::kInt2:
    case ColumnType::kInt4:
    case ColumnType::kInt8: {
      const auto value = ParseInt64(Trim(text));
      if (!value) return NotOfType(column, text);
      return Value(*value);
    }
    case ColumnType::kFloat8: {
      const auto number = json::Parse(text);
      if (!IsNumber(text)) return NotOfType(column, text);
      return Value(number->root().GetDouble());
    }
    case ColumnType::kNumeric:
      if (!IsNumber(text)) return NotOfType(column, text);
      return Value(text);
    case ColumnType::kTimestamptz:
    case ColumnType::kTimestamp: {
      const auto time =
          ParseTimestamp(text.size() == 10 ? std::string(text) + "T00:00:00Z" : std::string(text));
      if (!time.ok()) return NotOfType(column, text);
      return Value(text);
    }
    case ColumnType::kDate:
      if (text.size() != 10 || !ParseTimestamp(std::string(text) + "T00:00:00Z").ok()) {
        return NotOfType(column, text);
      }
      return Value(text);
    case ColumnType::kUuid:
      if (!IsUuid(text)) return NotOfType(column, text);
      return Value(ToLower(text));
    case ColumnType::kBytea: {
      const auto bytes = crypto::DecodeHex(text.starts_with("\\x") ? text.substr(2) : text);
      if (!bytes.ok()) return NotOfType(column, text);
      return Value(Bytes{*bytes});
    }
    case ColumnType::kJson: {
      std::string quoted;
      json::AppendString(quoted, text);
      return Value(std::move(quoted));
    }
    case ColumnType::kText:
    case ColumnType::kOther:
    case ColumnType::kEncoded:
      return Value(text);
  }
  return Value(text);
}

}  // namespace

WriteOr<Value> ReadColumnValue(const Column& column, const json::Value& given) {
  if (given.is_null()) return Value();
  if (column.type == ColumnType::kJson) return Value(given.ToText());
  switch (given.kind()) {
    case json::Kind::kString:
      return FromText(column, given.GetString());
    case json::Kind::kInt:
    case json::Kind::kNumber:
      return FromText(column, given.NumberText());
    case json::Kind::kBool:
      return FromText(column, given.GetBool() ? "true" : "false");
    case json::Kind::kArray:
    case json::Kind::kObject:
      if (column.type == ColumnType::kText) return Value(given.ToText());
      return NotOfType(column, given.ToText());
    case json::Kind::kNull:
      return Value();
  }
  return Value();
}

}  // namespace tw::query
