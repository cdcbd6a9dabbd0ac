// SegmentLog's start: read everything, repair what a crash may leave, set aside what is damaged.
#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/strings.h"
#include "changelog/segment_log.h"
#include "changelog/segment_scan.h"
#include "telemetry/log.h"

namespace tw::changelog {

using OpenMode = io::FileSystem::OpenMode;
using telemetry::Level;

Status SegmentLog::Recover() {
  TW_RETURN_IF_ERROR(files_.CreateDirectory(directory_));
  TW_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(directory_));
  std::vector<uint64_t> firsts;
  std::set<uint64_t> boundaries;
  for (const std::string& name : names) {
    if (const auto first = ParseSegmentName(name)) {
      firsts.push_back(*first);
      boundaries.insert(*first);
    } else if (const auto aside = ParseQuarantinedName(name)) {
      boundaries.insert(*aside);  // Still tells where the segment before it ended.
    }
  }
  nonce_ = static_cast<uint32_t>(random_.Next());
  next_min_ = options_.next_sequence_min;
  for (const uint64_t first : firsts) {
    const auto next = boundaries.upper_bound(first);
    TW_RETURN_IF_ERROR(RecoverSegment(first, next == boundaries.end() ? 0 : *next));
  }
  TW_RETURN_IF_ERROR(AdoptSpares(names));
  // A name that we can see may not be durable yet: after kill -9 the directory's last sync is open.
  TW_RETURN_IF_ERROR(files_.SyncDirectory(directory_));
  const uint64_t next = std::max(next_min_, segments_.empty() ? 1 : segments_.back().last + 1);
  if (file_ == nullptr || next != head_ + 1) {
    TW_RETURN_IF_ERROR(StartSegment(next));
    for (size_t i = 0; i + 1 < segments_.size();) {
      if (segments_[i].last < segments_[i].first) {
        TW_RETURN_IF_ERROR(Retire(i));
      } else {
        ++i;
      }
    }
  }
  Report();
  return {};
}

Status SegmentLog::RecoverSegment(uint64_t first, uint64_t next_first) {
  const std::string path = PathOf(SegmentName(first));
  TW_ASSIGN_OR_RETURN(std::unique_ptr<io::File> file, files_.Open(path, OpenMode::kReadWrite));
  TW_ASSIGN_OR_RETURN(const SegmentScan scan,
                      ScanSegment(*file, first, next_first, options_.record_bytes_max));
  report_.bytes_scanned += scan.file_bytes;
  const bool newest = next_first == 0;
  const uint64_t next = first + scan.records;
  // In the newest segment a broken record at the end was never acknowledged, unless something newer
  // follows it. In an older one every record was.
  const bool damaged =
      !scan.header || scan.later_group || (!newest && next != next_first && scan.broken_record);
  if (damaged) {
    next_min_ = std::max(next_min_, newest ? scan.sequence_bound + 1 : uint64_t{0});
    return Quarantine(first);
  }
  report_.records += scan.records;
  segments_.push_back({first, next - 1, scan.file_bytes});
  if (newest) return Resume(std::move(file), scan);
  return {};
}

Status SegmentLog::Resume(std::unique_ptr<io::File> file, const SegmentScan& scan) {
  // What we have read may never have been synced (kill -9 between write and sync). It becomes
  // visible now, so it must be durable now; otherwise its sequences could be given out twice.
  // Nor does a sync alone help after one that failed: the system still shows bytes that it will
  // never write again (fsync(2), EIO). Only the last group can be such, so it is written anew.
  const uint64_t last_group_bytes = scan.end_offset - scan.last_group_offset;
  TW_ASSIGN_OR_RETURN(const std::string last_group,
                      file->ReadAt(scan.last_group_offset, last_group_bytes));
  TW_RETURN_IF_ERROR(file->WriteAt(scan.last_group_offset, last_group));
  // The chain rejects what is cut off; zeros make sure that no later start takes it for damage.
  if (scan.bytes_torn > 0) {
    TW_RETURN_IF_ERROR(file->WriteAt(scan.end_offset, std::string(scan.bytes_torn, '\0')));
  }
  if (auto synced = file->Sync(); !synced.ok()) return Poison(synced.error());
  report_.bytes_cut = scan.bytes_torn;
  file_ = std::move(file);
  header_ = *scan.header;
  offset_ = scan.end_offset;
  chain_ = scan.end_chain;
  head_ = segments_.back().last;
  return {};
}

Status SegmentLog::Quarantine(uint64_t first) {
  std::string aside = QuarantinedName(first);
  TW_RETURN_IF_ERROR(files_.Rename(PathOf(SegmentName(first)), PathOf(aside)));
  metrics_.quarantined.Add();
  telemetry::Log(Level::kError, "SegmentQuarantined",
                 "a segment file is damaged and was set aside; records in it were acknowledged",
                 {{"log", options_.name}, {"file", aside}});
  report_.quarantined.push_back(std::move(aside));
  return {};
}

Status SegmentLog::AdoptSpares(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!name.starts_with("spare-") || !name.ends_with(".free")) continue;
    const std::string_view digits = std::string_view(name).substr(6, name.size() - 11);
    spare_number_ = std::max(spare_number_, ParseUint64(digits).value_or(0));
    if (spares_.size() < options_.spare_segments_max) {
      spares_.push_back(name);
    } else {
      TW_RETURN_IF_ERROR(files_.Remove(PathOf(name)));
    }
  }
  return {};
}

void SegmentLog::Report() {
  report_.segments = segments_.size();
  for (size_t i = 1; i < segments_.size(); ++i) {
    if (segments_[i - 1].last + 1 != segments_[i].first) {
      report_.missing.push_back({segments_[i - 1].last + 1, segments_[i].first - 1});
      telemetry::Log(Level::kError, "SegmentLogGap", "sequences are missing from the log",
                     {{"log", options_.name},
                      {"first", report_.missing.back().first},
                      {"last", report_.missing.back().last}});
    }
  }
  UpdateGauges();
}

}  // namespace tw::changelog
