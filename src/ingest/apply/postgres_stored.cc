#include "ingest/apply/postgres_stored.h"

#include <cmath>

#include "base/strings.h"
#include "json/json.h"

namespace tw::ingest {

using postgres::Parameter;
using postgres::QuoteIdentifier;

namespace {

// "2026-01-02 03:04:05.678+00" → "2026-01-02T03:04:05.678Z"; what is no such time stays as it is.
std::string TimeOfText(std::string_view text) {
  std::string rfc(text);
  if (rfc.size() > 10 && rfc[10] == ' ') rfc[10] = 'T';
  if (rfc.ends_with("+00")) rfc.resize(rfc.size() - 3);
  const auto time = ParseTimestamp(rfc + "Z");
  return time.ok() ? FormatTimestampMs(*time) : std::string(text);
}

}  // namespace

std::span<const Parameter> Parameters::views() {
  views_.assign(texts_.begin(), texts_.end());
  return views_;
}

StoredText TextOfValue(const Value& value) {
  if (value.is_null()) return std::nullopt;
  if (const bool* flag = value.AsBool()) return *flag ? "true" : "false";
  if (const int64_t* number = value.AsInt()) return std::to_string(*number);
  if (const std::string* text = value.AsText()) return *text;
  if (const Bytes* bytes = value.AsBytes()) return postgres::ByteaText(bytes->data);
  const double number = *value.AsDouble();
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  std::string text;
  json::AppendDouble(text, number);
  return text;
}

Value ValueOfText(std::optional<std::string_view> text, ColumnType type) {
  if (!text) return {};
  switch (type) {
    case ColumnType::kBool:
      return *text == "t";
    case ColumnType::kInt2:
    case ColumnType::kInt4:
    case ColumnType::kInt8:
      if (const auto number = ParseInt64(*text)) return *number;
      return *text;
    case ColumnType::kBytea:
      return Bytes{postgres::BytesOfText(*text)};
    case ColumnType::kTimestamptz:
    case ColumnType::kTimestamp:
      return TimeOfText(*text);
    case ColumnType::kFloat8:
    case ColumnType::kNumeric:
    case ColumnType::kText:
    case ColumnType::kJson:
    case ColumnType::kDate:
    case ColumnType::kUuid:
    case ColumnType::kOther:
    case ColumnType::kEncoded:
      return *text;
  }
  return {};
}

Fact ReadFact(const postgres::Rows& rows, size_t row) {
  Fact fact;
  fact.id = rows.Int(row, 0);
  fact.tenant = rows.Text(row, 1);
  fact.kind = rows.Text(row, 2);
  fact.match_hash = postgres::BytesOfText(rows.Text(row, 3));
  fact.occurred_at = WallTime(std::chrono::microseconds(rows.Int(row, 4)));
  fact.quality = static_cast<TimeQuality>(rows.Int(row, 5));
  fact.bucket_day = rows.Text(row, 6);
  fact.contribution = rows.Text(row, 7);
  fact.channels = rows.Text(row, 8);
  fact.config_version = rows.Text(row, 9);
  fact.merged_into = rows.Int(row, 10);
  fact.mark = rows.Text(row, 11);
  return fact;
}

RowState ReadState(const postgres::Rows& rows, size_t row) {
  const auto version = [&](size_t column) {
    return Version{WallTime(std::chrono::microseconds(rows.Int(row, column))),
                   rows.Int(row, column + 1), static_cast<uint64_t>(rows.Int(row, column + 2))};
  };
  RowState state;
  state.version = version(0);
  state.older = rows.Text(row, 3);
  if (!rows.IsNull(row, 4)) state.stage = rows.Text(row, 4);
  state.terminal = rows.Text(row, 5);
  state.terminal_version = version(6);
  return state;
}

ReadColumns ColumnsRead(const TablePlan& plan, std::string_view prefix) {
  ReadColumns read;
  const auto add = [&](std::string_view column, ColumnType type) {
    if (!read.sql.empty()) read.sql += ", ";
    read.sql.append(prefix).append(QuoteIdentifier(column));
    read.types.push_back(type);
  };
  for (const ColumnBinding& column : plan.set) add(column.column, column.type);
  if (plan.stage) add(plan.stage->column, ColumnType::kText);
  if (plan.stage && !plan.stage->previous_column.empty()) {
    add(plan.stage->previous_column, ColumnType::kText);
  }
  if (read.sql.empty()) read.sql = "1";
  return read;
}

std::string AliasKey(uint16_t source, std::string_view tenant, std::string_view kind,
                     const FactAlias& alias) {
  std::string key = std::to_string(source);
  for (const std::string_view part : {tenant, kind, std::string_view(alias.name_space)}) {
    key.append(1, '\0').append(part);
  }
  return key.append(1, '\0').append(alias.value);
}

std::string StateKey(std::string_view table, std::string_view key) {
  return std::string(table) + '\0' + std::string(key);
}

}  // namespace tw::ingest
