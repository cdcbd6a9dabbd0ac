#include "changelog/segment_scan.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace tw::changelog {
namespace {

constexpr uint64_t kWindowBytes = 4 << 20;
constexpr uint64_t kRecordAlignment = 8;

// The file through large sequential reads.
class Window {
 public:
  Window(io::File& file, uint64_t file_bytes) : file_(file), file_bytes_(file_bytes) {}

  // Up to `size` bytes at `offset`; fewer only at the end of the file. Valid until the next call.
  Result<std::string_view> At(uint64_t offset, uint64_t size) {
    if (offset >= file_bytes_) return std::string_view();
    size = std::min(size, file_bytes_ - offset);
    if (offset < base_ || offset + size > base_ + bytes_.size()) {
      base_ = offset;
      TW_ASSIGN_OR_RETURN(bytes_, file_.ReadAt(offset, std::max(size, kWindowBytes)));
    }
    return std::string_view(bytes_).substr(offset - base_, size);
  }

 private:
  io::File& file_;
  const uint64_t file_bytes_;
  uint64_t base_ = 0;
  std::string bytes_;
};

// The record at `offset` if it is whole and its sequence is at least `sequence_min` and possible.
Result<std::optional<ParsedRecord>> RecordAt(Window& window, uint64_t offset,
                                             const SegmentHeader& header, uint64_t sequence_min,
                                             uint64_t sequence_max, uint32_t record_bytes_max) {
  TW_ASSIGN_OR_RETURN(std::string_view bytes, window.At(offset, kRecordHeaderBytes));
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  const RecordPrefix prefix = PeekRecord(bytes);
  if (prefix.sequence < sequence_min || prefix.sequence > sequence_max ||
      prefix.length > record_bytes_max) {
    return std::nullopt;
  }
  TW_ASSIGN_OR_RETURN(bytes, window.At(offset, RecordBytes(prefix.length)));
  return ParseRecord(bytes, header, record_bytes_max);
}

// Looks for anything of ours behind the end.
Status LookBeyond(Window& window, uint64_t missing, uint32_t record_bytes_max, SegmentScan& scan) {
  const uint64_t sequence_max =
      missing + (scan.file_bytes - std::min(scan.file_bytes, scan.end_offset)) / kRecordHeaderBytes;
  TW_ASSIGN_OR_RETURN(const std::string_view next, window.At(scan.end_offset, kRecordHeaderBytes));
  if (next.size() == kRecordHeaderBytes && PeekRecord(next).sequence == missing) {
    scan.broken_record = true;
    scan.bytes_torn = kRecordHeaderBytes;
  }
  for (uint64_t at = scan.end_offset; at + kRecordHeaderBytes <= scan.file_bytes;) {
    TW_ASSIGN_OR_RETURN(const auto record, RecordAt(window, at, *scan.header, missing, sequence_max,
                                                    record_bytes_max));
    if (!record) {
      at += kRecordAlignment;
      continue;
    }
    at += record->stored_bytes;
    scan.broken_record = true;
    scan.bytes_torn = at - scan.end_offset;
    if (record->group_first() > missing) scan.later_group = true;
  }
  // How many records the damaged part held cannot be known.
  if (scan.later_group) scan.sequence_bound = sequence_max;
  return {};
}

}  // namespace

Result<SegmentScan> ScanSegment(io::File& file, uint64_t first, uint64_t expected_end,
                                uint32_t record_bytes_max) {
  SegmentScan scan;
  TW_ASSIGN_OR_RETURN(scan.file_bytes, file.Size());
  scan.sequence_bound = first + scan.file_bytes / kRecordHeaderBytes;
  Window window(file, scan.file_bytes);
  TW_ASSIGN_OR_RETURN(const std::string_view head, window.At(0, kSegmentHeaderBytes));
  scan.header = ParseSegmentHeader(head);
  if (scan.header && scan.header->first_sequence != first) scan.header.reset();
  if (!scan.header) return scan;

  scan.end_chain = scan.header->crc;
  uint64_t next = first;
  // What a failed write left behind the last record may look like more of them: the next segment's
  // first sequence is the end, whatever follows.
  for (; next != expected_end; ++next) {
    TW_ASSIGN_OR_RETURN(const auto record, RecordAt(window, scan.end_offset, *scan.header, next,
                                                    next, record_bytes_max));
    if (!record || record->chain != scan.end_chain) break;
    if (record->group_first() == next) scan.last_group_offset = scan.end_offset;
    scan.end_offset += record->stored_bytes;
    scan.end_chain = record->crc;
    ++scan.records;
  }
  scan.sequence_bound = next - 1;
  if (next != expected_end) TW_RETURN_IF_ERROR(LookBeyond(window, next, record_bytes_max, scan));
  return scan;
}

}  // namespace tw::changelog
