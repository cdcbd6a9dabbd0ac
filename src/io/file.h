// Disk enters through FileSystem, so that a simulation can own it: lose what was not synced, tear
// a write, return an error at any call.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tw::io {

// An open file. One thread at a time. Destroying it closes it without syncing.
// Errors of every call: kResourceExhausted (no space, quota), kUnavailable (read-only file system),
// kInternal (any other errno, named in the message).
class File {
 public:
  virtual ~File() = default;

  // Writes all of `bytes` at `offset`, past the end too.
  virtual Status WriteAt(uint64_t offset, std::string_view bytes) = 0;
  // Writes all of `parts` one after the other at `offset`, as one pwritev(2) where it fits.
  virtual Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) = 0;
  // Reads up to `size` bytes; fewer only at the end of the file.
  virtual Result<std::string> ReadAt(uint64_t offset, size_t size) = 0;
  virtual Result<uint64_t> Size() = 0;
  // Makes the written bytes survive a power cut, fdatasync(2). After an error the file's contents
  // are unknown: the caller must stop using it (never retry and hope).
  virtual Status Sync() = 0;
  // Makes the file at least `size` bytes long and writes zeros from its present end, so that later
  // writes within it change no metadata.
  virtual Status Allocate(uint64_t size) = 0;
  virtual Status Truncate(uint64_t size) = 0;
};

struct DiskSpace {
  uint64_t free_bytes = 0;  // Usable by this process.
  uint64_t total_bytes = 0;
};

// Paths are relative to the root that the implementation was made with, and have no "..". Any
// thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  enum class OpenMode : uint8_t { kRead, kReadWrite, kCreate };  // kCreate: fails when it exists.

  // Errors beyond File's: kNotFound, kAlreadyExists.
  virtual Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) = 0;
  virtual Status CreateDirectory(std::string_view path) = 0;  // With parents; ok when it exists.
  virtual Result<std::vector<std::string>> List(std::string_view directory) = 0;  // Names, sorted.
  // Replaces `to`, atomically.
  virtual Status Rename(std::string_view from, std::string_view to) = 0;
  virtual Status Remove(std::string_view path) = 0;
  // Makes creations, renames and removals in `directory` survive a power cut.
  virtual Status SyncDirectory(std::string_view directory) = 0;
  virtual Result<DiskSpace> Space() = 0;
};

// The machine's file system below `root`, which must exist.
std::unique_ptr<FileSystem> MakePosixFileSystem(std::string root);

// `base` with every Sync of a file made `delay` slower, to see what a cloud volume would do.
std::unique_ptr<FileSystem> MakeSlowSyncFileSystem(std::unique_ptr<FileSystem> base,
                                                   std::chrono::milliseconds delay);

}  // namespace tw::io
