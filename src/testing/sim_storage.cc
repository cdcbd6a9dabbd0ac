#include "testing/sim_storage.h"

#include <algorithm>
#include <set>

#include "base/check.h"

namespace tw::testing {
namespace {

constexpr uint64_t kSectorBytes = 512;

std::string DirectoryOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

}  // namespace

Status SimStorage::Enter(Call kind) {
  ++calls_;
  const uint64_t of_kind = ++calls_of_[static_cast<size_t>(kind)];
  if (power_cut_at_ != 0 && calls_ >= power_cut_at_) power_off_ = true;
  if (power_off_) return Fail(ErrorCode::kInternal, "simulated disk: the power is off");
  const bool due = fault_at_ != 0 && (fault_kind_ ? kind == *fault_kind_ && of_kind == fault_at_
                                                  : calls_ == fault_at_);
  if (!due) return {};
  fault_at_ = 0;
  fault_hit_ = true;
  return Fail(fault_code_, "simulated disk: injected fault");
}

Result<SimStorage::Inode*> SimStorage::Find(Handle handle) {
  const auto found = inodes_.find(handle.inode);
  if (handle.life != life_ || found == inodes_.end()) {
    return Fail(ErrorCode::kInternal, "simulated disk: the file was open across a crash");
  }
  return &found->second;
}

uint64_t SimStorage::used_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [path, inode] : entries_) bytes += inodes_.at(inode).seen.size();
  return bytes;
}

Status SimStorage::Grow(const Inode& inode, uint64_t size) {
  if (size <= inode.seen.size()) return {};
  if (capacity_ != UINT64_MAX && used_bytes() + (size - inode.seen.size()) > capacity_) {
    return Fail(ErrorCode::kResourceExhausted, "simulated disk: full");
  }
  return {};
}

void SimStorage::Apply(const PendingOp& op, std::string& bytes) {
  if (op.kind == PendingOp::Kind::kResize) {
    bytes.resize(op.offset, '\0');
    return;
  }
  if (op.bytes.empty()) return;
  if (bytes.size() < op.offset + op.bytes.size()) bytes.resize(op.offset + op.bytes.size(), '\0');
  bytes.replace(op.offset, op.bytes.size(), op.bytes);
}

void SimStorage::ApplyEntry(const EntryOp& op, Entries& entries) {
  if (!op.from.empty()) entries.erase(op.from);
  if (!op.to.empty()) entries[op.to] = op.inode;
}

Result<SimStorage::Handle> SimStorage::Open(std::string_view path, OpenMode mode) {
  TW_RETURN_IF_ERROR(Enter(Call::kOpen));
  const auto found = entries_.find(path);
  if (found != entries_.end()) {
    if (mode == OpenMode::kCreateNew) {
      return Fail(ErrorCode::kAlreadyExists, "simulated disk: " + std::string(path) + " exists");
    }
    return Handle{found->second, life_, false};
  }
  const std::string directory = DirectoryOf(path);
  if (mode == OpenMode::kExisting || !directories_.contains(directory)) {
    return Fail(ErrorCode::kNotFound, "simulated disk: no " + std::string(path));
  }
  const uint64_t inode = next_inode_++;
  inodes_[inode];
  EntryOp op{"", std::string(path), inode};
  ApplyEntry(op, entries_);
  pending_entries_[directory].push_back(std::move(op));
  return Handle{inode, life_, true};
}

Result<std::string> SimStorage::Read(Handle handle, uint64_t offset, size_t size) {
  TW_RETURN_IF_ERROR(Enter(Call::kRead));
  TW_ASSIGN_OR_RETURN(Inode* const inode, Find(handle));
  if (offset >= inode->seen.size()) return std::string();
  return inode->seen.substr(offset, size);
}

Status SimStorage::Write(Handle handle, uint64_t offset, std::string_view bytes) {
  const Status entered = Enter(Call::kWrite);
  TW_ASSIGN_OR_RETURN(Inode* const inode, Find(handle));
  if (!entered.ok()) bytes = bytes.substr(0, random_.Below(bytes.size() + 1));
  TW_RETURN_IF_ERROR(Grow(*inode, offset + bytes.size()));
  PendingOp op{PendingOp::Kind::kWrite, offset, std::string(bytes)};
  Apply(op, inode->seen);
  inode->pending.push_back(std::move(op));
  return entered;
}

Status SimStorage::Truncate(Handle handle, uint64_t size) {
  TW_RETURN_IF_ERROR(Enter(Call::kTruncate));
  TW_ASSIGN_OR_RETURN(Inode* const inode, Find(handle));
  TW_RETURN_IF_ERROR(Grow(*inode, size));
  PendingOp op{PendingOp::Kind::kResize, size, {}};
  Apply(op, inode->seen);
  inode->pending.push_back(std::move(op));
  return {};
}

Status SimStorage::Allocate(Handle handle, uint64_t size) {
  TW_RETURN_IF_ERROR(Enter(Call::kAllocate));
  TW_ASSIGN_OR_RETURN(Inode* const inode, Find(handle));
  if (size <= inode->seen.size()) return {};
  TW_RETURN_IF_ERROR(Grow(*inode, size));
  PendingOp op{PendingOp::Kind::kWrite, inode->seen.size(),
               std::string(size - inode->seen.size(), '\0')};
  Apply(op, inode->seen);
  inode->pending.push_back(std::move(op));
  return {};
}

Status SimStorage::Sync(Handle handle) {
  const Status entered = Enter(Call::kSync);
  TW_ASSIGN_OR_RETURN(Inode* const inode, Find(handle));
  if (power_off_) return entered;
  for (const PendingOp& op : inode->pending) {
    if (entered.ok() || random_.Percent(50)) Apply(op, inode->durable);
  }
  inode->pending.clear();
  return entered;
}

Result<uint64_t> SimStorage::Size(Handle handle) {
  TW_ASSIGN_OR_RETURN(const Inode* const inode, Find(handle));
  return inode->seen.size();
}

Result<std::vector<std::string>> SimStorage::List(std::string_view directory) {
  TW_RETURN_IF_ERROR(Enter(Call::kList));
  if (!directories_.contains(directory)) {
    return Fail(ErrorCode::kNotFound, "simulated disk: no " + std::string(directory));
  }
  std::vector<std::string> names;
  for (const auto& [path, inode] : entries_) {
    if (DirectoryOf(path) != directory) continue;
    names.push_back(directory.empty() ? path : path.substr(directory.size() + 1));
  }
  return names;
}

Status SimStorage::Rename(std::string_view from, std::string_view to) {
  TW_RETURN_IF_ERROR(Enter(Call::kRename));
  const auto found = entries_.find(from);
  if (found == entries_.end()) {
    return Fail(ErrorCode::kNotFound, "simulated disk: no " + std::string(from));
  }
  EntryOp op{std::string(from), std::string(to), found->second};
  ApplyEntry(op, entries_);
  TW_CHECK(DirectoryOf(from) == DirectoryOf(to));
  pending_entries_[DirectoryOf(to)].push_back(std::move(op));
  return {};
}

Status SimStorage::Remove(std::string_view path) {
  TW_RETURN_IF_ERROR(Enter(Call::kRemove));
  if (!Exists(path)) return Fail(ErrorCode::kNotFound, "simulated disk: no " + std::string(path));
  EntryOp op{std::string(path), "", 0};
  ApplyEntry(op, entries_);
  pending_entries_[DirectoryOf(path)].push_back(std::move(op));
  return {};
}

Status SimStorage::SyncDirectory(std::string_view directory) {
  TW_RETURN_IF_ERROR(Enter(Call::kSyncDirectory));
  for (const EntryOp& op : pending_entries_[std::string(directory)]) {
    ApplyEntry(op, durable_entries_);
  }
  pending_entries_.erase(std::string(directory));
  return {};
}

Status SimStorage::CreateDirectory(std::string_view path) {
  TW_RETURN_IF_ERROR(Enter(Call::kCreateDirectory));
  for (std::string part(path); !part.empty(); part = DirectoryOf(part)) directories_[part] = true;
  return {};
}

void SimStorage::ApplySomeSectors(const PendingOp& op, std::string& bytes) {
  for (size_t at = 0; at < op.bytes.size();) {
    const uint64_t sector_end = (op.offset + at) / kSectorBytes * kSectorBytes + kSectorBytes;
    const size_t part = std::min<size_t>(op.bytes.size() - at, sector_end - (op.offset + at));
    if (random_.Percent(50)) {
      Apply({PendingOp::Kind::kWrite, op.offset + at, op.bytes.substr(at, part)}, bytes);
    }
    at += part;
  }
}

void SimStorage::CrashInode(Inode& inode) {
  // A quarter of the crashes spares a whole file, so that late faults are met too.
  const bool spared = random_.Percent(25);
  for (PendingOp& op : inode.pending) {
    const uint64_t fate = spared ? 0 : random_.Below(4);
    if (fate == 1) continue;
    if (fate == 3 && op.kind == PendingOp::Kind::kWrite) {
      ApplySomeSectors(op, inode.durable);
      continue;
    }
    if (fate == 2 && op.kind == PendingOp::Kind::kWrite && !op.bytes.empty()) {
      uint64_t kept = random_.Below(op.bytes.size() + 1);
      if (random_.Percent(50)) {
        // To a sector's end on the disk, not of the write.
        kept = (op.offset + kept) / kSectorBytes * kSectorBytes;
        kept = kept > op.offset ? kept - op.offset : 0;
      }
      op.bytes.resize(kept);
    }
    Apply(op, inode.durable);
  }
  inode.pending.clear();
  inode.seen = inode.durable;
}

void SimStorage::Restart() {
  std::set<uint64_t> named;
  for (const auto& [path, inode] : entries_) named.insert(inode);
  for (const auto& [path, inode] : durable_entries_) named.insert(inode);
  for (const auto& [directory, ops] : pending_entries_) {
    for (const EntryOp& op : ops) named.insert(op.inode);
  }
  std::erase_if(inodes_, [&](const auto& entry) { return !named.contains(entry.first); });
  ++life_;
  power_off_ = false;
  power_cut_at_ = 0;
  fault_at_ = 0;
}

void SimStorage::Crash() {
  for (auto& [directory, ops] : pending_entries_) {
    const uint64_t kept = random_.Below(ops.size() + 1);
    for (uint64_t i = 0; i < kept; ++i) ApplyEntry(ops[i], durable_entries_);
  }
  pending_entries_.clear();
  entries_ = durable_entries_;
  for (auto& [number, inode] : inodes_) CrashInode(inode);
  Restart();
}

void SimStorage::Kill() {
  Restart();
}

void SimStorage::FailCall(uint64_t nth, ErrorCode code, std::optional<Call> kind) {
  TW_CHECK(nth >= 1);
  fault_kind_ = kind;
  fault_at_ = (kind ? calls_of_[static_cast<size_t>(*kind)] : calls_) + nth;
  fault_code_ = code;
  fault_hit_ = false;
}

void SimStorage::FlipBit(std::string_view path, uint64_t offset, int bit) {
  const auto found = entries_.find(path);
  TW_CHECK(found != entries_.end());
  Inode& inode = inodes_.at(found->second);
  TW_CHECK(offset < inode.seen.size());
  inode.seen[offset] = static_cast<char>(inode.seen[offset] ^ (1 << bit));
  if (offset < inode.durable.size()) inode.durable[offset] = inode.seen[offset];
}

void SimStorage::Erase(std::string_view path) {
  entries_.erase(std::string(path));
  durable_entries_.erase(std::string(path));
}

}  // namespace tw::testing
