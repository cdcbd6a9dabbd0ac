#include "cli/signals.h"

#include <ctime>

namespace tw::cli {

Signals::Signals() {
  sigemptyset(&set_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, DrainSignal(), ApplySignal()}) sigaddset(&set_, signal);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

Signal Signals::WaitFor(std::chrono::milliseconds time) const {
  const timespec wait{time.count() / 1'000, (time.count() % 1'000) * 1'000'000};
  siginfo_t info{};
  const int signal = sigtimedwait(&set_, &info, &wait);
  if (signal <= 0) return {};
  if (signal == SIGHUP) return {.kind = Signal::Kind::kReload};
  if (signal == ApplySignal()) {
    return {.kind = Signal::Kind::kApply, .request = info.si_value.sival_int};
  }
  if (signal != DrainSignal()) return {.kind = Signal::Kind::kStop};
  Signal drain{.kind = Signal::Kind::kDrain};
  if (info.si_code == SI_QUEUE && info.si_value.sival_int >= 0) {
    drain.window = std::chrono::milliseconds{info.si_value.sival_int};
  }
  return drain;
}

}  // namespace tw::cli
