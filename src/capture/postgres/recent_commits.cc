#include "capture/postgres/recent_commits.h"

#include <algorithm>

#include "base/strings.h"

namespace tw::capture {

bool Snapshot::Sees(uint32_t xid) const {
  // The stream has the low half of the id; the snapshot's own lies within 2^31 of it.
  const auto distance = static_cast<int32_t>(xid - static_cast<uint32_t>(xmax));
  const uint64_t whole = xmax + static_cast<uint64_t>(static_cast<int64_t>(distance));
  if (whole < xmin) return true;
  if (whole >= xmax) return false;
  return !std::ranges::binary_search(running, whole);
}

Result<Snapshot> ParseSnapshot(std::string_view text) {
  const auto bad = [&] {
    return Fail(ErrorCode::kInvalidArgument, "'" + std::string(text) + "' is no snapshot");
  };
  const auto parts = Split(text, ':');
  if (parts.size() != 3) return bad();
  const auto xmin = ParseUint64(parts[0]);
  const auto xmax = ParseUint64(parts[1]);
  if (!xmin || !xmax) return bad();
  Snapshot snapshot{*xmin, *xmax, {}};
  if (parts[2].empty()) return snapshot;
  for (const std::string_view part : Split(parts[2], ',')) {
    const auto xid = ParseUint64(part);
    if (!xid) return bad();
    snapshot.running.push_back(*xid);
  }
  std::ranges::sort(snapshot.running);
  return snapshot;
}

void RecentCommits::Reset(uint64_t offset, postgres::Lsn passed) {
  const std::lock_guard lock(mutex_);
  commits_.clear();
  floor_ = offset;
  complete_ = true;
  passed_ = passed;
  passed_changed_.notify_all();
}

void RecentCommits::Add(uint32_t xid, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  commits_.push_back({xid, offset});
  ++count_;
  if (commits_.size() > kCommitsMax) {
    floor_ = commits_.front().offset;
    commits_.pop_front();
    complete_ = false;
  }
}

void RecentCommits::Pass(postgres::Lsn lsn) {
  const std::lock_guard lock(mutex_);
  if (lsn <= passed_) return;
  passed_ = lsn;
  passed_changed_.notify_all();
}

postgres::Lsn RecentCommits::passed() const {
  const std::lock_guard lock(mutex_);
  return passed_;
}

bool RecentCommits::WaitFor(postgres::Lsn lsn, std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  return passed_changed_.wait_for(lock, at_most, [&] { return passed_ >= lsn; });
}

Result<std::optional<uint64_t>> RecentCommits::Locate(const Snapshot& snapshot) const {
  const std::lock_guard lock(mutex_);
  // Backwards: few commits are newer than a snapshot that has just been taken.
  size_t end = commits_.size();
  while (end > 0 && !snapshot.Sees(commits_[end - 1].xid)) --end;
  // A transaction that was running then may have committed anywhere before: none may be left out.
  for (size_t i = 0; i < end; ++i) {
    if (!snapshot.Sees(commits_[i].xid)) return std::nullopt;
  }
  if (end == 0 && !complete_) {
    return Fail(ErrorCode::kUnavailable, "the snapshot is too old to be placed in the change log");
  }
  return end == 0 ? floor_ : commits_[end - 1].offset;
}

uint64_t RecentCommits::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

uint64_t RecentCommits::newest_offset() const {
  const std::lock_guard lock(mutex_);
  return commits_.empty() ? floor_ : commits_.back().offset;
}

Result<std::optional<uint64_t>> RecentCommits::WaitForCommit(uint32_t xid, uint64_t after,
                                                             postgres::Lsn end,
                                                             std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  std::optional<uint64_t> found;
  uint64_t looked_at = after;
  const auto known = [&] {
    // Only what came since the last look: commits may be many.
    const uint64_t fresh = std::min<uint64_t>(count_ - looked_at, commits_.size());
    for (size_t i = commits_.size() - fresh; i < commits_.size() && !found; ++i) {
      if (commits_[i].xid == xid) found = commits_[i].offset;
    }
    looked_at = count_;
    return found.has_value() || passed_ >= end;
  };
  if (passed_changed_.wait_for(lock, at_most, known)) return found;
  return Fail(ErrorCode::kUnavailable, "the change stream is behind");
}

}  // namespace tw::capture
