#include "sqlite/sqlite.h"

#include <sqlite3.h>

#include "base/check.h"

namespace tw::sqlite {
namespace {

ErrorCode CodeOf(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY: return ErrorCode::kUnavailable;
    case SQLITE_FULL:
    case SQLITE_TOOBIG:
    case SQLITE_NOMEM: return ErrorCode::kResourceExhausted;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE: return ErrorCode::kInvalidArgument;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ErrorCode::kDataLoss;
    default: return ErrorCode::kInternal;
  }
}

std::unexpected<Error> SqliteError(sqlite3* handle, int code, std::string_view sql) {
  std::string message = "SQLite: ";
  message += handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  if (!sql.empty()) {
    constexpr size_t kShownMax = 300;
    message += " in: ";
    message += sql.substr(0, kShownMax);
  }
  return Fail(CodeOf(code), std::move(message));
}

}  // namespace

Result<Database> Database::Open(const std::string& path, const OpenOptions& options) {
  const int flags = options.mode == OpenMode::kReadOnly
                        ? SQLITE_OPEN_READONLY
                        : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX,
                                   options.vfs.empty() ? nullptr : options.vfs.c_str());
  Database database(handle);
  if (code != SQLITE_OK) {
    return Annotate(SqliteError(handle, code, "").error(), "cannot open " + path);
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, options.busy_timeout_ms);
  if (options.exclusive) TW_RETURN_IF_ERROR(database.Execute("PRAGMA locking_mode=EXCLUSIVE"));
  if (options.mode == OpenMode::kReadWriteCreate) {
    TW_RETURN_IF_ERROR(database.Execute("PRAGMA journal_mode=WAL"));
    static constexpr const char* kLevels[] = {"FULL", "NORMAL", "OFF"};
    TW_RETURN_IF_ERROR(database.Execute(std::string("PRAGMA synchronous=") +
                                        kLevels[static_cast<int>(options.durability)]));
  }
  TW_RETURN_IF_ERROR(database.Execute("PRAGMA foreign_keys=ON"));
  return database;
}

Database& Database::operator=(Database&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

Database::~Database() { TW_CHECK(sqlite3_close(handle_) == SQLITE_OK); }

Result<Statement> Database::Prepare(std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  const char* tail = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &handle, &tail);
  Statement statement(handle);
  if (code != SQLITE_OK) return SqliteError(handle_, code, sql);
  const std::string_view rest(tail, static_cast<size_t>(sql.data() + sql.size() - tail));
  if (handle == nullptr || rest.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    return Fail(ErrorCode::kInvalidArgument, "exactly one SQL statement expected in: " +
                                                 std::string(sql.substr(0, 300)));
  }
  return statement;
}

Status Database::Execute(std::string_view sql) {
  const std::string text(sql);
  const int code = sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return SqliteError(handle_, code, sql);
  return {};
}

Result<int64_t> Database::QueryInt(std::string_view sql) {
  TW_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  TW_ASSIGN_OR_RETURN(const bool row, statement.Step());
  if (!row) return Fail(ErrorCode::kNotFound, "no row: " + std::string(sql));
  return statement.ColumnInt(0);
}

Result<std::string> Database::QueryText(std::string_view sql) {
  TW_ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  TW_ASSIGN_OR_RETURN(const bool row, statement.Step());
  if (!row) return Fail(ErrorCode::kNotFound, "no row: " + std::string(sql));
  return std::string(statement.ColumnText(0));
}

int64_t Database::ChangedRows() const { return sqlite3_changes64(handle_); }
int64_t Database::LastInsertRowid() const { return sqlite3_last_insert_rowid(handle_); }
bool Database::InTransaction() const { return sqlite3_get_autocommit(handle_) == 0; }

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(handle_); }

void Statement::BindNull(int index) { TW_CHECK(sqlite3_bind_null(handle_, index) == SQLITE_OK); }

void Statement::BindInt(int index, int64_t value) {
  TW_CHECK(sqlite3_bind_int64(handle_, index, value) == SQLITE_OK);
}

void Statement::BindDouble(int index, double value) {
  TW_CHECK(sqlite3_bind_double(handle_, index, value) == SQLITE_OK);
}

void Statement::BindText(int index, std::string_view value) {
  // A null pointer would bind NULL; the empty text is not NULL.
  const char* data = value.data() == nullptr ? "" : value.data();
  TW_CHECK(sqlite3_bind_text64(handle_, index, data, value.size(), SQLITE_STATIC, SQLITE_UTF8) ==
           SQLITE_OK);
}

void Statement::BindBlob(int index, std::string_view value) {
  const char* data = value.data() == nullptr ? "" : value.data();
  TW_CHECK(sqlite3_bind_blob64(handle_, index, data, value.size(), SQLITE_STATIC) == SQLITE_OK);
}

Result<bool> Statement::Step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(handle_);
    return false;
  }
  auto error = SqliteError(sqlite3_db_handle(handle_), code, sqlite3_sql(handle_));
  sqlite3_reset(handle_);
  return error;
}

Status Statement::Run() {
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return {};
  }
}

void Statement::Reset() { sqlite3_reset(handle_); }

int Statement::ColumnCount() const { return sqlite3_column_count(handle_); }

std::string_view Statement::ColumnName(int column) const {
  return sqlite3_column_name(handle_, column);
}

int Statement::ColumnStorage(int column) const { return sqlite3_column_type(handle_, column); }

bool Statement::ColumnIsNull(int column) const { return ColumnStorage(column) == SQLITE_NULL; }

int64_t Statement::ColumnInt(int column) const { return sqlite3_column_int64(handle_, column); }

double Statement::ColumnDouble(int column) const { return sqlite3_column_double(handle_, column); }

std::string_view Statement::ColumnText(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(handle_, column))};
}

std::string_view Statement::ColumnBlob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(handle_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(handle_, column))};
}

Result<Transaction> Transaction::Begin(Database& database) {
  TW_RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_ != nullptr && database_->InTransaction()) {
    // Fails only when SQLite has rolled back by itself, which is what we want.
    (void)database_->Execute("ROLLBACK");
  }
}

Status Transaction::Commit() {
  TW_CHECK(database_ != nullptr);
  Database* const database = std::exchange(database_, nullptr);
  if (auto committed = database->Execute("COMMIT"); !committed.ok()) {
    if (database->InTransaction()) (void)database->Execute("ROLLBACK");
    return committed;
  }
  return {};
}

std::string QuoteIdentifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted.push_back('"');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

}  // namespace tw::sqlite
