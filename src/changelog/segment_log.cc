#include "changelog/segment_log.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "telemetry/log.h"

namespace tw::changelog {

using OpenMode = io::FileSystem::OpenMode;
using telemetry::Labels;

SegmentLog::SegmentLog(io::FileSystem& files, std::string directory, Random& random,
                       telemetry::Registry& metrics, const SegmentLogOptions& options)
    : files_(files),
      directory_(std::move(directory)),
      random_(random),
      options_(options),
      metrics_{
          metrics.GetCounter("tidewire_segment_log_records_total", "Records made durable.",
                             Labels{{"log", options.name}}),
          metrics.GetCounter("tidewire_segment_log_syncs_total", "Groups written and synced.",
                             Labels{{"log", options.name}}),
          metrics.GetCounter("tidewire_segment_log_quarantined_total",
                             "Segment files set aside because they are damaged.",
                             Labels{{"log", options.name}}),
          metrics.GetGauge("tidewire_segment_log_bytes", "Bytes of live segment files.",
                           Labels{{"log", options.name}}),
          metrics.GetGauge("tidewire_segment_log_segments", "Live segment files.",
                           Labels{{"log", options.name}}),
          metrics.GetGauge("tidewire_segment_log_poisoned",
                           "1 after a failed write or sync: the process must exit.",
                           Labels{{"log", options.name}}),
      },
      reader_(files, directory_, options.record_bytes_max) {
  TW_CHECK(RecordBytes(options.record_bytes_max) <= group_bytes_max());
  TW_CHECK(options.segment_bytes <= std::numeric_limits<uint32_t>::max());
  TW_CHECK(options.allocation_step_bytes >= kSegmentHeaderBytes);
  // The segment in use is never reclaimed: with less, a full one would stop the log for good.
  TW_CHECK(options.bytes_max >= 2 * options.segment_bytes);
  TW_CHECK(options.free_percent_min < 100 && options.next_sequence_min >= 1);
}

Result<std::unique_ptr<SegmentLog>> SegmentLog::Open(io::FileSystem& files, std::string directory,
                                                     Random& random, telemetry::Registry& metrics,
                                                     const SegmentLogOptions& options) {
  std::unique_ptr<SegmentLog> log(
      new SegmentLog(files, std::move(directory), random, metrics, options));
  TW_RETURN_IF_ERROR(log->Recover());
  return log;
}

Result<uint64_t> SegmentLog::Append(std::span<const Payload> group) {
  TW_CHECK(!group.empty());
  if (poisoned_) return Fail(ErrorCode::kDataLoss, directory_ + ": failed before, restart needed");
  uint64_t bytes = 0;
  for (const Payload& payload : group) {
    if (payload.bytes.size() > options_.record_bytes_max) {
      return Fail(ErrorCode::kInvalidArgument,
                  "record of " + std::to_string(payload.bytes.size()) + " bytes");
    }
    bytes += RecordBytes(payload.bytes.size());
  }
  if (bytes > group_bytes_max()) {
    return Fail(ErrorCode::kInvalidArgument, "group of " + std::to_string(bytes) + " bytes");
  }
  if (auto room = EnsureRoom(bytes); !room.ok()) return PoisonUnlessExhausted(room.error());
  const uint32_t chain = EncodeGroup(group);
  if (auto written = file_->WriteAt(offset_, buffer_); !written.ok()) {
    // A part may be there; with a new nonce it can never continue what is written over it.
    nonce_ = static_cast<uint32_t>(random_.Next());
    dirty_ = true;
    return PoisonUnlessExhausted(written.error());
  }
  if (auto synced = file_->Sync(); !synced.ok()) return Poison(synced.error());
  offset_ += bytes;
  chain_ = chain;
  dirty_ = false;
  head_ += group.size();
  segments_.back().last = head_;
  metrics_.records.Add(group.size());
  metrics_.groups.Add();
  return head_;
}

// Returns the crc of the last record.
uint32_t SegmentLog::EncodeGroup(std::span<const Payload> group) {
  buffer_.clear();
  RecordLink link{head_, chain_, nonce_, 0};
  for (const Payload& payload : group) {
    ++link.sequence;
    link.chain = AppendRecord(buffer_, header_, link, payload);
    ++link.group_index;
  }
  return link.chain;
}

Result<RecordBatch> SegmentLog::Read(uint64_t from, size_t bytes_max) {
  return reader_.Read(from, head_, bytes_max);
}

Status SegmentLog::Reclaim(uint64_t up_to) {
  if (poisoned_) return Fail(ErrorCode::kDataLoss, directory_ + ": failed before, restart needed");
  const auto due = [&] { return segments_.size() > 1 && segments_.front().last <= up_to; };
  while (due()) {
    if (auto retired = Retire(0); !retired.ok()) return PoisonUnlessExhausted(retired.error());
  }
  UpdateGauges();
  return {};
}

// Its new name must be durable before a byte of it is overwritten: otherwise a power cut could
// bring the old name back over new contents.
Status SegmentLog::Retire(size_t index) {
  const std::string path = PathOf(SegmentName(segments_[index].first));
  if (spares_.size() >= options_.spare_segments_max) {
    TW_RETURN_IF_ERROR(files_.Remove(path));
    segments_.erase(segments_.begin() + static_cast<ptrdiff_t>(index));
    return files_.SyncDirectory(directory_);
  }
  std::string spare = "spare-" + std::to_string(++spare_number_) + ".free";
  TW_RETURN_IF_ERROR(files_.Rename(path, PathOf(spare)));
  segments_.erase(segments_.begin() + static_cast<ptrdiff_t>(index));
  if (auto synced = files_.SyncDirectory(directory_); !synced.ok()) return Poison(synced.error());
  spares_.push_back(std::move(spare));
  return {};
}

Status SegmentLog::EnsureRoom(uint64_t group_bytes) {
  if (offset_ + group_bytes > options_.segment_bytes) {
    TW_RETURN_IF_ERROR(CheckBacklog(spares_.empty() ? FirstAllocation() : options_.segment_bytes));
    if (dirty_) {
      // A reader at the end of this segment must not take what a failed write left for the next
      // record, which goes elsewhere.
      const uint64_t bytes = std::min(kRecordHeaderBytes, segments_.back().file_bytes - offset_);
      TW_RETURN_IF_ERROR(file_->WriteAt(offset_, std::string(bytes, '\0')));
      if (auto synced = file_->Sync(); !synced.ok()) return Poison(synced.error());
    }
    TW_RETURN_IF_ERROR(StartSegment(head_ + 1));
  }
  const uint64_t end = offset_ + group_bytes;
  uint64_t& file_bytes = segments_.back().file_bytes;
  if (end <= file_bytes) return {};
  const uint64_t step = options_.allocation_step_bytes;
  const uint64_t size = std::min(options_.segment_bytes, (end + step - 1) / step * step);
  TW_RETURN_IF_ERROR(CheckBacklog(size - file_bytes));
  TW_RETURN_IF_ERROR(CheckFreeSpace(size - file_bytes));
  TW_RETURN_IF_ERROR(file_->Allocate(size));
  file_bytes = size;
  UpdateGauges();
  return {};
}

// The file gets its final name only when its header is durable, so that a file with that name and
// without a sound header is always damage.
Status SegmentLog::StartSegment(uint64_t first) {
  if (spares_.empty()) TW_RETURN_IF_ERROR(CreateSpare());
  const std::string spare = PathOf(spares_.back());
  TW_ASSIGN_OR_RETURN(std::unique_ptr<io::File> file, files_.Open(spare, OpenMode::kReadWrite));
  TW_ASSIGN_OR_RETURN(uint64_t file_bytes, file->Size());
  if (const uint64_t least = FirstAllocation(); file_bytes < least) {
    TW_RETURN_IF_ERROR(CheckFreeSpace(least - file_bytes));
    TW_RETURN_IF_ERROR(file->Allocate(least));
    file_bytes = least;
  }
  SegmentHeader header{random_.Next(), first};
  TW_RETURN_IF_ERROR(file->WriteAt(0, EncodeSegmentHeader(header)));
  if (auto synced = file->Sync(); !synced.ok()) return Poison(synced.error());
  TW_RETURN_IF_ERROR(files_.Rename(spare, PathOf(SegmentName(first))));
  spares_.pop_back();
  if (auto synced = files_.SyncDirectory(directory_); !synced.ok()) return Poison(synced.error());
  segments_.push_back({first, first - 1, file_bytes});
  file_ = std::move(file);
  header_ = header;
  offset_ = kSegmentHeaderBytes;
  chain_ = header.crc;
  dirty_ = false;
  head_ = first - 1;
  UpdateGauges();
  return {};
}

uint64_t SegmentLog::FirstAllocation() const {
  return std::min(options_.allocation_step_bytes, options_.segment_bytes);
}

Status SegmentLog::CreateSpare() {
  std::string name = "spare-" + std::to_string(++spare_number_) + ".free";
  TW_ASSIGN_OR_RETURN(const auto file, files_.Open(PathOf(name), OpenMode::kCreate));
  spares_.push_back(std::move(name));
  return {};
}

Status SegmentLog::CheckBacklog(uint64_t more_bytes) const {
  if (bytes() + more_bytes <= options_.bytes_max) return {};
  return Fail(ErrorCode::kResourceExhausted,
              directory_ + ": bytes_max " + std::to_string(options_.bytes_max) + " reached");
}

Status SegmentLog::CheckFreeSpace(uint64_t more_bytes) {
  if (options_.free_percent_min == 0) return {};
  TW_ASSIGN_OR_RETURN(const io::DiskSpace space, files_.Space());
  const uint64_t floor = space.total_bytes / 100 * options_.free_percent_min;
  if (space.free_bytes >= more_bytes && space.free_bytes - more_bytes >= floor) return {};
  return Fail(ErrorCode::kResourceExhausted,
              directory_ + ": " + std::to_string(space.free_bytes) +
                  " bytes free on the disk, less than free_percent_min allows");
}

uint64_t SegmentLog::tail() const {
  for (const Segment& segment : segments_) {
    if (segment.last >= segment.first) return segment.first;
  }
  return head_ + 1;
}

uint64_t SegmentLog::bytes() const {
  uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.file_bytes;
  return sum;
}

std::unexpected<Error> SegmentLog::Poison(const Error& cause) {
  if (!poisoned_) {
    poisoned_ = true;
    metrics_.poisoned.Set(1);
    telemetry::Log(telemetry::Level::kError, "SegmentLogFailed", cause.message,
                   {{"log", options_.name}});
  }
  return Fail(ErrorCode::kDataLoss, cause.message);
}

// A full disk leaves everything as it was; after any other failure nothing is known.
std::unexpected<Error> SegmentLog::PoisonUnlessExhausted(const Error& cause) {
  if (cause.code == ErrorCode::kResourceExhausted && !poisoned_) return std::unexpected(cause);
  return Poison(cause);
}

std::string SegmentLog::PathOf(std::string_view name) const {
  return directory_ + "/" + std::string(name);
}

void SegmentLog::UpdateGauges() {
  metrics_.bytes.Set(static_cast<int64_t>(bytes()));
  metrics_.segments.Set(static_cast<int64_t>(segments_.size()));
}

}  // namespace tw::changelog
