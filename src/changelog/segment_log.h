// changelog: a durable, ordered log in segment files. The inbox keeps webhook deliveries in one; on
// Postgres the change log is another.
//
//   Append(group) ─▶ one write + one fdatasync ─▶ head() ─▶ Read / SegmentReader     Reclaim ─▶
//   reuse
//
// Start here   segment_log.h → segment_reader.h (reading from another thread) → segment_format.h
//              (the bytes on disk).
// Promises     Sequences rise by one from 1 and are never reused. Append returns only when its
// group
//              is durable; a reader sees nothing sooner. After a power cut every acknowledged
//              record is there, in order and once; an unacknowledged one is absent or whole.
// Owns         its directory: <first sequence>.seg, spare-<n>.free, <first sequence>.quarantined.
// Thread       one at a time; SegmentReaders may be elsewhere.
// Not here     What the payloads mean (ingest/inbox), who has read how far (their database).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "changelog/record.h"
#include "changelog/segment_format.h"
#include "changelog/segment_reader.h"
#include "changelog/segment_scan.h"
#include "io/file.h"
#include "telemetry/metrics.h"

namespace tw::changelog {

struct SegmentLogOptions {
  // Label of its metrics, e.g. "inbox".
  std::string name = "log";
  // Size of a segment file. A group must fit into one.
  uint64_t segment_bytes = 64u << 20;
  // A new file grows by this much at a time; a recycled one has its full size already.
  uint64_t allocation_step_bytes = 1u << 20;
  // Largest payload.
  uint32_t record_bytes_max = 16u << 20;
  // Largest sum of live segment files: the backlog on disk.
  uint64_t bytes_max = uint64_t{20} << 30;
  // Growth stops when less than this part of the disk would remain free. 0 to 99.
  uint32_t free_percent_min = 10;
  // Reclaimed files kept for reuse; more are removed.
  uint32_t spare_segments_max = 2;
  // The next sequence is at least this: what the log's consumer knows to have seen, plus one.
  // Protects against a directory that was wiped while the consumer's database was not.
  uint64_t next_sequence_min = 1;
};

// What Open found. Anything in `quarantined` or `missing` is critical: acknowledged records may be
// unreadable.
struct OpenReport {
  struct Range {
    uint64_t first = 0;
    uint64_t last = 0;
    bool operator==(const Range&) const = default;
  };
  uint64_t segments = 0;
  uint64_t records = 0;
  uint64_t bytes_scanned = 0;
  // Bytes of an unfinished group cut off the end: never acknowledged, so nothing is lost.
  uint64_t bytes_cut = 0;
  std::vector<std::string> quarantined;  // File names.
  std::vector<Range> missing;            // Sequences between segments that no file holds.
};

class SegmentLog {
 public:
  // Reads every segment, repairs what a crash may leave and is ready to append. Creates
  // `directory`. `files`, `random` and `metrics` must outlive the log. `random` makes segment
  // salts. Errors: the file system's own.
  static Result<std::unique_ptr<SegmentLog>> Open(io::FileSystem& files, std::string directory,
                                                  Random& random, telemetry::Registry& metrics,
                                                  const SegmentLogOptions& options = {});

  // Writes `group` with one write and one sync; returns the sequence of its last record. On an
  // error nothing of the group is visible, and after kResourceExhausted the log goes on working.
  // Errors: kInvalidArgument: a payload above record_bytes_max, or a group above group_bytes_max().
  // kResourceExhausted: bytes_max, free_percent_min, or the disk is full. kDataLoss: a write or
  // sync failed, now or before: what is on disk is unknown, the process must exit and recover.
  Result<uint64_t> Append(std::span<const Payload> group);

  // As SegmentReader::Read, up to head().
  Result<RecordBatch> Read(uint64_t from, size_t bytes_max);

  // Gives back whole segments all of whose records are ≤ `up_to`, for reuse. Durable on return.
  // Never touches the segment in use. Errors: as Append.
  Status Reclaim(uint64_t up_to);

  // The last durable sequence; the first one will be head() + 1.
  uint64_t head() const { return head_; }
  // The oldest readable sequence; head() + 1 when there is none.
  uint64_t tail() const;
  // Sum of live segment files.
  uint64_t bytes() const;
  // Largest group, headers included: each record takes RecordBytes(payload size).
  uint64_t group_bytes_max() const { return options_.segment_bytes - kSegmentHeaderBytes; }
  bool poisoned() const { return poisoned_; }
  const OpenReport& report() const { return report_; }
  const SegmentLogOptions& options() const { return options_; }
  const std::string& directory() const { return directory_; }

 private:
  struct Segment {
    uint64_t first = 0;
    uint64_t last = 0;  // first - 1 when empty.
    uint64_t file_bytes = 0;
  };
  struct Metrics {
    telemetry::Counter& records;
    telemetry::Counter& groups;
    telemetry::Counter& quarantined;
    telemetry::Gauge& bytes;
    telemetry::Gauge& segments;
    telemetry::Gauge& poisoned;
  };

  SegmentLog(io::FileSystem& files, std::string directory, Random& random,
             telemetry::Registry& metrics, const SegmentLogOptions& options);

  Status Recover();
  // The last one found when `next_first` is 0.
  Status RecoverSegment(uint64_t first, uint64_t next_first);
  Status Resume(std::unique_ptr<io::File> file, const SegmentScan& scan);
  Status Quarantine(uint64_t first);
  Status AdoptSpares(const std::vector<std::string>& names);
  Status Retire(size_t index);
  void Report();
  Status EnsureRoom(uint64_t group_bytes);
  Status StartSegment(uint64_t first);
  Status CreateSpare();
  uint64_t FirstAllocation() const;
  Status CheckBacklog(uint64_t more_bytes) const;
  Status CheckFreeSpace(uint64_t more_bytes);
  uint32_t EncodeGroup(std::span<const Payload> group);
  std::unexpected<Error> Poison(const Error& cause);
  std::unexpected<Error> PoisonUnlessExhausted(const Error& cause);
  std::string PathOf(std::string_view name) const;
  void UpdateGauges();

  io::FileSystem& files_;
  const std::string directory_;
  Random& random_;
  const SegmentLogOptions options_;
  Metrics metrics_;
  SegmentReader reader_;
  OpenReport report_;

  std::vector<Segment> segments_;  // Rising; the last one is in use.
  std::vector<std::string> spares_;
  uint64_t spare_number_ = 0;
  uint64_t next_min_ = 1;  // Recovery: no sequence below this may be given out.
  uint64_t head_ = 0;
  bool poisoned_ = false;

  std::unique_ptr<io::File> file_;  // The segment in use.
  SegmentHeader header_;
  uint64_t offset_ = 0;  // Where the next group goes.
  bool dirty_ = false;   // A failed write may have left something there.
  uint32_t chain_ = 0;   // CRC of the record before.
  uint32_t nonce_ = 0;   // New at each open and after each failed write; see segment_format.h.
  std::string buffer_;   // The encoded group.
};

}  // namespace tw::changelog
