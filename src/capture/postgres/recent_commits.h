// Which transactions lie where in the change log: makes the position of a read exact.
//
// A snapshot sees transactions by their ids; the log has them in the order of their commit records. A
// snapshot whose transactions are exactly those up to some place in the log has that place as its
// position. Two that commit at the same moment may become visible in the other order than they are in
// the log: then there is no such place for an instant, and whoever reads takes a new snapshot.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "postgres/lsn.h"

namespace tw::capture {

// pg_current_snapshot(): transactions below `xmin` are visible, from `xmax` on none, and those in
// between unless they are in `running`. Ids are 64 bits wide (xid8).
struct Snapshot {
  uint64_t xmin = 0;
  uint64_t xmax = 0;
  std::vector<uint64_t> running;  // Ascending.

  bool Sees(uint32_t xid) const;
};
// "10:20:10,14,15". Errors: kInvalidArgument.
Result<Snapshot> ParseSnapshot(std::string_view text);

class RecentCommits {
 public:
  static constexpr size_t kCommitsMax = 65'536;

  // The log begins, or goes on elsewhere, at `offset`.
  void Reset(uint64_t offset, postgres::Lsn passed);
  // The next commit: its last change has `offset`.
  void Add(uint32_t xid, uint64_t offset);
  // Everything before `lsn` has been received and added.
  void Pass(postgres::Lsn lsn);

  postgres::Lsn passed() const;
  // Waits until everything before `lsn` is known. False when the time is over.
  bool WaitFor(postgres::Lsn lsn, std::chrono::milliseconds at_most);
  // The offset of the place that `snapshot` is exactly at; everything that it may see is known
  // (WaitFor). nullopt: between two commits that changed places, take another. Errors: kUnavailable:
  // the snapshot is older than what is remembered.
  Result<std::optional<uint64_t>> Locate(const Snapshot& snapshot) const;

  // How many commits were added in all; for WaitForCommit.
  uint64_t count() const;
  // Waits for the commit of `xid`, which is not among the first `after` of all commits and ends
  // before `end` in the WAL. Its offset; nullopt: it changed nothing that is followed.
  // Errors: kUnavailable: the time is over.
  Result<std::optional<uint64_t>> WaitForCommit(uint32_t xid, uint64_t after, postgres::Lsn end,
                                                std::chrono::milliseconds at_most);
  // Of the newest commit that is known.
  uint64_t newest_offset() const;

 private:
  struct Commit {
    uint32_t xid;
    uint64_t offset;
  };
  mutable std::mutex mutex_;  // Readers are on other threads.
  std::condition_variable passed_changed_;
  postgres::Lsn passed_;
  uint64_t floor_ = 0;  // The offset before the first remembered commit.
  bool complete_ = true;  // Nothing has been forgotten since Reset.
  uint64_t count_ = 0;
  std::deque<Commit> commits_;
};

}  // namespace tw::capture
