// Where a snapshot or a commit of our own connections lies in the change log of a Postgres
// database. Decision: docs/decisions/0021-exact-reads-on-postgres.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/result.h"
#include "capture/postgres/commit_log.h"
#include "capture/postgres/recent_commits.h"
#include "model/position.h"
#include "postgres/connection.h"

namespace tw::query {

// For one thread's connection at a time.
class StreamPlace {
 public:
  // Snapshots taken until one lies at a place of the log; more than one only amid many commits.
  static constexpr int kSnapshotsMax = 8;

  // Both outlive it. `wait_max`: how long the stream may take to come to a place.
  StreamPlace(capture::CommitLog& log, capture::RecentCommits& recent,
              std::chrono::milliseconds wait_max = std::chrono::seconds{5})
      : log_(log), recent_(recent), wait_max_(wait_max) {}

  // The snapshot of a repeatable-read transaction, and an end of the WAL that it lies before.
  struct Snapshot {
    uint64_t epoch = 0;
    capture::Snapshot transactions;
    postgres::Lsn end;
  };
  // The first statement of the transaction. Errors: the connection's.
  Result<Snapshot> Take(postgres::Connection& connection) const;
  // The position that is exactly `snapshot`; nullopt: there is none, take another. Outside of any
  // transaction. Errors: kUnavailable: the stream is behind, or the snapshot is too old.
  Result<std::optional<Position>> Locate(postgres::Connection& connection,
                                         const Snapshot& snapshot) const;

  // Before a commit: what OfCommit needs to find it.
  struct Mark {
    uint64_t epoch = 0;
    uint64_t commits = 0;
  };
  Mark Now() const;
  // The position that everything which was committed as `xid` lies at or before, once the stream
  // has it. Outside of any transaction. Errors: kUnavailable: the stream is behind, or began anew.
  Result<Position> OfCommit(postgres::Connection& connection, const Mark& mark, uint32_t xid) const;
  // A position that everything lies at or before that is committed now. Errors: as OfCommit.
  Result<Position> OfNow(postgres::Connection& connection) const;

 private:
  Result<postgres::Lsn> EndOfWal(postgres::Connection& connection) const;
  Status WaitFor(postgres::Connection& connection, postgres::Lsn end) const;

  capture::CommitLog& log_;
  capture::RecentCommits& recent_;
  std::chrono::milliseconds wait_max_;
};

}  // namespace tw::query
