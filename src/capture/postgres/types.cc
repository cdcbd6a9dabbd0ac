#include "capture/postgres/types.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/strings.h"
#include "json/json.h"

namespace tw::capture {
namespace {

// Oids of built-in types never change. Source: PostgreSQL 15, catalog/pg_type.dat.
enum Oid : uint32_t {
  kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kText = 25, kJson = 114,
  kFloat4 = 700, kFloat8 = 701, kVarchar = 1043, kDate = 1082, kTimestamp = 1114,
  kTimestamptz = 1184, kNumeric = 1700, kUuid = 2950, kJsonb = 3802,
};

// Domains over domains end somewhere, but a catalogue is not ours to trust.
constexpr int kNestingMax = 16;

bool IsFinite(std::string_view number) {
  return number.find_first_of("Nn") == std::string_view::npos;  // NaN, Infinity, -Infinity.
}

// "2026-01-02 03:04:05.678+00" → "2026-01-02T03:04:05.678+00:00"; other texts (infinity, BC) stay.
std::string IsoMoment(std::string_view text, bool with_zone) {
  std::string iso(text);
  constexpr size_t kDateSize = 10;
  if (iso.size() <= kDateSize || iso[kDateSize] != ' ') return iso;
  iso[kDateSize] = 'T';
  // With the session in UTC the zone is always written as +00.
  if (with_zone && iso.size() > 3 && iso[iso.size() - 3] == '+') iso += ":00";
  return iso;
}

std::string_view WithoutHexPrefix(std::string_view text) {
  return text.starts_with("\\x") ? text.substr(2) : text;
}

Value DecodeBytea(std::string_view text) {
  const std::string_view hex = WithoutHexPrefix(text);
  Bytes bytes;
  bytes.data.reserve(hex.size() / 2);
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned byte = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    bytes.data.push_back(static_cast<char>(byte));
  }
  return Value(std::move(bytes));
}

std::optional<double> ParseDouble(std::string_view text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// One element of an array's or a composite's text, unquoted. `end` is behind it.
struct Part {
  std::string text;
  bool quoted = false;
  size_t end = 0;
};

Part ReadPart(std::string_view text, size_t at, std::string_view ends) {
  Part part;
  bool inside = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\' && at + 1 < text.size()) {
      part.text.push_back(text[++at]);
    } else if (c == '"') {
      // Within quotes a composite writes a quote twice.
      if (inside && at + 1 < text.size() && text[at + 1] == '"') {
        part.text.push_back(text[++at]);
      } else {
        inside = !inside;
        part.quoted = true;
      }
    } else if (!inside && ends.find(c) != std::string_view::npos) {
      break;
    } else {
      part.text.push_back(c);
    }
  }
  part.end = at;
  return part;
}

}  // namespace

Status TypeBook::Load(postgres::Connection& connection) {
  TW_ASSIGN_OR_RETURN(
      const auto types,
      connection.Query("select t.oid, t.typname, t.typtype, case when t.typlen = -1 and"
                       " t.typcategory = 'A' then t.typelem else 0 end, t.typdelim, t.typbasetype"
                       " from pg_catalog.pg_type t where t.typtype <> 'p' and (t.typrelid = 0 or"
                       " exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and"
                       " c.relkind = 'c'))"));
  TW_ASSIGN_OR_RETURN(
      const auto fields,
      connection.Query("select t.oid, a.attname, a.atttypid from pg_catalog.pg_type t"
                       " join pg_catalog.pg_class c on c.oid = t.typrelid and c.relkind = 'c'"
                       " join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
                       " and not a.attisdropped order by t.oid, a.attnum"));
  types_.clear();
  for (size_t row = 0; row < types.size(); ++row) {
    types_[static_cast<uint32_t>(types.Int(row, 0))] = {
        .name = std::string(types.Text(row, 1)),
        .kind = types.Text(row, 2).front(),
        .element = static_cast<uint32_t>(types.Int(row, 3)),
        .delimiter = types.Text(row, 4).front(),
        .base = static_cast<uint32_t>(types.Int(row, 5))};
  }
  for (size_t row = 0; row < fields.size(); ++row) {
    types_[static_cast<uint32_t>(fields.Int(row, 0))].fields.push_back(
        {std::string(fields.Text(row, 1)), static_cast<uint32_t>(fields.Int(row, 2))});
  }
  return {};
}

const PostgresType* TypeBook::Find(uint32_t oid) const {
  const auto found = types_.find(oid);
  return found == types_.end() ? nullptr : &found->second;
}

std::string_view TypeBook::Name(uint32_t oid) const {
  const PostgresType* const type = Find(oid);
  return type == nullptr ? std::string_view("text") : std::string_view(type->name);
}

uint32_t TypeBook::BaseOf(uint32_t oid) const {
  for (int i = 0; i < kNestingMax; ++i) {
    const PostgresType* const type = Find(oid);
    if (type == nullptr || type->kind != 'd') return oid;
    oid = type->base;
  }
  return oid;
}

ColumnType TypeBook::TypeOf(uint32_t oid) const {
  const uint32_t base = BaseOf(oid);
  switch (base) {
    case kBool: return ColumnType::kBool;
    case kInt2: return ColumnType::kInt2;
    case kInt4: return ColumnType::kInt4;
    case kInt8: return ColumnType::kInt8;
    case kFloat8: return ColumnType::kFloat8;
    case kNumeric: return ColumnType::kNumeric;
    case kText:
    case kVarchar: return ColumnType::kText;
    case kBytea: return ColumnType::kBytea;
    case kJson:
    case kJsonb: return ColumnType::kJson;
    case kTimestamptz: return ColumnType::kTimestamptz;
    case kTimestamp: return ColumnType::kTimestamp;
    case kDate: return ColumnType::kDate;
    case kUuid: return ColumnType::kUuid;
    default: break;
  }
  // Labels of an enum are equal as texts are. Of every other type that is not known: citext and
  // char(n) compare otherwise, and '12:00' and '12:00:00' are one time.
  const PostgresType* const type = Find(base);
  return type != nullptr && type->kind == 'e' ? ColumnType::kOther : ColumnType::kEncoded;
}

Value TypeBook::Decode(uint32_t oid, std::string_view text) const {
  switch (TypeOf(oid)) {
    case ColumnType::kBool: return Value(text == "t");
    case ColumnType::kInt2:
    case ColumnType::kInt4:
    case ColumnType::kInt8:
      if (const auto number = ParseInt64(text)) return Value(*number);
      return Value(text);
    case ColumnType::kFloat8:
      if (const auto number = ParseDouble(text)) return Value(*number);
      return Value(text);
    case ColumnType::kBytea: return DecodeBytea(text);
    case ColumnType::kTimestamptz: return Value(IsoMoment(text, true));
    case ColumnType::kTimestamp: return Value(IsoMoment(text, false));
    case ColumnType::kNumeric:
    case ColumnType::kText:
    case ColumnType::kJson:
    case ColumnType::kDate:
    case ColumnType::kUuid:
    case ColumnType::kOther: return Value(text);
    case ColumnType::kEncoded: {
      std::string encoded;
      AppendJson(encoded, oid, text);
      return Value(std::move(encoded));
    }
  }
  return Value(text);
}

void TypeBook::AppendJson(std::string& out, uint32_t oid, std::string_view text) const {
  const uint32_t base = BaseOf(oid);
  switch (base) {
    case kBool: out += text == "t" ? "true" : "false"; return;
    case kInt2:
    case kInt4:
    case kInt8: out += text; return;
    case kFloat4:
    case kFloat8:
    case kNumeric: out += IsFinite(text) ? text : "null"; return;
    case kJson:
    case kJsonb: out += text; return;
    case kBytea: json::AppendString(out, WithoutHexPrefix(text)); return;
    case kTimestamptz: json::AppendString(out, IsoMoment(text, true)); return;
    case kTimestamp: json::AppendString(out, IsoMoment(text, false)); return;
    default: break;
  }
  const size_t before = out.size();
  const PostgresType* const type = Find(base);
  if (type != nullptr && type->element != 0 && AppendArray(out, *type, text) == text.size()) return;
  out.resize(before);
  if (type != nullptr && !type->fields.empty() && AppendComposite(out, *type, text)) return;
  out.resize(before);
  json::AppendString(out, text);
}

// Source: PostgreSQL 15 manual §8.15.6 "Array Input and Output Syntax". Returns how much of `text`
// is the array.
size_t TypeBook::AppendArray(std::string& out, const PostgresType& array,
                             std::string_view text) const {
  size_t at = 0;
  // Bounds other than 1 are written before the array: [0:1]={…}.
  if (text.starts_with('[')) at = std::min(text.size(), text.find('=')) + 1;
  const PostgresType* const element = Find(array.element);
  const char delimiter = element == nullptr ? ',' : element->delimiter;
  const char ends[] = {delimiter, '}', '\0'};
  int depth = 0;
  bool first = true;
  while (at < text.size()) {
    if (text[at] == '{') {
      if (!first) out.push_back(',');
      out.push_back('[');
      first = true;
      ++depth;
      ++at;
    } else if (text[at] == '}') {
      out.push_back(']');
      first = false;
      ++at;
      if (--depth == 0) return at;
    } else if (text[at] == delimiter) {
      ++at;
    } else {
      const Part part = ReadPart(text, at, ends);
      if (!first) out.push_back(',');
      first = false;
      if (!part.quoted && part.text == "NULL") {
        out += "null";
      } else {
        AppendJson(out, array.element, part.text);
      }
      at = part.end;
    }
  }
  return 0;
}

// Source: PostgreSQL 15 manual §8.16.6 "Composite Type Input and Output Syntax". An empty field is
// NULL, an empty text is quoted.
bool TypeBook::AppendComposite(std::string& out, const PostgresType& type,
                               std::string_view text) const {
  if (!text.starts_with('(')) return false;
  size_t at = 1;
  out.push_back('{');
  for (size_t i = 0; i < type.fields.size(); ++i) {
    const Part part = ReadPart(text, at, ",)");
    if (part.end >= text.size()) return false;
    if (i > 0) out.push_back(',');
    json::AppendString(out, type.fields[i].name);
    out.push_back(':');
    if (!part.quoted && part.text.empty()) {
      out += "null";
    } else {
      AppendJson(out, type.fields[i].type, part.text);
    }
    at = part.end + 1;
  }
  out.push_back('}');
  return at == text.size();
}

}  // namespace tw::capture
