// Executes writes of tables on the store's connection.
#pragma once

#include <cstdint>
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

// One transaction: all of the write or nothing. Policies decide on the rows as the table holds them:
// the old row by select and using, the new one by check (and by select where it is read). The store
// thread. Errors: as PostgREST's; nothing was written.
WriteOr<WriteResult> ExecuteWrite(sqlite::Database& database, uint64_t epoch,
                                  const TableWrite& write);

}  // namespace tw::query
