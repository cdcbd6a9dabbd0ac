// Reads a segment log's directory beside the SegmentLog that writes it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "changelog/record.h"
#include "changelog/segment_format.h"
#include "io/file.h"

namespace tw::changelog {

// Sequential reads are cheap (one large read each); a jump scans its segment from the start.
// Thread: one at a time, but not necessarily the log's: records up to a durable head never change,
// so a reader needs no lock against the writer. It must not ask for what is being reclaimed.
class SegmentReader {
 public:
  // `files` must outlive the reader. `directory` is a SegmentLog's.
  SegmentReader(io::FileSystem& files, std::string directory, uint32_t record_bytes_max);

  // Records from `from` to `head` (both inclusive), at most `bytes_max` of stored bytes but at
  // least one record; empty when `from` > `head`, or when all of them are missing (see
  // RecordBatch::missing). `head` is what SegmentLog::head() returned at any time.
  // Errors: kOutOfRange: `from` is before the oldest kept record. kDataLoss: damaged bytes, and no
  // later segment to go on with. The file system's own.
  Result<RecordBatch> Read(uint64_t from, uint64_t head, size_t bytes_max);

 private:
  Status ListSegments();
  Status Locate(uint64_t from);
  Status OpenSegment(uint64_t first);
  // What the open segment holds of `from` … `head`; empty when it ends before `from`.
  Result<RecordBatch> ReadSegment(uint64_t from, uint64_t head, size_t bytes_max);
  size_t TakeRecords(uint64_t from, uint64_t head, size_t bytes_max, RecordBatch& batch);

  io::FileSystem& files_;
  const std::string directory_;
  const uint32_t record_bytes_max_;
  std::vector<uint64_t> segments_;  // First sequences, rising, when last listed.
  // Where the next sequential read begins.
  std::unique_ptr<io::File> file_;
  SegmentHeader header_;
  uint64_t next_sequence_ = 0;
  uint64_t next_offset_ = 0;
  uint32_t next_chain_ = 0;
};

}  // namespace tw::changelog
