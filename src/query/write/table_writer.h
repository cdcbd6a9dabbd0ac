// Executes writes of tables on the store's connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/position.h"
#include "query/write/table_write.h"
#include "sqlite/sqlite.h"

namespace tw::query {

struct WriteResult {
  int status = 200;      // 200, 201 or 204
  std::string json;      // Rows, or empty.
  uint64_t rows = 0;     // That were written.
  Position position;     // Everything written is at or before it.
  bool replayed = false; // The same mutation id was executed before; nothing was done now.
};

class TableWriter {
 public:
  // `database` outlives it; `path` and `options` open its file once more, to read.
  TableWriter(sqlite::Database& database, std::string path, sqlite::OpenOptions options,
              uint64_t epoch);

  // One transaction: all of the write or nothing. Policies decide on the rows as the table holds
  // them: the old row by select and using, the new one by check (and by select where it is read).
  // Tables that policies look into are read as they were before the write, as PostgreSQL's
  // statements see them: nobody admits himself. The store thread.
  // Errors: as PostgREST's; nothing was written.
  WriteOr<WriteResult> Execute(const TableWrite& write);

 private:
  sqlite::Database& database_;
  const std::string path_;
  const sqlite::OpenOptions options_;
  const uint64_t epoch_;
  std::optional<sqlite::Database> committed_;  // Opened when a policy first looks into a table.
};

}  // namespace tw::query
