#include "model/value.h"

#include <functional>

#include "json/json.h"

namespace tw {
namespace {

void AppendHex(std::string& out, std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  out.push_back('"');
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  out.push_back('"');
}

void AppendText(std::string& out, const std::string& text, ColumnType type) {
  if (type == ColumnType::kEncoded) {
    out += text;
    return;
  }
  // Text of a json or numeric column is JSON already, if it parses: SQLite checks nothing.
  if (type == ColumnType::kJson || type == ColumnType::kNumeric) {
    if (const auto document = json::Parse(text); document.ok()) {
      const json::Kind kind = document->root().kind();
      const bool number = kind == json::Kind::kInt || kind == json::Kind::kNumber;
      if (type == ColumnType::kJson || number) {
        document->root().AppendTo(out);
        return;
      }
    }
  }
  json::AppendString(out, text);
}

}  // namespace

std::string_view TypeName(ColumnType type) {
  switch (type) {
    case ColumnType::kBool: return "bool";
    case ColumnType::kInt2: return "int2";
    case ColumnType::kInt4: return "int4";
    case ColumnType::kInt8: return "int8";
    case ColumnType::kFloat8: return "float8";
    case ColumnType::kNumeric: return "numeric";
    case ColumnType::kText: return "text";
    case ColumnType::kBytea: return "bytea";
    case ColumnType::kJson: return "jsonb";
    case ColumnType::kTimestamptz: return "timestamptz";
    case ColumnType::kTimestamp: return "timestamp";
    case ColumnType::kDate: return "date";
    case ColumnType::kUuid: return "uuid";
    case ColumnType::kOther:
    case ColumnType::kEncoded: return "text";
  }
  return "text";
}

size_t ValueHash::operator()(const Value& value) const {
  const size_t hash = std::visit(
      [](const auto& held) -> size_t {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          return 0;
        } else if constexpr (std::is_same_v<T, Bytes>) {
          return std::hash<std::string>{}(held.data);
        } else if constexpr (std::is_same_v<T, Absent>) {
          return 1;
        } else {
          return std::hash<T>{}(held);
        }
      },
      static_cast<
          const std::variant<std::monostate, bool, int64_t, double, std::string, Bytes, Absent>&>(
          value));
  return hash * 0x9e3779b97f4a7c15 + value.index();
}

void AppendJson(std::string& out, const Value& value, ColumnType type) {
  switch (value.index()) {
    case 0: out += "null"; return;
    case 1: out += std::get<bool>(value) ? "true" : "false"; return;
    case 2: json::AppendInt(out, std::get<int64_t>(value)); return;
    case 3: json::AppendDouble(out, std::get<double>(value)); return;
    case 4: AppendText(out, std::get<std::string>(value), type); return;
    case 5: AppendHex(out, std::get<Bytes>(value).data); return;
    case 6: out += "null"; return;  // Callers leave such columns out.
  }
}

}  // namespace tw
