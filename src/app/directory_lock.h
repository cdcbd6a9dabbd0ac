#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/result.h"

namespace tw::app {

// The data directory belongs to one process: an flock(2) that dies with it.
class DirectoryLock {
 public:
  static Result<DirectoryLock> Take(const std::string& directory) {
    mkdir(directory.c_str(), 0700);
    const std::string path = directory + "/lock";
    DirectoryLock lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (lock.descriptor_ < 0) {
      return Fail(ErrorCode::kUnavailable, "cannot create " + path + "; is the directory writable?");
    }
    if (flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
      return Fail(ErrorCode::kFailedPrecondition,
                  "another tidewire process uses " + directory + "; stop it or choose --data");
    }
    return lock;
  }
  DirectoryLock(DirectoryLock&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock() {
    if (descriptor_ >= 0) close(descriptor_);
  }

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace tw::app
