// What was revoked, kept in our database: by HTTP, or by `tidewire revoke` beside the server.
#pragma once

#include <cstdint>
#include <memory>

#include "auth/revocations.h"
#include "base/clock.h"
#include "base/result.h"
#include "sqlite/sqlite.h"
#include "telemetry/metrics.h"

namespace tw::app {

// Thread: whose the database is. Table tidewire_revocation.
class RevocationBook {
 public:
  // `database`, `clock` and `metrics` outlive the book.
  static Result<std::unique_ptr<RevocationBook>> Open(sqlite::Database& database,
                                                      const Clock& clock,
                                                      telemetry::Registry& metrics);

  // Writes it down. Errors: kResourceExhausted over auth::kRevocationsMax, kInvalidArgument for a
  // value that is empty or too long, and the database's own.
  static Status Add(sqlite::Database& database, const auth::Revocation& revocation);

  // Forgets what has expired, and reads what there is when that has changed since the last call; null
  // when it has not.
  Result<auth::RevocationsPtr> Poll();

 private:
  RevocationBook(sqlite::Database& database, const Clock& clock, telemetry::Registry& metrics);
  Result<auth::RevocationsPtr> Read();

  sqlite::Database& database_;
  const Clock& clock_;
  telemetry::Gauge& kept_;
  int64_t seen_ = -1;  // The version that was read last.
};

}  // namespace tw::app
