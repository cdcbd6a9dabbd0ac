#include "cli/drain.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <optional>

#include "base/strings.h"
#include "cli/signals.h"
#include "config/types.h"
#include "json/json.h"

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

// sigqueue(3) through a descriptor of the process, so that a number that was given to another
// process meanwhile is never signalled.
bool SendTo(int process, int value) {
  siginfo_t info{};
  info.si_signo = DrainSignal();
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_int = value;
  return syscall(SYS_pidfd_send_signal, process, DrainSignal(), &info, 0) == 0;
}

}  // namespace

ExitCode RunDrain(const DrainArguments& arguments) {
  const auto fail = [&](ErrorCode code, std::string message, ExitCode exit) {
    return PrintError(arguments.format, Error{code, std::move(message)}, exit);
  };
  int window = kWindowAsConfigured;
  if (!arguments.window.empty()) {
    const auto parsed = config::ParseDuration(arguments.window);
    if (!parsed.ok()) {
      return fail(ErrorCode::kInvalidArgument, "--window: " + parsed.error().message,
                  ExitCode::kUsage);
    }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(*parsed).count();
    if (ms < 0 || ms > INT_MAX) {
      return fail(ErrorCode::kInvalidArgument, "--window: at most 24 days", ExitCode::kUsage);
    }
    window = static_cast<int>(ms);
  }
  const std::string directory =
      arguments.data_directory.empty() ? "data" : arguments.data_directory;
  const Descriptor lock(open((directory + "/lock").c_str(), O_RDONLY | O_CLOEXEC));
  const auto pid = lock.ok() ? Holder(lock.value()) : std::nullopt;
  if (!pid) {
    const bool denied = !lock.ok() && errno == EACCES;
    return fail(denied ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable,
                denied ? "may not read " + directory + "/lock"
                       : "no server runs on the data directory " + directory,
                denied ? ExitCode::kAuth : ExitCode::kUnreachable);
  }
  const Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, *pid, 0)));
  // Looked at again: the descriptor is that of the holder only if it still holds.
  if (!process.ok() || Holder(lock.value()) != pid) {
    return fail(ErrorCode::kUnavailable, "the server has just ended", ExitCode::kUnreachable);
  }
  if (!SendTo(process.value(), window)) {
    return fail(ErrorCode::kPermissionDenied,
                "may not signal process " + std::to_string(*pid) + ": " + std::strerror(errno),
                ExitCode::kAuth);
  }
  if (arguments.format == Format::kJson) {
    json::Writer w;
    w.Object().Key("draining").Bool(true).Key("pid").Int(*pid).End();
    std::printf("%s\n", w.Take().c_str());
  } else {
    std::printf("process %d drains and ends\n", *pid);
  }
  return ExitCode::kOk;
}

}  // namespace tw::cli
