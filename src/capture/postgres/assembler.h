// pgoutput messages → whole transactions. A transaction beyond the memory limit waits on disk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/file.h"
#include "postgres/pgoutput.h"

namespace tw::capture {

// Prefix of the message by which the migration's event trigger tells of DDL.
inline constexpr std::string_view kDdlPrefix = "tidewire.ddl";

struct AssemblerLimits {
  size_t memory_bytes_max = 32u << 20;
  uint64_t disk_bytes_max = uint64_t{64} << 30;
};

// One committed transaction: its messages between Begin and Commit, as received, in order.
class Transaction {
 public:
  postgres::Begin begin;
  postgres::Commit commit;
  uint64_t changes = 0;   // Inserts, updates and deletes.
  uint64_t messages = 0;  // All that Next will give.
  bool has_ddl = false;   // A message with kDdlPrefix is among them.

  // The next message's bytes, valid until the next call; nullopt behind the last.
  // Errors: the spill file's own.
  Result<std::optional<std::string_view>> Next();

 private:
  friend class Assembler;
  Status Refill();

  std::string memory_;  // Each message behind its length, 4 bytes, little-endian.
  size_t read_ = 0;
  // The older part, when there was too much of it.
  std::shared_ptr<io::File> file_;
  uint64_t file_bytes_ = 0;
  uint64_t file_read_ = 0;
  std::string window_;  // Read from the file.
  size_t window_read_ = 0;
};

class Assembler {
 public:
  // Spills to `path`, which is replaced. `files` outlives the assembler and its transactions.
  Assembler(io::FileSystem& files, std::string path, const AssemblerLimits& limits = {})
      : files_(files), path_(std::move(path)), limits_(limits) {}
  ~Assembler();

  // Takes one message; gives the transaction that it ends. A transaction must be read before the
  // next one spills. Errors: kDataLoss (a malformed message, or one outside of a transaction),
  // kResourceExhausted (disk_bytes_max), the disk's own.
  Result<std::optional<Transaction>> Add(std::string_view message);

  // Forgets an unfinished transaction: the stream begins anew.
  void Reset();

  bool in_transaction() const { return open_.has_value(); }
  uint64_t spilled_bytes() const { return open_ ? open_->file_bytes_ : 0; }

 private:
  Status Keep(std::string_view message);
  Status Spill();

  io::FileSystem& files_;
  const std::string path_;
  const AssemblerLimits limits_;
  std::optional<Transaction> open_;
};

}  // namespace tw::capture
