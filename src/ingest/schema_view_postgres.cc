// Schemas of PostgreSQL databases, and schemas as text.
#include <algorithm>

#include "ingest/schema_view.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

// Every column of a table of the user's, in order; of a domain the type below it.
constexpr const char* kColumns = R"sql(
select case when n.nspname = 'public' then c.relname else n.nspname || '.' || c.relname end,
       a.attname,
       case t.typtype when 'd' then b.typname else t.typname end
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_type b on b.oid = t.typbasetype
where c.relkind in ('r', 'p') and n.nspname !~ '^pg_'
  and n.nspname not in ('information_schema', 'tidewire')
order by 1, a.attnum
)sql";

// Keys and unique indexes that on conflict can name: whole, at once, of columns.
constexpr const char* kUnique = R"sql(
select case when n.nspname = 'public' then c.relname else n.nspname || '.' || c.relname end,
       i.indexrelid,
       a.attname
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid
  and a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
where i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null
  and i.indexprs is null and n.nspname !~ '^pg_'
  and n.nspname not in ('information_schema', 'tidewire')
order by 1, 2, a.attname collate "C"
)sql";

ColumnType TypeOfName(std::string_view name) {
  if (name == "float4") return ColumnType::kFloat8;
  if (name == "bpchar" || name == "citext") return ColumnType::kText;
  return TypeOfDeclaration(name);
}

}  // namespace

Result<SchemaView> ReadSchema(postgres::Connection& connection) {
  SchemaView schema;
  TW_ASSIGN_OR_RETURN(const auto columns, connection.Query(kColumns));
  for (size_t i = 0; i < columns.size(); ++i) {
    const std::string_view table = columns.Text(i, 0);
    if (schema.tables.empty() || schema.tables.back().name != table) {
      schema.tables.push_back({.name = std::string(table), .columns = {}, .unique = {}});
    }
    schema.tables.back().columns.push_back(
        {std::string(columns.Text(i, 1)), TypeOfName(columns.Text(i, 2))});
  }
  TW_ASSIGN_OR_RETURN(const auto unique, connection.Query(kUnique));
  std::string_view index;
  for (size_t i = 0; i < unique.size(); ++i) {
    const auto table = std::ranges::find(schema.tables, unique.Text(i, 0), &TableView::name);
    if (table == schema.tables.end()) continue;
    if (i == 0 || unique.Text(i, 1) != index) table->unique.emplace_back();
    index = unique.Text(i, 1);
    table->unique.back().emplace_back(unique.Text(i, 2));
  }
  for (TableView& table : schema.tables) {
    for (auto& set : table.unique) std::ranges::sort(set);
  }
  return schema;
}

std::string SchemaText(const SchemaView& schema) {
  json::Writer writer;
  writer.Array();
  for (const TableView& table : schema.tables) {
    writer.Object().Key("name").String(table.name).Key("columns").Array();
    for (const auto& column : table.columns) {
      writer.Array().String(column.name).Int(static_cast<int64_t>(column.type)).End();
    }
    writer.End().Key("unique").Array();
    for (const auto& set : table.unique) {
      writer.Array();
      for (const std::string& column : set) writer.String(column);
      writer.End();
    }
    writer.End().End();
  }
  writer.End();
  return writer.Take();
}

Result<SchemaView> ParseSchemaText(std::string_view text) {
  TW_ASSIGN_OR_RETURN(const json::Document document, json::Parse(text));
  if (!document->is_array()) return Fail(ErrorCode::kInvalidArgument, "no schema");
  SchemaView schema;
  for (const json::Value& item : document->items()) {
    TableView& table = schema.tables.emplace_back();
    table.name = item["name"].AsString().value_or("");
    for (const json::Value& column : item["columns"].items()) {
      if (column.items().size() != 2) return Fail(ErrorCode::kInvalidArgument, "no column");
      const int64_t type = column.items()[1].AsInt().value_or(-1);
      if (type < 0 || type > static_cast<int64_t>(ColumnType::kEncoded)) {
        return Fail(ErrorCode::kInvalidArgument, "no type of a column");
      }
      table.columns.push_back({std::string(column.items()[0].AsString().value_or("")),
                               static_cast<ColumnType>(type)});
    }
    for (const json::Value& set : item["unique"].items()) {
      auto& columns = table.unique.emplace_back();
      for (const json::Value& column : set.items()) {
        columns.emplace_back(column.AsString().value_or(""));
      }
    }
  }
  return schema;
}

}  // namespace tw::ingest
