#include "app/type_text.h"

#include <algorithm>

#include "app/prepared_store.h"
#include "app/table_facts.h"
#include "json/json.h"

namespace tw::app {
namespace {

// How a value travels as JSON (model/value.h, AppendJson). Timestamps, uuids and bytes are texts;
// numeric may be a number with more digits than a double holds.
std::string_view ScriptType(ColumnType type) {
  switch (type) {
    case ColumnType::kBool: return "boolean";
    case ColumnType::kInt2:
    case ColumnType::kInt4:
    case ColumnType::kInt8:
    case ColumnType::kFloat8:
    case ColumnType::kNumeric: return "number";
    case ColumnType::kJson: return "Json";
    case ColumnType::kText:
    case ColumnType::kBytea:
    case ColumnType::kTimestamptz:
    case ColumnType::kTimestamp:
    case ColumnType::kDate:
    case ColumnType::kUuid:
    case ColumnType::kOther: return "string";
    case ColumnType::kEncoded: return "unknown";  // JSON of its type's own.
  }
  return "string";
}

std::string_view ScriptType(query::ParameterType type) {
  switch (type) {
    case query::ParameterType::kInt:
    case query::ParameterType::kNumber: return "number";
    case query::ParameterType::kBool: return "boolean";
    case query::ParameterType::kText:
    case query::ParameterType::kUuid:
    case query::ParameterType::kDate:
    case query::ParameterType::kTimestamptz: return "string";
  }
  return "string";
}

// A name as an object's key: quoted unless it is an identifier.
std::string KeyText(std::string_view name) {
  const bool plain = !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
                     std::ranges::all_of(name, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_';
                     });
  if (plain) return std::string(name);
  std::string quoted;
  json::AppendString(quoted, name);
  return quoted;
}

enum class Shape : uint8_t { kRow, kInsert, kUpdate };

std::string TableShape(const Relation& relation, const TableFacts& facts, Shape shape) {
  std::string out = "{";
  for (const Column& column : relation.columns) {
    const bool key = relation.IsKey(*relation.Find(column.name));
    const bool required = key || facts.required.contains(column.name);
    const bool optional =
        shape == Shape::kUpdate ||
        (shape == Shape::kInsert && (!required || facts.with_default.contains(column.name)));
    out += (out.size() > 1 ? "; " : " ") + KeyText(column.name) + (optional ? "?: " : ": ") +
           std::string(ScriptType(column.type)) + (required ? "" : " | null");
  }
  return out + " }";
}

std::string QueryShape(const query::NamedQuery& query) {
  std::string args = "{";
  for (const auto& parameter : query.parameters) {
    args += (args.size() > 1 ? "; " : " ") + KeyText(parameter.name) +
            (parameter.default_value ? "?: " : ": ") + std::string(ScriptType(parameter.type)) +
            (parameter.nullable ? " | null" : "");
  }
  args += args.size() > 1 ? " }" : "}";
  std::string row = "{";
  for (const auto& column : query.columns) {
    // What SQLite computes has the type of its values; a base column may come from an outer join.
    row += (row.size() > 1 ? "; " : " ") + KeyText(column.name) + ": " +
           (column.derived ? "Json" : std::string(ScriptType(column.type)) + " | null");
  }
  row += " }";
  std::string key;
  for (const size_t column : query.row_key) {
    key += (key.empty() ? "" : ", ");
    json::AppendString(key, query.columns[column].name);
  }
  return "{ args: " + args + "; row: " + row + "; rowKey: [" + key + "] }";
}

}  // namespace

Result<std::string> TypeScriptTypes(const Configuration& configuration, const std::string& path,
                                    Random& random) {
  telemetry::Registry metrics;
  TW_ASSIGN_OR_RETURN(const auto prepared,
                      PrepareStore(configuration, path, {}, random, metrics));
  std::string out =
      "// Written by `tidewire gen types`. Do not edit: change the configuration and run it again.\n"
      "export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };\n\n"
      "/** The tables, for `createClient<Database>()` of supabase-js. */\n"
      "export interface Database {\n  public: {\n    Tables: {\n";
  std::string rows;
  for (const auto& table : prepared.catalog->tables()) {
    const Relation& relation = *table.relation;
    TW_ASSIGN_OR_RETURN(const TableFacts facts,
                        FactsOf(prepared.store->database(), relation.table));
    const std::string name = KeyText(relation.table);
    out += "      " + name + ": {\n        Row: " + TableShape(relation, facts, Shape::kRow) +
           ";\n        Insert: " + TableShape(relation, facts, Shape::kInsert) +
           ";\n        Update: " + TableShape(relation, facts, Shape::kUpdate) +
           ";\n        Relationships: [];\n      };\n";
    rows += "  " + name + ": Database['public']['Tables']['" + relation.table + "']['Row'];\n";
  }
  out +=
      "    };\n    Views: { [name: string]: never };\n    Functions: { [name: string]: never };\n"
      "  };\n}\n\n/** Table → row. */\nexport interface DB {\n" +
      rows + "}\n\n/** Named query → its arguments, rows and what identifies a row. */\n"
      "export interface Api {\n";
  for (const auto& query : prepared.queries->queries()) {
    out += "  " + KeyText(query->name) + ": " + QueryShape(*query) + ";\n";
  }
  return out + "}\n";
}

}  // namespace tw::app
