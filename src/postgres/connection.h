// postgres: RAII over libpq: SQL connections, the replication stream, pgoutput decoding.
//
//   Connection ──Query──▶ Rows           ReplicationStream ──bytes──▶ pgoutput ──▶ messages
//
// Start here   connection.h (SQL) → replication.h (a walsender's stream) → pgoutput.h (its bytes, no
//              I/O) → assembler.h (bytes → whole transactions).
// Errors       By SQLSTATE class: 08, 57P0x, 53300, 55006, 40001, 40P01 → kUnavailable; 28 →
//              kUnauthenticated; 42501 → kPermissionDenied; 3D000, 42P01, 42703, 42704, 42883 →
//              kNotFound; 42P06, 42P07, 42710 → kAlreadyExists; 22, 23 and the rest of 42 →
//              kInvalidArgument; 53, 54, 57014 → kResourceExhausted; 25, 55 → kFailedPrecondition;
//              XX001, XX002 → kDataLoss; everything else → kInternal. Messages hold the server's own
//              text and the SQLSTATE, never a password.
// Thread       An object belongs to one thread at a time. Calls block: use a thread of its own,
//              never an event loop.
// Source       PostgreSQL 15 manual, chapters 34 (libpq) and 55 (protocol).
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

extern "C" {
struct pg_conn;
struct pg_result;
}

namespace tw::postgres {

enum class Purpose : uint8_t { kSql, kReplication };

struct ConnectOptions {
  // A libpq connection string or URI. Secret: it may hold a password.
  std::string dsn;
  std::string application_name = "tidewire";
  Purpose purpose = Purpose::kSql;
  std::chrono::seconds connect_timeout{5};
  // 0: none. Longer statements fail with kResourceExhausted.
  std::chrono::milliseconds statement_timeout{0};
  // Session settings, after those of CanonicalSettings().
  std::vector<std::pair<std::string, std::string>> settings;
};

// What makes the text of a value the same whatever the role, database or server says: timezone UTC,
// datestyle ISO, intervalstyle postgres, extra_float_digits 3, bytea_output hex, search_path empty.
std::span<const std::pair<std::string_view, std::string_view>> CanonicalSettings();

// The code of a five-character SQLSTATE, as above.
ErrorCode CodeOfSqlState(std::string_view sqlstate);

// A result set in text format. Rows and columns count from 0.
class Rows {
 public:
  Rows() = default;
  explicit Rows(pg_result* result) : result_(result) {}
  Rows(Rows&& other) noexcept : result_(std::exchange(other.result_, nullptr)) {}
  Rows& operator=(Rows&& other) noexcept;
  ~Rows();

  size_t size() const;
  bool empty() const { return size() == 0; }
  size_t columns() const;
  std::string_view ColumnName(size_t column) const;
  uint32_t ColumnTypeOid(size_t column) const;
  bool IsNull(size_t row, size_t column) const;
  // The empty text for NULL.
  std::string_view Text(size_t row, size_t column) const;
  std::optional<std::string_view> OptionalText(size_t row, size_t column) const;
  // 't' is true, everything else false.
  bool Bool(size_t row, size_t column) const { return Text(row, column) == "t"; }
  // 0 for NULL and for what is no integer.
  int64_t Int(size_t row, size_t column) const;
  // Rows changed by an INSERT, UPDATE, DELETE or MERGE.
  uint64_t affected() const;

 private:
  pg_result* result_ = nullptr;
};

// What a server said of a statement that failed.
struct Failure {
  std::string sqlstate;  // Empty when it did not come from the server.
  std::string message, detail, hint;
};

// A parameter ($1…): text, or NULL. Its bytes must outlive the call and hold no zero byte.
using Parameter = std::optional<std::string_view>;

class Connection {
 public:
  // Errors: kInvalidArgument: the text is no connection string (it is not repeated in the message);
  // kUnauthenticated, kNotFound (database), kUnavailable (nobody answers, starting, too many
  // connections): the message says where and what to do.
  static Result<Connection> Open(const ConnectOptions& options);

  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  // Any number of statements without parameters; their rows are dropped.
  Status Execute(const std::string& sql);
  // One statement. On a replication connection only without parameters.
  Result<Rows> Query(const std::string& sql, std::span<const Parameter> parameters = {});
  Result<Rows> Query(const std::string& sql, std::initializer_list<Parameter> parameters) {
    return Query(sql, std::span(parameters.begin(), parameters.size()));
  }
  // `name` stays known to the server until the connection ends.
  Status Prepare(const std::string& name, const std::string& sql);
  Result<Rows> QueryPrepared(const std::string& name, std::span<const Parameter> parameters);

  // Of the last failed call; empty when it did not come from the server.
  std::string_view sqlstate() const { return failure_.sqlstate; }
  const Failure& failure() const { return failure_; }
  // The connection is lost: only a new one helps.
  bool broken() const;
  bool in_transaction() const;
  // For example 150018.
  int server_version() const;
  std::string database() const;
  std::string user() const;
  // An error of this connection, with libpq's last message and this context.
  std::unexpected<Error> LastError(std::string_view context);
  // For replication.cc and pipelines of this room.
  pg_conn* handle() { return handle_; }

 private:
  explicit Connection(pg_conn* handle) : handle_(handle) {}
  Result<Rows> Take(pg_result* result);

  pg_conn* handle_ = nullptr;
  Failure failure_;
};

// BEGIN at Begin; rolls back on destruction unless committed.
class Transaction {
 public:
  static Result<Transaction> Begin(Connection& connection, const std::string& begin = "begin");
  Transaction(Transaction&& other) noexcept
      : connection_(std::exchange(other.connection_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Status Commit();

 private:
  explicit Transaction(Connection* connection) : connection_(connection) {}
  Connection* connection_;
};

// "name" with quotes doubled, and 'text' with quotes doubled (E'' when it has backslashes): safe in
// SQL text whatever the session's settings.
std::string QuoteIdentifier(std::string_view name);
std::string QuoteLiteral(std::string_view text);

}  // namespace tw::postgres
