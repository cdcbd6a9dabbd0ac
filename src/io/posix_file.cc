#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "base/check.h"
#include "io/file.h"

namespace tw::io {
namespace {

constexpr size_t kZeroBlockBytes = 256 << 10;

ErrorCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case EFBIG:
      return ErrorCode::kResourceExhausted;
    case EROFS:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kInternal;
  }
}

std::unexpected<Error> Failure(int error, std::string_view call, std::string_view path) {
  return Fail(CodeOf(error), std::string(call) + " " + std::string(path) + ": " +
                                 std::generic_category().message(error));
}

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~PosixFile() override { ::close(descriptor_); }

  Status WriteAt(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failure(errno, "write", path_);
      bytes.remove_prefix(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return {};
  }

  Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) override {
    std::vector<iovec> vectors;
    vectors.reserve(parts.size());
    for (const std::string_view part : parts) {
      if (!part.empty()) vectors.push_back({const_cast<char*>(part.data()), part.size()});
    }
    std::span<iovec> rest(vectors);
    while (!rest.empty()) {
      const int count = static_cast<int>(std::min<size_t>(rest.size(), IOV_MAX));
      ssize_t written = ::pwritev(descriptor_, rest.data(), count, static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failure(errno, "write", path_);
      offset += static_cast<uint64_t>(written);
      for (; !rest.empty() && static_cast<size_t>(written) >= rest.front().iov_len;
           rest = rest.subspan(1)) {
        written -= static_cast<ssize_t>(rest.front().iov_len);
      }
      if (written > 0) {
        rest.front().iov_base = static_cast<char*>(rest.front().iov_base) + written;
        rest.front().iov_len -= static_cast<size_t>(written);
      }
    }
    return {};
  }

  Result<std::string> ReadAt(uint64_t offset, size_t size) override {
    std::string bytes;
    int error = 0;
    // Without this form the buffer would be zeroed first, which shows in recovery.
    bytes.resize_and_overwrite(size, [&](char* data, size_t wanted) {
      size_t filled = 0;
      while (filled < wanted) {
        const ssize_t got = ::pread(descriptor_, data + filled, wanted - filled,
                                    static_cast<off_t>(offset + filled));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) error = errno;
        if (got <= 0) break;
        filled += static_cast<size_t>(got);
      }
      return filled;
    });
    if (error != 0) return Failure(error, "read", path_);
    return bytes;
  }

  Result<uint64_t> Size() override {
    struct stat status;
    if (::fstat(descriptor_, &status) != 0) return Failure(errno, "stat", path_);
    return static_cast<uint64_t>(status.st_size);
  }

  Status Sync() override {
    // No retry on EINTR either: after any error the state of the pages is unknown.
    if (::fdatasync(descriptor_) != 0) return Failure(errno, "fdatasync", path_);
    return {};
  }

  Status Allocate(uint64_t size) override {
    TW_ASSIGN_OR_RETURN(uint64_t end, Size());
    if (end >= size) return {};
    // Reserving first gives one extent and an early "no space". A reserved extent is "unwritten"
    // until bytes reach it, which would change metadata at each later write: hence the zeros.
    int error = 0;
    do {
      error =
          ::posix_fallocate(descriptor_, static_cast<off_t>(end), static_cast<off_t>(size - end));
    } while (error == EINTR);
    if (error != 0 && error != EOPNOTSUPP && error != EINVAL) {
      // The length may have grown over bytes without space behind them.
      (void)::ftruncate(descriptor_, static_cast<off_t>(end));
      return Failure(error, "allocate", path_);
    }
    static const std::array<char, kZeroBlockBytes> kZeros = {};
    while (end < size) {
      const size_t part = static_cast<size_t>(std::min<uint64_t>(kZeros.size(), size - end));
      TW_RETURN_IF_ERROR(WriteAt(end, std::string_view(kZeros.data(), part)));
      end += part;
    }
    return {};
  }

  Status Truncate(uint64_t size) override {
    int result = 0;
    do {
      result = ::ftruncate(descriptor_, static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    if (result != 0) return Failure(errno, "truncate", path_);
    return {};
  }

 private:
  const int descriptor_;
  const std::string path_;
};

class PosixFileSystem final : public FileSystem {
 public:
  explicit PosixFileSystem(std::string root) : root_(std::move(root)) {}

  Result<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override {
    const std::string full = Full(path);
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::kRead:
        flags |= O_RDONLY;
        break;
      case OpenMode::kReadWrite:
        flags |= O_RDWR;
        break;
      case OpenMode::kCreate:
        flags |= O_RDWR | O_CREAT | O_EXCL;
        break;
    }
    int descriptor = -1;
    do {
      descriptor = ::open(full.c_str(), flags, 0600);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) return Failure(errno, "open", full);
    return std::make_unique<PosixFile>(descriptor, full);
  }

  Status CreateDirectory(std::string_view path) override {
    for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
      const std::string_view part = path.substr(0, end);
      if (!part.empty()) {
        const std::string full = Full(part);
        if (::mkdir(full.c_str(), 0700) == 0) {
          const size_t slash = part.rfind('/');
          TW_RETURN_IF_ERROR(
              SyncDirectory(slash == std::string_view::npos ? "" : part.substr(0, slash)));
        } else if (errno != EEXIST) {
          return Failure(errno, "mkdir", full);
        }
      }
      if (end == std::string_view::npos) return {};
    }
  }

  Result<std::vector<std::string>> List(std::string_view directory) override {
    const std::string full = Full(directory);
    DIR* const stream = ::opendir(full.c_str());
    if (stream == nullptr) return Failure(errno, "list", full);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(stream)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    const int error = errno;
    ::closedir(stream);
    if (error != 0) return Failure(error, "list", full);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status Rename(std::string_view from, std::string_view to) override {
    const std::string full = Full(from);
    if (::rename(full.c_str(), Full(to).c_str()) != 0) return Failure(errno, "rename", full);
    return {};
  }

  Status Remove(std::string_view path) override {
    const std::string full = Full(path);
    if (::unlink(full.c_str()) != 0) return Failure(errno, "remove", full);
    return {};
  }

  Status SyncDirectory(std::string_view directory) override {
    const std::string full = Full(directory);
    const int descriptor = ::open(full.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return Failure(errno, "open", full);
    const int error = ::fsync(descriptor) == 0 ? 0 : errno;
    ::close(descriptor);
    if (error != 0) return Failure(error, "fsync", full);
    return {};
  }

  Result<DiskSpace> Space() override {
    struct statvfs status;
    if (::statvfs(root_.c_str(), &status) != 0) return Failure(errno, "statvfs", root_);
    return DiskSpace{uint64_t{status.f_bavail} * status.f_frsize,
                     uint64_t{status.f_blocks} * status.f_frsize};
  }

 private:
  std::string Full(std::string_view path) const {
    TW_CHECK(!path.starts_with('/') && path.find("..") == std::string_view::npos);
    return path.empty() ? root_ : root_ + "/" + std::string(path);
  }

  const std::string root_;
};

}  // namespace

std::unique_ptr<FileSystem> MakePosixFileSystem(std::string root) {
  return std::make_unique<PosixFileSystem>(std::move(root));
}

}  // namespace tw::io
