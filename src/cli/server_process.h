// The server that runs on a data directory, as another process sees it: it holds the directory's
// lock, and is told things by signals. Who may send one is the kernel's decision (the same user, or
// root).
#pragma once

#include <string>

#include "base/result.h"

namespace tw::cli {

class ServerProcess {
 public:
  // Errors: kUnavailable when no server holds the directory, kPermissionDenied when its lock may
  // not be read.
  static Result<ServerProcess> Find(const std::string& data_directory);
  ServerProcess(ServerProcess&& other) noexcept;
  ServerProcess& operator=(ServerProcess&&) = delete;
  ~ServerProcess();

  int pid() const { return pid_; }
  // sigqueue(3), never to a process that got the number meanwhile. Errors: kPermissionDenied.
  Status Send(int signal, int value) const;
  bool running() const;

 private:
  ServerProcess(int pid, int descriptor) : pid_(pid), descriptor_(descriptor) {}
  int pid_;
  int descriptor_;  // pidfd_open(2); -1: moved from.
};

}  // namespace tw::cli
