#include "changelog/segment_reader.h"

#include <algorithm>

namespace tw::changelog {
namespace {

// Least read from disk at once, so that a jump within a segment is not made of small steps.
constexpr size_t kReadBytesMin = 64 << 10;
constexpr size_t kReadBytesMax = 256 << 20;

}  // namespace

SegmentReader::SegmentReader(io::FileSystem& files, std::string directory,
                             uint32_t record_bytes_max)
    : files_(files), directory_(std::move(directory)), record_bytes_max_(record_bytes_max) {}

Result<RecordBatch> SegmentReader::Read(uint64_t from, uint64_t head, size_t bytes_max) {
  if (from > head) return RecordBatch();
  uint64_t wanted = from;
  if (file_ == nullptr || next_sequence_ != wanted) TW_RETURN_IF_ERROR(Locate(wanted));
  for (;;) {
    // Where the next segment begins this one ends, whatever a failed write left behind its end.
    const auto following =
        std::upper_bound(segments_.begin(), segments_.end(), header_.first_sequence);
    const uint64_t last = following == segments_.end() ? head : std::min(head, *following - 1);
    RecordBatch batch;
    if (wanted <= last) {
      TW_ASSIGN_OR_RETURN(batch, ReadSegment(wanted, last, bytes_max));
    }
    if (!batch.empty()) {
      batch.missing_ = wanted - from;
      return batch;
    }
    // This segment ends before `wanted`: go on in the next, which may be newer than our list.
    const uint64_t here = header_.first_sequence;
    file_.reset();
    TW_RETURN_IF_ERROR(ListSegments());
    if (segments_.empty() || segments_.front() > from) {
      return Fail(ErrorCode::kOutOfRange, "sequence " + std::to_string(from) + " is reclaimed");
    }
    const auto next = std::upper_bound(segments_.begin(), segments_.end(), here);
    if (next == segments_.end()) {
      return Fail(ErrorCode::kDataLoss, directory_ + "/" + SegmentName(here) +
                                            ": damaged at sequence " + std::to_string(wanted));
    }
    if (*next > head) {
      batch.missing_ = head + 1 - from;
      return batch;
    }
    TW_RETURN_IF_ERROR(OpenSegment(*next));
    wanted = std::max(wanted, *next);
  }
}

Status SegmentReader::ListSegments() {
  TW_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(directory_));
  segments_.clear();
  for (const std::string& name : names) {
    if (const auto first = ParseSegmentName(name)) segments_.push_back(*first);
  }
  return {};
}

Status SegmentReader::Locate(uint64_t from) {
  file_.reset();
  TW_RETURN_IF_ERROR(ListSegments());
  const auto after = std::upper_bound(segments_.begin(), segments_.end(), from);
  if (after == segments_.begin()) {
    return Fail(ErrorCode::kOutOfRange,
                "sequence " + std::to_string(from) + " is before the oldest kept");
  }
  return OpenSegment(*std::prev(after));
}

Status SegmentReader::OpenSegment(uint64_t first) {
  const std::string path = directory_ + "/" + SegmentName(first);
  auto file = files_.Open(path, io::FileSystem::OpenMode::kRead);
  if (!file.ok() && file.error().code == ErrorCode::kNotFound) {
    return Fail(ErrorCode::kOutOfRange, path + " was reclaimed meanwhile");
  }
  if (!file.ok()) return std::unexpected(std::move(file).error());
  TW_ASSIGN_OR_RETURN(const std::string bytes, (*file)->ReadAt(0, kSegmentHeaderBytes));
  const auto header = ParseSegmentHeader(bytes);
  if (!header || header->first_sequence != first) {
    return Fail(ErrorCode::kDataLoss, path + ": damaged header");
  }
  file_ = std::move(*file);
  header_ = *header;
  next_sequence_ = first;
  next_offset_ = kSegmentHeaderBytes;
  next_chain_ = header_.crc;
  return {};
}

Result<RecordBatch> SegmentReader::ReadSegment(uint64_t from, uint64_t head, size_t bytes_max) {
  bytes_max = std::clamp<size_t>(bytes_max, 1, kReadBytesMax);
  RecordBatch batch;
  size_t wanted = std::max(bytes_max, kReadBytesMin);
  for (;;) {
    TW_ASSIGN_OR_RETURN(batch.bytes_, file_->ReadAt(next_offset_, wanted));
    const size_t needed = TakeRecords(from, head, bytes_max, batch);
    // Done; or no record there; or the file ends within it.
    if (!batch.empty() || needed == 0 || batch.bytes_.size() < wanted) return batch;
    wanted = std::max(needed, kReadBytesMin);
  }
}

// Moves over the records in the batch's bytes and enters those from `from` on. Returns 0, or, when
// the bytes end within a record, how many it takes to read that.
size_t SegmentReader::TakeRecords(uint64_t from, uint64_t head, size_t bytes_max,
                                  RecordBatch& batch) {
  const std::string_view bytes = batch.bytes_;
  size_t at = 0;
  size_t taken = 0;
  while (next_sequence_ <= head && taken < bytes_max) {
    const std::string_view rest = bytes.substr(at);
    if (rest.size() < kRecordHeaderBytes) return kRecordHeaderBytes;
    const RecordPrefix prefix = PeekRecord(rest);
    if (prefix.sequence != next_sequence_ || prefix.length > record_bytes_max_) return 0;
    if (rest.size() < RecordBytes(prefix.length)) return RecordBytes(prefix.length);
    const auto record = ParseRecord(rest, header_, record_bytes_max_);
    if (!record || record->chain != next_chain_) return 0;
    if (taken + record->stored_bytes > bytes_max && taken > 0) return 0;
    if (next_sequence_ >= from) {
      batch.entries_.push_back({next_sequence_, static_cast<uint32_t>(at + kRecordHeaderBytes),
                                static_cast<uint32_t>(record->view.payload.size()),
                                record->view.kind, record->view.flags});
      taken += record->stored_bytes;
    }
    at += record->stored_bytes;
    next_offset_ += record->stored_bytes;
    next_chain_ = record->crc;
    ++next_sequence_;
  }
  return 0;
}

}  // namespace tw::changelog
