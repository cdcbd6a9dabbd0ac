#include "ingest/schema_view.h"

#include <algorithm>

#include "base/strings.h"

namespace tw::ingest {
namespace {

Result<std::vector<std::string>> Texts(sqlite::Database& database, const std::string& sql,
                                       std::string_view parameter) {
  TW_ASSIGN_OR_RETURN(sqlite::Statement statement, database.Prepare(sql));
  if (!parameter.empty()) statement.BindText(1, parameter);
  std::vector<std::string> texts;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return texts;
    texts.emplace_back(statement.ColumnText(0));
  }
}

Result<TableView> ReadTable(sqlite::Database& database, std::string name) {
  TableView table{.name = std::move(name)};
  TW_ASSIGN_OR_RETURN(sqlite::Statement columns,
                      database.Prepare("select name, type, pk from pragma_table_info(?1)"));
  columns.BindText(1, table.name);
  std::vector<std::string> key;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, columns.Step());
    if (!row) break;
    table.columns.push_back(
        {std::string(columns.ColumnText(0)), TypeOfDeclaration(columns.ColumnText(1))});
    if (columns.ColumnInt(2) > 0) key.push_back(table.columns.back().name);
  }
  if (!key.empty()) table.unique.push_back(std::move(key));
  TW_ASSIGN_OR_RETURN(
      const auto indexes,
      Texts(database, "select name from pragma_index_list(?1) where \"unique\" = 1 and partial = 0",
            table.name));
  for (const std::string& index : indexes) {
    TW_ASSIGN_OR_RETURN(auto indexed,
                        Texts(database, "select name from pragma_index_info(?1)", index));
    table.unique.push_back(std::move(indexed));
  }
  for (auto& set : table.unique) std::ranges::sort(set);
  return table;
}

}  // namespace

const TableView::Column* TableView::Find(std::string_view column) const {
  const auto found = std::ranges::find(columns, column, &Column::name);
  return found == columns.end() ? nullptr : &*found;
}

bool TableView::IsUnique(std::span<const std::string> wanted) const {
  std::vector<std::string> sorted(wanted.begin(), wanted.end());
  std::ranges::sort(sorted);
  return std::ranges::find(unique, sorted) != unique.end();
}

const TableView* SchemaView::Find(std::string_view table) const {
  const auto found = std::ranges::find(tables, table, &TableView::name);
  return found == tables.end() ? nullptr : &*found;
}

Result<SchemaView> ReadSchema(sqlite::Database& database) {
  TW_ASSIGN_OR_RETURN(const auto names,
                      Texts(database,
                            "select name from sqlite_schema where type = 'table' and name not "
                            "glob 'sqlite_*' and name not glob 'tidewire_*' order by name",
                            {}));
  SchemaView schema;
  for (const std::string& name : names) {
    TW_ASSIGN_OR_RETURN(schema.tables.emplace_back(), ReadTable(database, name));
  }
  return schema;
}

ColumnType TypeOfDeclaration(std::string_view declared) {
  const std::string text = ToLower(Trim(declared));
  const std::string_view base = std::string_view(text).substr(0, text.find('('));
  struct Name {
    std::string_view name;
    ColumnType type;
  };
  static constexpr Name kNames[] = {
      {"bool", ColumnType::kBool},           {"boolean", ColumnType::kBool},
      {"smallint", ColumnType::kInt2},       {"int2", ColumnType::kInt2},
      {"integer", ColumnType::kInt8},        {"int", ColumnType::kInt4},
      {"int4", ColumnType::kInt4},           {"bigint", ColumnType::kInt8},
      {"int8", ColumnType::kInt8},           {"real", ColumnType::kFloat8},
      {"double", ColumnType::kFloat8},       {"double precision", ColumnType::kFloat8},
      {"float8", ColumnType::kFloat8},       {"numeric", ColumnType::kNumeric},
      {"decimal", ColumnType::kNumeric},     {"json", ColumnType::kJson},
      {"jsonb", ColumnType::kJson},          {"timestamptz", ColumnType::kTimestamptz},
      {"timestamp", ColumnType::kTimestamp}, {"date", ColumnType::kDate},
      {"uuid", ColumnType::kUuid},           {"blob", ColumnType::kBytea},
      {"bytea", ColumnType::kBytea},         {"text", ColumnType::kText},
      {"varchar", ColumnType::kText},
  };
  const auto found = std::ranges::find(kNames, Trim(base), &Name::name);
  return found == std::end(kNames) ? ColumnType::kOther : found->type;
}

}  // namespace tw::ingest
