// What tables a database has, for checks when a source file is loaded.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/value.h"
#include "postgres/connection.h"
#include "sqlite/sqlite.h"

namespace tw::ingest {

struct TableView {
  struct Column {
    std::string name;
    ColumnType type = ColumnType::kText;
  };
  std::string name;
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> unique;  // Sets of columns, each sorted: key and indexes.

  const Column* Find(std::string_view column) const;
  // Whether these columns, in any order, identify a row.
  bool IsUnique(std::span<const std::string> columns) const;
};

struct SchemaView {
  std::vector<TableView> tables;
  const TableView* Find(std::string_view table) const;
};

// Errors: those of sqlite::Database.
Result<SchemaView> ReadSchema(sqlite::Database& database);

// Tables of the schema public by their name, others as "schema.table". Errors: the connection's.
Result<SchemaView> ReadSchema(postgres::Connection& connection);

// A schema as JSON text, for a start without the database, and back.
// Errors: kInvalidArgument for any other text.
std::string SchemaText(const SchemaView& schema);
Result<SchemaView> ParseSchemaText(std::string_view text);

// The type that a declared SQLite type stands for: Postgres' names, and SQLite's affinities.
ColumnType TypeOfDeclaration(std::string_view declared);

}  // namespace tw::ingest
