// store: the embedded database: one SQLite file with the user's tables and ours.
//
//   schema.sql ──▶ [ data/tidewire.db, WAL, synchronous=FULL ] ──Describe──▶ Relation
//
// Start here   store.h.
// Promises     Opening is idempotent: our tables are created or found, never altered silently. The
//              epoch is made once, with the file.
// Owns         data/tidewire.db. Other programs may read and write it too (SQLite's own locking);
//              tables named tidewire_… are ours.
// Thread       The store thread.
// Not here     What is written (ingest) and how changes are read back (capture).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/result.h"
#include "model/relation.h"
#include "sqlite/sqlite.h"

namespace tw::store {

class Store {
 public:
  // Opens or creates the database. Errors: as sqlite::Database::Open; kFailedPrecondition when the
  // file was made by a newer version.
  static Result<std::unique_ptr<Store>> Open(const std::string& path,
                                             const sqlite::OpenOptions& options, Random& random);

  sqlite::Database& database() { return database_; }
  // Identifies this database's history; random and non-zero.
  uint64_t epoch() const { return epoch_; }

  // Runs the user's DDL; statements must be idempotent ("create table if not exists").
  // Errors: kInvalidArgument with `name` and SQLite's message.
  Status ApplySchema(std::string_view sql, std::string_view name);

 private:
  Store(sqlite::Database database, uint64_t epoch)
      : database_(std::move(database)), epoch_(epoch) {}

  sqlite::Database database_;
  uint64_t epoch_;
};

// The shape of `table` as SQLite declares it; `id` is 0. Declared types map to the names that
// Postgres clients know: INT… → int8, BOOL… → bool, REAL/DOUBLE/FLOAT → float8, NUMERIC/DECIMAL →
// numeric, JSON… → jsonb, TIMESTAMP…/DATETIME → timestamptz, DATE → date, UUID → uuid, BLOB →
// bytea, everything else → text.
// Errors: kNotFound (with the nearest table's name) when there is no such table.
Result<Relation> DescribeTable(sqlite::Database& database, std::string_view table);

// Names of the user's tables, without SQLite's and ours, sorted.
Result<std::vector<std::string>> ListTables(sqlite::Database& database);

// The current row's column `column` as a Value of a column of type `type`: a bool column's 0 and 1
// become bool; text and blobs are copied.
Value ColumnValue(const sqlite::Statement& statement, int column, ColumnType type);

// Binds `value` to parameter `index`; its bytes must outlive the next Step.
void BindValue(sqlite::Statement& statement, int index, const Value& value);

}  // namespace tw::store
