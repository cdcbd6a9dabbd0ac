#include "capture/postgres/commit_log.h"

#include <algorithm>

#include "base/check.h"
#include "capture/postgres/position.h"
#include "telemetry/log.h"

namespace tw::capture {
namespace {

constexpr uint64_t kSegmentBytes = 32u << 20;
// A part of a commit (CommitLog::kBatchBytesMax) and one change of the largest rows.
constexpr uint32_t kRecordBytesMax = 24u << 20;
constexpr size_t kScanBytes = 4u << 20;
// The start of the history outlives the record that began it, which is trimmed some day.
constexpr std::string_view kHistoryFile = "/history";

changelog::Payload PayloadOf(RecordKind kind, std::string_view bytes) {
  return {.bytes = bytes, .kind = static_cast<uint16_t>(kind)};
}

}  // namespace

CommitLog::CommitLog(io::FileSystem& files, std::string directory)
    : files_(files), directory_(std::move(directory)) {}

Result<std::unique_ptr<CommitLog>> CommitLog::Open(io::FileSystem& files, std::string directory,
                                                   Random& random, telemetry::Registry& metrics,
                                                   uint64_t bytes_max) {
  std::unique_ptr<CommitLog> log(new CommitLog(files, std::move(directory)));
  TW_ASSIGN_OR_RETURN(log->shapes_, ShapeRegistry::Open(files, log->directory_));
  changelog::SegmentLogOptions options;
  options.name = "changes";
  options.segment_bytes = kSegmentBytes;
  options.record_bytes_max = kRecordBytesMax;
  // What retention is for is enforced by Trim; this is the disk's protection, beyond it.
  options.bytes_max = std::max<uint64_t>(bytes_max * 2, 4 * kSegmentBytes);
  const std::string segments = log->directory_ + "/segments";
  TW_ASSIGN_OR_RETURN(log->log_,
                      changelog::SegmentLog::Open(files, segments, random, metrics, options));
  log->reader_ =
      std::make_unique<changelog::SegmentReader>(files, segments, options.record_bytes_max);
  TW_RETURN_IF_ERROR(log->Recover());
  return log;
}

Status CommitLog::LoadHistory() {
  auto file = files_.Open(directory_ + std::string(kHistoryFile), io::FileSystem::OpenMode::kRead);
  if (!file.ok() && file.error().code == ErrorCode::kNotFound) return {};
  if (!file.ok()) return std::unexpected(file.error());
  TW_ASSIGN_OR_RETURN(const std::string text, (*file)->ReadAt(0, kScanBytes));
  TW_ASSIGN_OR_RETURN(history_, ParseStart(text));
  return {};
}

Status CommitLog::SaveHistory(const std::string& start) const {
  const std::string path = directory_ + std::string(kHistoryFile);
  const std::string fresh = path + ".new";
  (void)files_.Remove(fresh);
  TW_ASSIGN_OR_RETURN(const auto file, files_.Open(fresh, io::FileSystem::OpenMode::kCreate));
  TW_RETURN_IF_ERROR(file->WriteAt(0, start));
  TW_RETURN_IF_ERROR(file->Sync());
  TW_RETURN_IF_ERROR(files_.Rename(fresh, path));
  return files_.SyncDirectory(directory_);
}

Status CommitLog::Recover() {
  TW_RETURN_IF_ERROR(LoadHistory());
  uint64_t next = log_->tail();
  while (next <= log_->head()) {
    TW_ASSIGN_OR_RETURN(const auto batch, log_->Read(next, kScanBytes));
    if (batch.missing() > 0) {
      // A hole: what follows it is kept, what was before it cannot be continued from.
      telemetry::Log(telemetry::Level::kError, "ChangeLogIncomplete",
                     "records of the change log cannot be read; clients from before them read anew",
                     {{"first", next}, {"count", batch.missing()}});
      index_.clear();
      records_ = 0;
    }
    for (size_t i = 0; i < batch.size(); ++i) TW_RETURN_IF_ERROR(TakeRecord(batch[i]));
    next = batch.empty() ? next + batch.missing() : batch.back().sequence + 1;
  }
  head_sequence_ = log_->head();
  if (index_.empty()) floor_ = head_offset_;
  return {};
}

Status CommitLog::TakeRecord(const changelog::RecordView& record) {
  switch (static_cast<RecordKind>(record.kind)) {
    case RecordKind::kBatch: {
      TW_ASSIGN_OR_RETURN(const BatchHeader header, ParseBatchHeader(record.payload));
      // The oldest kept record says where what is kept begins.
      if (index_.empty()) floor_ = header.after;
      Index(record.sequence, header, record.payload.size());
      return {};
    }
    case RecordKind::kMark: {
      TW_ASSIGN_OR_RETURN(const postgres::Lsn lsn, ParseMark(record.payload));
      durable_ = std::max(durable_, lsn);
      return {};
    }
    case RecordKind::kStart: {
      TW_ASSIGN_OR_RETURN(history_, ParseStart(record.payload));
      index_.clear();
      unfinished_.reset();
      records_ = 0;  // The next batch gets an entry.
      durable_ = history_->lsn;
      floor_ = head_offset_ = OffsetBefore(history_->lsn);
      return {};
    }
  }
  return Fail(ErrorCode::kDataLoss, "the change log holds a record of an unknown kind; it was"
                                    " written by a newer version");
}

void CommitLog::Index(uint64_t sequence, const BatchHeader& header, size_t bytes) {
  if (records_++ % kIndexStep == 0) {
    index_.push_back({sequence, header.after, header.committed_at, changes_, bytes_});
  }
  changes_ += header.changes;
  bytes_ += bytes;
  head_offset_ = header.last_offset;
  if (header.info.last_part) {
    unfinished_.reset();
    durable_ = std::max(durable_, header.info.end_lsn);
  } else {
    const bool more = unfinished_ && unfinished_->commit_lsn == header.info.commit_lsn;
    unfinished_ = Part{header.info.commit_lsn,
                       header.changes + (more ? unfinished_->changes : 0)};
  }
}

std::optional<HistoryStart> CommitLog::history() const {
  const std::lock_guard lock(mutex_);
  return history_;
}

Position CommitLog::head() const {
  const std::lock_guard lock(mutex_);
  return {history_ ? history_->epoch : 0, head_offset_};
}

std::optional<CommitLog::Part> CommitLog::unfinished() const {
  const std::lock_guard lock(mutex_);
  return unfinished_;
}

postgres::Lsn CommitLog::durable() const {
  const std::lock_guard lock(mutex_);
  return durable_;
}

Status CommitLog::StartHistory(const HistoryStart& start) {
  const std::string payload = EncodeStart(start);
  const changelog::Payload group[] = {PayloadOf(RecordKind::kStart, payload)};
  TW_ASSIGN_OR_RETURN(const uint64_t sequence, log_->Append(group));
  {
    const std::lock_guard lock(mutex_);
    head_sequence_ = sequence;
    TW_RETURN_IF_ERROR(TakeRecord({sequence, static_cast<uint16_t>(RecordKind::kStart), 0, payload}));
  }
  // After the record: should we be killed between the two, the record tells.
  TW_RETURN_IF_ERROR(SaveHistory(payload));
  const std::unique_lock alone(reclaiming_);
  return log_->Reclaim(sequence - 1);
}

Status CommitLog::Append(std::span<const LoggedBatch> batches) {
  std::vector<std::string> payloads(batches.size());
  std::vector<changelog::Payload> group;
  for (size_t i = 0; i < batches.size(); ++i) {
    AppendBatch(payloads[i], *batches[i].batch, batches[i].info);
    group.push_back(PayloadOf(RecordKind::kBatch, payloads[i]));
  }
  TW_ASSIGN_OR_RETURN(const uint64_t last, log_->Append(group));
  const std::lock_guard lock(mutex_);
  uint64_t sequence = last - batches.size();
  for (const std::string& payload : payloads) {
    TW_ASSIGN_OR_RETURN(const BatchHeader header, ParseBatchHeader(payload));
    Index(++sequence, header, payload.size());
  }
  head_sequence_ = last;
  return {};
}

Status CommitLog::Mark(postgres::Lsn lsn) {
  const std::string payload = EncodeMark(lsn);
  const changelog::Payload group[] = {PayloadOf(RecordKind::kMark, payload)};
  TW_ASSIGN_OR_RETURN(const uint64_t sequence, log_->Append(group));
  const std::lock_guard lock(mutex_);
  head_sequence_ = sequence;
  durable_ = std::max(durable_, lsn);
  return {};
}

Status CommitLog::Trim(const RetentionLimits& limits, WallTime now) {
  uint64_t up_to = 0;
  {
    const std::lock_guard lock(mutex_);
    // The last entry stays, so that the history is never without its beginning.
    while (index_.size() > 1) {
      const Entry& second = index_[1];
      const bool too_old = second.committed_at < now - limits.age_max;
      const bool too_many = changes_ - second.changes_before > limits.changes_max;
      const bool too_large =
          limits.bytes_max > 0 && bytes_ - second.bytes_before > limits.bytes_max;
      if (!too_old && !too_many && !too_large) break;
      up_to = second.sequence - 1;
      floor_ = second.after;
      index_.pop_front();
    }
  }
  if (up_to == 0) return {};
  const std::unique_lock alone(reclaiming_);
  return log_->Reclaim(up_to);
}

Result<uint64_t> CommitLog::FindSequence(uint64_t after) {
  const std::lock_guard lock(mutex_);
  if (after < floor_) {
    return Fail(ErrorCode::kOutOfRange, "the change log does not reach back that far");
  }
  if (after >= head_offset_ || index_.empty()) return head_sequence_ + 1;
  const auto behind = std::ranges::upper_bound(index_, after, {}, &Entry::after);
  // The floor is the first entry's, so that there is one at or before every kept offset.
  return behind == index_.begin() ? index_.front().sequence : std::prev(behind)->sequence;
}

Result<BatchPtr> CommitLog::Read(uint64_t after, uint64_t changes_max) {
  const std::shared_lock together(reclaiming_);
  TW_ASSIGN_OR_RETURN(uint64_t next, FindSequence(after));
  uint64_t head = 0;
  auto batch = std::make_shared<Batch>();
  {
    const std::lock_guard lock(mutex_);
    head = head_sequence_;
    batch->position.epoch = history_ ? history_->epoch : 0;
  }
  batch->after = after;
  while (next <= head && batch->changes.size() < changes_max && batch->bytes < kReadBytesMax) {
    TW_ASSIGN_OR_RETURN(const auto records, reader_->Read(next, head, kScanBytes));
    if (records.missing() > 0) {
      return Fail(ErrorCode::kOutOfRange, "records of the change log cannot be read");
    }
    for (size_t i = 0; i < records.size() && batch->changes.size() < changes_max; ++i) {
      next = records[i].sequence + 1;
      if (records[i].kind != static_cast<uint16_t>(RecordKind::kBatch)) continue;
      TW_RETURN_IF_ERROR(ParseBatch(records[i].payload, *shapes_, after, changes_max, *batch));
      if (batch->bytes >= kReadBytesMax) break;
    }
  }
  if (batch->changes.empty()) return BatchPtr();
  batch->position.offset = batch->changes.back().offset;
  return BatchPtr(std::move(batch));
}

}  // namespace tw::capture
