// Many statements for one wait: writes are sent without waiting for their results, reads wait for
// all that was sent before them (libpq's pipeline mode).
//
//   Send ──▶ Send ──▶ Send ──▶ Query ──▶ rows        an error of a Send is told by the next call
//                                                    that waits: Query, Sync, a Send over the limit
//
// After an error nothing of what was sent behind it is done, until the caller rolls back. Statements
// are prepared at their first use.
// Source: PostgreSQL 15 manual §34.5 "Pipeline Mode".
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <span>
#include <string>

#include "base/result.h"
#include "base/strings.h"
#include "postgres/connection.h"

namespace tw::postgres {

// What a write must have done; kOneRow: exactly one row, or it fails with kUnavailable, because
// somebody else was there in between.
enum class Expected : uint8_t { kAnything, kOneRow };

class Pipeline {
 public:
  // Results that wait for being read; keeps what the server sends below what sockets hold.
  static constexpr size_t kPendingMax = 64;
  static constexpr size_t kPendingBytesMax = 1 << 20;
  // Statements kept prepared; further ones are parsed at each use.
  static constexpr size_t kPreparedMax = 512;

  // Errors: kUnavailable.
  static Result<Pipeline> Enter(Connection connection);

  Status Send(const std::string& sql, std::span<const Parameter> parameters,
              Expected expected = Expected::kAnything);
  Status Send(const std::string& sql, std::initializer_list<Parameter> parameters = {}) {
    return Send(sql, std::span(parameters.begin(), parameters.size()));
  }
  Result<Rows> Query(const std::string& sql, std::span<const Parameter> parameters);
  Result<Rows> Query(const std::string& sql, std::initializer_list<Parameter> parameters = {}) {
    return Query(sql, std::span(parameters.begin(), parameters.size()));
  }
  // Waits for everything. Errors: the first one of what was sent.
  Status Sync();

  bool broken() const { return connection_.broken(); }
  bool in_transaction() const { return connection_.in_transaction(); }
  // Of the last failed statement.
  const std::string& sqlstate() const { return sqlstate_; }
  // Times that we waited for the server.
  uint64_t round_trips() const { return round_trips_; }

 private:
  struct Pending {
    Expected expected = Expected::kAnything;
    bool is_query = false;
  };

  explicit Pipeline(Connection connection) : connection_(std::move(connection)) {}
  Result<std::string> Prepared(const std::string& sql);
  Status Dispatch(const std::string& sql, std::span<const Parameter> parameters, Pending pending);
  // Reads the results of all that is pending; rows of the query among them.
  Result<Rows> Collect();

  Connection connection_;
  StringMap<std::string> names_;
  std::deque<Pending> pending_;
  size_t pending_bytes_ = 0;
  std::string sqlstate_;
  uint64_t round_trips_ = 0;
};

}  // namespace tw::postgres
