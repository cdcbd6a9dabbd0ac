// Signals as values, for the verbs that serve.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>

namespace tw::cli {

// What `tidewire drain` sends, with the window as its value; no program sends it by habit.
inline int DrainSignal() { return SIGRTMIN + 3; }
// What `tidewire apply` sends, with the number of its request as the value.
inline int ApplySignal() { return SIGRTMIN + 4; }
// In the value of a DrainSignal: as configured.
inline constexpr int kWindowAsConfigured = -1;

struct Signal {
  enum class Kind : uint8_t {
    kNone,    // The time is over.
    kStop,    // SIGINT, SIGTERM
    kDrain,   // DrainSignal
    kApply,   // ApplySignal
    kReload,  // SIGHUP
  };
  Kind kind = Kind::kNone;
  std::optional<std::chrono::milliseconds> window = {};  // Of kDrain, when it brought one.
  int request = 0;                                       // Of kApply.
};

// Delivered to whoever waits here. Blocked before any thread starts, so that every thread inherits
// it.
class Signals {
 public:
  Signals();
  Signal WaitFor(std::chrono::milliseconds time) const;

 private:
  sigset_t set_;
};

}  // namespace tw::cli
