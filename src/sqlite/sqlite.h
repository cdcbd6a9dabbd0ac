// sqlite: RAII over sqlite3, with Result<T> for its errors.
//
//   Database ──Prepare──▶ Statement ──Step──▶ columns      Transaction: BEGIN IMMEDIATE … COMMIT
//
// Errors       SQLITE_BUSY/LOCKED → kUnavailable; FULL, TOOBIG, NOMEM → kResourceExhausted;
//              READONLY → kUnavailable; CONSTRAINT, MISMATCH, RANGE → kInvalidArgument;
//              CORRUPT, NOTADB → kDataLoss; everything else → kInternal. The message holds SQLite's
//              own text and, where one is known, the SQL.
// Thread       A Database and its statements belong to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tw::sqlite {

class Statement;

enum class OpenMode : uint8_t { kReadWriteCreate, kReadOnly };

// How hard a commit holds (PRAGMA synchronous). kFull survives a power cut.
enum class Durability : uint8_t { kFull, kNormal, kOff };

struct OpenOptions {
  OpenMode mode = OpenMode::kReadWriteCreate;
  Durability durability = Durability::kFull;
  // Name of a registered sqlite3_vfs; empty for the default.
  std::string vfs;
  // Takes the file for this process alone (locking_mode=EXCLUSIVE); needed by a VFS without shared
  // memory.
  bool exclusive = false;
  int busy_timeout_ms = 5'000;
};

class Database {
 public:
  // Opens in WAL mode with foreign keys on.
  static Result<Database> Open(const std::string& path, const OpenOptions& options = {});

  Database(Database&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Database& operator=(Database&& other) noexcept;
  ~Database();

  // Compiles one statement. Text after the first statement is an error.
  Result<Statement> Prepare(std::string_view sql);
  // Runs any number of statements without parameters or results.
  Status Execute(std::string_view sql);
  // The first column of the first row of a query without parameters; kNotFound without rows.
  Result<int64_t> QueryInt(std::string_view sql);
  Result<std::string> QueryText(std::string_view sql);

  // Rows changed by the last INSERT, UPDATE or DELETE.
  int64_t ChangedRows() const;
  int64_t LastInsertRowid() const;
  bool InTransaction() const;
  sqlite3* handle() { return handle_; }

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}
  sqlite3* handle_ = nullptr;
};

// A prepared statement. Parameters are numbered from 1, columns from 0, as in SQLite. Must not
// outlive its Database.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  void BindNull(int index);
  void BindInt(int index, int64_t value);
  void BindDouble(int index, double value);
  // The bytes must stay valid until the statement is reset or bound anew.
  void BindText(int index, std::string_view value);
  void BindBlob(int index, std::string_view value);

  // True: a row is ready. False: done, and the statement is reset.
  Result<bool> Step();
  // Steps to the end and resets; for statements whose rows do not matter.
  Status Run();
  void Reset();

  int ColumnCount() const;
  std::string_view ColumnName(int column) const;
  // SQLITE_INTEGER … SQLITE_NULL of the current row.
  int ColumnStorage(int column) const;
  bool ColumnIsNull(int column) const;
  int64_t ColumnInt(int column) const;
  double ColumnDouble(int column) const;
  // Valid until the next Step or Reset.
  std::string_view ColumnText(int column) const;
  std::string_view ColumnBlob(int column) const;

  explicit operator bool() const { return handle_ != nullptr; }
  sqlite3_stmt* handle() { return handle_; }

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
  sqlite3_stmt* handle_ = nullptr;
};

// BEGIN IMMEDIATE at Begin; rolls back on destruction unless committed.
class Transaction {
 public:
  static Result<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  // After an error the transaction is rolled back.
  Status Commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

// "name" with quotes doubled: an identifier safe in SQL text.
std::string QuoteIdentifier(std::string_view name);

}  // namespace tw::sqlite
