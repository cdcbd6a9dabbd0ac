// The applier's one connection to a PostgreSQL database: made when it is needed and again after it
// was lost, never in the middle of a transaction.
//
// Only one process applies to a database at a time: the session holds an advisory lock. The server
// frees it when the connection's backend ends, so that what an earlier process (or our own lost
// connection) was committing has either happened or never will, before we read how far it came.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/strings.h"
#include "postgres/pipeline.h"

namespace tw::ingest {

struct PostgresSessionOptions {
  std::string dsn;  // Secret.
  std::chrono::seconds connect_timeout{5};
  // After a failed attempt to connect, the next one is not made sooner.
  std::chrono::milliseconds retry_delay{200};
  // A statement that takes longer fails, and its transaction is tried again.
  std::chrono::milliseconds statement_timeout{60'000};
};

// Errors of every call: as Effects says, kInvalidArgument is the event's fault: a type, a
// constraint, a trigger's exception. Thread: the store thread.
class PostgresSession {
 public:
  // `clock` outlives the session.
  PostgresSession(PostgresSessionOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  // Connects if that is needed and allowed. Errors: kUnavailable (nobody answers; another process
  // applies here; the connection was lost within the transaction), those of Connection::Open.
  Status Connect();

  Status Begin();
  Status Commit();
  void Rollback();
  bool in_transaction() const { return in_transaction_; }

  // As Pipeline's; they connect first.
  Status Send(const std::string& sql, std::span<const postgres::Parameter> parameters,
              postgres::Expected expected = postgres::Expected::kAnything);
  Status Send(const std::string& sql, std::initializer_list<postgres::Parameter> parameters = {}) {
    return Send(sql, std::span(parameters.begin(), parameters.size()));
  }
  Result<postgres::Rows> Query(const std::string& sql,
                               std::span<const postgres::Parameter> parameters);
  Result<postgres::Rows> Query(const std::string& sql,
                               std::initializer_list<postgres::Parameter> parameters = {}) {
    return Query(sql, std::span(parameters.begin(), parameters.size()));
  }
  Status Sync();

  // "bigint", "character varying(10)", …: the type of a user's column; empty when there is none.
  // Read once per connection.
  Result<std::string> TypeOf(std::string_view table, std::string_view column);

  // The number of the connection: rises with each.
  uint64_t connections() const { return connections_; }
  uint64_t round_trips() const { return round_trips_before_ + Trips(); }

 private:
  Status Open();
  Status Prepare(postgres::Connection& connection);
  std::unexpected<Error> Judge(Error error);
  uint64_t Trips() const { return pipeline_ ? pipeline_->round_trips() : 0; }
  void Drop();

  const PostgresSessionOptions options_;
  const Clock& clock_;
  MonoTime next_attempt_{};
  Error last_error_;
  std::optional<postgres::Pipeline> pipeline_;
  StringMap<std::string> types_;  // By table and column.
  uint64_t round_trips_before_ = 0;
  uint64_t connections_ = 0;
  bool in_transaction_ = false;
  bool stale_ = false;  // The server's plans or ours do not fit any more: connect anew.
};

// "leads" is "public"."leads", "crm.leads" is "crm"."leads".
std::string QualifiedName(std::string_view table);

// Text as PostgreSQL takes it: zero bytes and what is no UTF-8 become U+FFFD.
std::string StorableText(std::string_view text);

}  // namespace tw::ingest
