#include "cli/server_process.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace tw::cli {
namespace {

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int value() const { return value_; }
  bool ok() const { return value_ >= 0; }
  int Release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

// The process that holds the lock now; nullopt when nobody does.
std::optional<pid_t> Holder(int lock) {
  if (flock(lock, LOCK_SH | LOCK_NB) == 0) {
    flock(lock, LOCK_UN);
    return {};
  }
  std::array<char, 32> text{};
  const ssize_t got = pread(lock, text.data(), text.size(), 0);
  if (got <= 0) return {};
  const auto pid = ParseUint64(Trim({text.data(), static_cast<size_t>(got)}));
  if (!pid || *pid == 0 || *pid > INT_MAX) return {};
  return static_cast<pid_t>(*pid);
}

bool SendTo(int process, int signal, siginfo_t* info) {
  return syscall(SYS_pidfd_send_signal, process, signal, info, 0) == 0;
}

}  // namespace

Result<ServerProcess> ServerProcess::Find(const std::string& data_directory) {
  const Descriptor lock(open((data_directory + "/lock").c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock.ok() && errno == EACCES) {
    return Fail(ErrorCode::kPermissionDenied, "may not read " + data_directory + "/lock");
  }
  const auto pid = lock.ok() ? Holder(lock.value()) : std::nullopt;
  if (!pid) {
    return Fail(ErrorCode::kUnavailable, "no server runs on the data directory " + data_directory);
  }
  Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, *pid, 0)));
  // Looked at again: the descriptor is that of the holder only if it still holds.
  if (!process.ok() || Holder(lock.value()) != pid) {
    return Fail(ErrorCode::kUnavailable, "the server has just ended");
  }
  return ServerProcess(*pid, process.Release());
}

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : pid_(other.pid_), descriptor_(std::exchange(other.descriptor_, -1)) {}

ServerProcess::~ServerProcess() {
  if (descriptor_ >= 0) close(descriptor_);
}

Status ServerProcess::Send(int signal, int value) const {
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_int = value;
  if (SendTo(descriptor_, signal, &info)) return {};
  return Fail(ErrorCode::kPermissionDenied,
              "may not signal process " + std::to_string(pid_) + ": " + std::strerror(errno));
}

bool ServerProcess::running() const {
  return SendTo(descriptor_, 0, nullptr);
}

}  // namespace tw::cli
