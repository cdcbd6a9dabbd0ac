// Executes writes of tables on the store's connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "query/write/table_write.h"
#include "query/write/write_result.h"
#include "sqlite/sqlite.h"

namespace tw::query {

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
