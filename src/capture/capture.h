// capture: the store's committed changes, read back from the database itself.
//
//   any program's write ──trigger, same transaction──▶ tidewire_log ──Poll──▶ Batch
//
// Start here   capture.h (install, poll) → log_reader.h (rows → Change) → log_image.h (encoding).
// Promises     A change is seen if and only if its transaction committed, whoever made it: our own
//              applier, the sqlite3 shell, another process. Offsets rise by one in commit order.
//              A Poll returns whole commits.
// Owns         tidewire_log, tidewire_relation and the triggers named tidewire_capture_….
// Thread       Capture: the store thread. LogReader: one thread with its own connection.
// Not here     Who sees a change (router), and tables that nobody may follow: only tables named in
//              the configuration are captured.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "capture/log_reader.h"
#include "model/change.h"
#include "sqlite/sqlite.h"
#include "store/store.h"
#include "telemetry/metrics.h"

namespace tw::capture {

// How much of the log is kept for clients that return. Whichever is reached first.
struct RetentionLimits {
  std::chrono::seconds age_max{std::chrono::hours{24}};
  uint64_t changes_max = 1'000'000;
  // Of the log's files on Postgres; 0: no limit. On SQLite the rows count, not their bytes.
  uint64_t bytes_max = 0;
};

class Capture {
 public:
  // Creates our tables and (re)installs the triggers of `tables`. A table whose shape changed since
  // the last start gets a new relation id. Errors: kNotFound (no such table), kFailedPrecondition
  // (a table without primary key, or with columns whose names differ only by case).
  static Result<std::unique_ptr<Capture>> Install(store::Store& store,
                                                  const std::vector<std::string>& tables,
                                                  telemetry::Registry& metrics);

  // The shapes in force, in the order of `tables`.
  const std::vector<RelationPtr>& relations() const { return relations_; }
  // The position of the last change that Poll has returned (or that existed at Install).
  Position head() const { return head_; }

  // The changes committed since the last call, as at most one batch; nullptr when there are none.
  // At most `kPollChangesMax` changes and LogReader::kReadBytesMax per call: again until nullptr. A larger commit is split;
  // only its last part ends at a commit boundary.
  Result<BatchPtr> Poll();
  static constexpr uint64_t kPollChangesMax = 10'000;

  // Cheap test (no I/O beyond one pragma) whether another connection has committed since the last
  // call of Poll.
  Result<bool> OthersCommitted();

  // Deletes what is older than the limits allow; at most `kTrimChangesMax` rows per call, so that
  // the store thread is never held long. True when more is left to delete.
  Result<bool> Trim(const RetentionLimits& limits, WallTime now);
  static constexpr int64_t kTrimChangesMax = 5'000;

 private:
  Capture(store::Store& store, LogReader reader, telemetry::Registry& metrics);
  Status InstallTable(const std::string& table);

  store::Store& store_;
  LogReader reader_;
  std::vector<RelationPtr> relations_;
  Position head_;
  int64_t data_version_ = 0;
  sqlite::Statement data_version_query_;
  telemetry::Counter& changes_;
};

}  // namespace tw::capture
