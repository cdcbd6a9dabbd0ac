// The change log of a Postgres database: its commits in segment files, for clients that return.
//
//   Append(batches) ─▶ one write, one sync ─▶ durable()      Read(after) ─▶ Batch      Trim
//
// A record is a batch of one commit. An index in memory, one entry for every kIndexStep records, leads
// from an offset to its record.
// Thread: Append, Mark, StartHistory and Trim: the writer. Read: any one thread at a time. The rest:
// any.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>

#include "base/random.h"
#include "base/result.h"
#include "capture/capture.h"
#include "capture/postgres/commit_codec.h"
#include "capture/postgres/relation_book.h"
#include "changelog/segment_log.h"
#include "io/file.h"
#include "model/change.h"
#include "telemetry/metrics.h"

namespace tw::capture {

struct LoggedBatch {
  BatchPtr batch;
  CommitInfo info;
};

class CommitLog {
 public:
  // Reads what is there. Errors: the segment log's own; kDataLoss.
  static Result<std::unique_ptr<CommitLog>> Open(io::FileSystem& files, std::string directory,
                                                 Random& random, telemetry::Registry& metrics,
                                                 uint64_t bytes_max);

  // Where the history in the log begins and which it is; nullopt before the first StartHistory.
  std::optional<HistoryStart> history() const;
  // The position of the last durable change, or of the history's start.
  Position head() const;
  // The last commit, if only a part of it is here: the stream gives that commit again.
  struct Part {
    postgres::Lsn commit_lsn;
    uint64_t changes = 0;  // That are here.
  };
  std::optional<Part> unfinished() const;
  // Everything that ends at or before it is durable here, or concerned nobody: what a slot may be
  // told as flushed.
  postgres::Lsn durable() const;

  // Forgets everything; a new history follows. Errors: the segment log's.
  Status StartHistory(const HistoryStart& start);
  // Makes `batches` durable, in order. Errors: the segment log's; kInvalidArgument never happens for
  // batches within kBatchBytesMax.
  Status Append(std::span<const LoggedBatch> batches);
  // Nothing up to `lsn` is missing. Errors: the segment log's.
  Status Mark(postgres::Lsn lsn);
  // Gives back segments that hold nothing but what the limits do not keep. Errors: the segment log's.
  Status Trim(const RetentionLimits& limits, WallTime now);

  // Durable changes above offset `after`, in order: at most `changes_max`, and no more once they take
  // kReadBytesMax; null when there are none. Errors: kOutOfRange when not all of them are kept;
  // kDataLoss.
  Result<BatchPtr> Read(uint64_t after, uint64_t changes_max);

  ShapeRegistry& shapes() { return *shapes_; }

  static constexpr size_t kBatchBytesMax = 4u << 20;
  static constexpr size_t kReadBytesMax = 8u << 20;
  static constexpr uint64_t kIndexStep = 16;

 private:
  // The records from `sequence` on hold changes above offset `after`.
  struct Entry {
    uint64_t sequence = 0;
    uint64_t after = 0;
    WallTime committed_at;
    // Of this process' counts, for the limits.
    uint64_t changes_before = 0;
    uint64_t bytes_before = 0;
  };

  CommitLog(io::FileSystem& files, std::string directory);
  Status Recover();
  Status LoadHistory();
  Status SaveHistory(const std::string& start) const;
  Status TakeRecord(const changelog::RecordView& record);
  void Index(uint64_t sequence, const BatchHeader& header, size_t bytes);
  Result<uint64_t> FindSequence(uint64_t after);

  io::FileSystem& files_;
  const std::string directory_;
  std::unique_ptr<ShapeRegistry> shapes_;
  std::unique_ptr<changelog::SegmentLog> log_;
  std::unique_ptr<changelog::SegmentReader> reader_;
  // Held shared while segments are read, alone while they are given back.
  std::shared_mutex reclaiming_;
  mutable std::mutex mutex_;  // Guards what follows.
  std::optional<HistoryStart> history_;
  uint64_t head_offset_ = 0;
  uint64_t head_sequence_ = 0;
  uint64_t floor_ = 0;  // Every durable change above it is kept.
  postgres::Lsn durable_;
  std::optional<Part> unfinished_;
  std::deque<Entry> index_;
  uint64_t records_ = 0;
  uint64_t changes_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace tw::capture
