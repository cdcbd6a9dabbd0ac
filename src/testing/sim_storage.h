// Test-only: a disk in memory that forgets what was not synced. io/sim_file_system.h and
// sqlite/sim_vfs.h are adapters over it.
//
// The model, driven by one Random and so repeatable from its seed:
//   writes       are seen at once, but survive Crash() only if their file was synced after them;
//                of the others each is kept, dropped or torn (a prefix, to a byte or to a 512-byte
//                sector, or any of its sectors), whatever the order they were made in.
//   truncations  likewise, kept or dropped.
//   entries      creations, renames and removals survive only if their directory was synced; of the
//                others a random prefix does, as in a metadata journal.
//   failed sync  each waiting write of the file was written or is lost for good, though it can
//                still be read until the crash, as Linux' page cache does.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/result.h"

namespace tw::testing {

class SimStorage {
 public:
  enum class Call : uint8_t {
    kOpen,
    kRead,
    kWrite,
    kSync,
    kAllocate,
    kTruncate,
    kList,
    kRename,
    kRemove,
    kSyncDirectory,
    kCreateDirectory,
  };
  static constexpr size_t kCallKinds = 11;
  enum class OpenMode : uint8_t { kExisting, kCreateNew, kCreateOrOpen };

  // An open file. Invalid after a Crash: every call with it fails.
  struct Handle {
    uint64_t inode = 0;
    uint64_t life = 0;
    bool created = false;
  };

  // `random` must outlive the storage.
  explicit SimStorage(Random& random) : random_(random) {}
  SimStorage(const SimStorage&) = delete;
  SimStorage& operator=(const SimStorage&) = delete;

  Result<Handle> Open(std::string_view path, OpenMode mode);
  Result<std::string> Read(Handle handle, uint64_t offset, size_t size);
  Status Write(Handle handle, uint64_t offset, std::string_view bytes);
  Status Truncate(Handle handle, uint64_t size);
  // Extends with zeros up to `size`.
  Status Allocate(Handle handle, uint64_t size);
  Status Sync(Handle handle);
  Result<uint64_t> Size(Handle handle);

  bool Exists(std::string_view path) const { return entries_.contains(std::string(path)); }
  // Names in `directory`, sorted; kNotFound when it does not exist.
  Result<std::vector<std::string>> List(std::string_view directory);
  Status Rename(std::string_view from, std::string_view to);
  Status Remove(std::string_view path);
  Status SyncDirectory(std::string_view directory);
  // Durable at once.
  Status CreateDirectory(std::string_view path);

  // The power goes and comes back. Open handles become invalid, faults are forgotten.
  void Crash();
  // kill -9 instead: what was written can still be read, but is no more durable than before.
  void Kill();

  // The `nth` call from now (1 is the next) fails with `code`; only calls of `kind`, or of any
  // kind. A failed write may have written a part.
  void FailCall(uint64_t nth, ErrorCode code, std::optional<Call> kind = std::nullopt);
  // From the `nth` call on everything fails, until Crash() or Kill().
  void CutPowerAtCall(uint64_t nth) { power_cut_at_ = calls_ + nth; }
  bool power_is_off() const { return power_off_; }
  // True when the fault of FailCall has happened.
  bool fault_hit() const { return fault_hit_; }
  // Calls so far: runs with FailCall(1), FailCall(2) … up to this cover every point in turn.
  uint64_t calls() const { return calls_; }
  uint64_t calls(Call kind) const { return calls_of_[static_cast<size_t>(kind)]; }

  // Growth of files beyond this fails with kResourceExhausted.
  void SetCapacity(uint64_t bytes) { capacity_ = bytes; }
  uint64_t capacity() const { return capacity_; }
  uint64_t used_bytes() const;

  // Damages what is stored, durable and seen: flips one bit.
  void FlipBit(std::string_view path, uint64_t offset, int bit);
  // Removes a file durably, as an operator might.
  void Erase(std::string_view path);

 private:
  struct PendingOp {
    enum class Kind : uint8_t { kWrite, kResize } kind;
    uint64_t offset = 0;  // kResize: the new size.
    std::string bytes;
  };
  struct Inode {
    std::string seen;
    std::string durable;
    std::vector<PendingOp> pending;
  };
  struct EntryOp {
    std::string from;  // Empty: a creation.
    std::string to;    // Empty: a removal.
    uint64_t inode = 0;
  };
  using Entries = std::map<std::string, uint64_t, std::less<>>;

  Status Enter(Call kind);
  Result<Inode*> Find(Handle handle);
  Status Grow(const Inode& inode, uint64_t size);
  static void Apply(const PendingOp& op, std::string& bytes);
  static void ApplyEntry(const EntryOp& op, Entries& entries);
  void ApplySomeSectors(const PendingOp& op, std::string& bytes);
  void CrashInode(Inode& inode);
  void Restart();

  Random& random_;
  std::map<uint64_t, Inode> inodes_;
  Entries entries_;
  Entries durable_entries_;
  std::map<std::string, std::vector<EntryOp>, std::less<>> pending_entries_;  // By directory.
  std::map<std::string, bool, std::less<>> directories_{{"", true}};
  uint64_t next_inode_ = 1;
  uint64_t life_ = 1;
  uint64_t capacity_ = UINT64_MAX;

  uint64_t calls_ = 0;
  std::array<uint64_t, kCallKinds> calls_of_ = {};
  std::optional<Call> fault_kind_;
  uint64_t fault_at_ = 0;  // By calls_ or the kind's own count; 0: none.
  ErrorCode fault_code_ = ErrorCode::kInternal;
  bool fault_hit_ = false;
  uint64_t power_cut_at_ = 0;
  bool power_off_ = false;
};

}  // namespace tw::testing
