#include "app/openapi_schema.h"

#include <algorithm>

namespace tw::app {
namespace {

using json::Writer;

// JSON Schema's type and format of a value as it travels (model/value.h, AppendJson). An empty type
// is any JSON.
struct JsonType {
  std::string_view type;
  std::string_view format;
};

JsonType TypeOf(ColumnType type) {
  switch (type) {
    case ColumnType::kBool: return {"boolean", {}};
    case ColumnType::kInt2:
    case ColumnType::kInt4: return {"integer", "int32"};
    case ColumnType::kInt8: return {"integer", "int64"};
    case ColumnType::kFloat8: return {"number", "double"};
    case ColumnType::kNumeric: return {"number", {}};
    case ColumnType::kTimestamptz: return {"string", "date-time"};
    case ColumnType::kDate: return {"string", "date"};
    case ColumnType::kUuid: return {"string", "uuid"};
    case ColumnType::kText:
    case ColumnType::kBytea:
    case ColumnType::kTimestamp:
    case ColumnType::kOther: return {"string", {}};
    case ColumnType::kJson:
    case ColumnType::kEncoded: return {};
  }
  return {};
}

JsonType TypeOf(query::ParameterType type) {
  switch (type) {
    case query::ParameterType::kInt: return {"integer", "int64"};
    case query::ParameterType::kNumber: return {"number", {}};
    case query::ParameterType::kBool: return {"boolean", {}};
    case query::ParameterType::kUuid: return {"string", "uuid"};
    case query::ParameterType::kDate: return {"string", "date"};
    case query::ParameterType::kTimestamptz: return {"string", "date-time"};
    case query::ParameterType::kText: return {"string", {}};
  }
  return {};
}

// The members of a schema, without the braces.
void WriteType(Writer& out, const JsonType& type, bool nullable) {
  if (type.type.empty()) return;
  out.Key("type");
  if (nullable) {
    out.Array().String(type.type).String("null").End();
  } else {
    out.String(type.type);
  }
  if (!type.format.empty()) out.Key("format").String(type.format);
}

enum class Shape : uint8_t { kRow, kInsert, kUpdate };

void WriteObject(Writer& out, const Relation& relation, const TableFacts& facts, Shape shape) {
  const auto never_null = [&](size_t column) {
    return relation.IsKey(column) || facts.required.contains(relation.columns[column].name);
  };
  out.Object().Key("type").String("object").Key("properties").Object();
  for (size_t i = 0; i < relation.columns.size(); ++i) {
    out.Key(relation.columns[i].name).Object();
    WriteType(out, TypeOf(relation.columns[i].type), !never_null(i));
    out.End();
  }
  out.End();
  // A row that is read has the columns of `select`; what an insert must give is the table's.
  if (shape == Shape::kInsert) {
    out.Key("required").Array();
    for (size_t i = 0; i < relation.columns.size(); ++i) {
      const std::string& name = relation.columns[i].name;
      if (never_null(i) && !facts.with_default.contains(name)) out.String(name);
    }
    out.End();
  }
  if (shape != Shape::kRow) out.Key("additionalProperties").Bool(false);
  out.End();
}

void WriteDefault(Writer& out, const query::Parameter& parameter) {
  if (!parameter.default_value) return;
  std::string text;
  AppendJson(text, *parameter.default_value,
             parameter.type == query::ParameterType::kBool ? ColumnType::kBool : ColumnType::kText);
  out.Key("default").Raw(text);
}

}  // namespace

std::string ComponentName(std::string_view table, size_t number) {
  const bool plain = std::ranges::all_of(table, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-';
  });
  return plain ? std::string(table) : "table." + std::to_string(number);
}

void WriteTableSchemas(Writer& out, const Relation& relation, const TableFacts& facts,
                       const std::string& name) {
  out.Key(name);
  WriteObject(out, relation, facts, Shape::kRow);
  out.Key(name + ".insert").Object().Key("oneOf").Array();
  WriteObject(out, relation, facts, Shape::kInsert);
  out.Object().Key("type").String("array").Key("items");
  WriteObject(out, relation, facts, Shape::kInsert);
  out.End().End().End();
  out.Key(name + ".update");
  WriteObject(out, relation, facts, Shape::kUpdate);
}

void WriteRow(Writer& out, const query::NamedQuery& query) {
  out.Object().Key("type").String("object").Key("properties").Object();
  for (const query::ResultColumn& column : query.columns) {
    out.Key(column.name).Object();
    // A base column may come from an outer join; what is computed has the type of its values.
    if (!column.derived) WriteType(out, TypeOf(column.type), true);
    out.End();
  }
  out.End().Key("required").Array();
  for (const query::ResultColumn& column : query.columns) out.String(column.name);
  out.End().End();
}

void WriteParameter(Writer& out, const query::Parameter& parameter) {
  out.Object().Key("name").String(parameter.name).Key("in").String("query");
  out.Key("required").Bool(!parameter.default_value.has_value());
  out.Key("schema").Object();
  WriteType(out, TypeOf(parameter.type), parameter.nullable);
  if (parameter.min) out.Key("minimum").Double(*parameter.min);
  if (parameter.max) out.Key("maximum").Double(*parameter.max);
  WriteDefault(out, parameter);
  out.End().End();
}

}  // namespace tw::app
