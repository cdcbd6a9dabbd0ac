// When a request may go: a source's rate limit, the pauses it asks for, and the breaker that leaves
// a broken source alone. Kept per credential: requests that share one share its fate.
//
//   closed ──open_after failures in a row──▶ open ──half_open_after──▶ one request ──ok──▶ closed
//                                             ▲──────────────────────── failure ──┘
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/strings.h"
#include "ingest/poll/plan.h"

namespace tw::ingest {

// One thread.
class Gate {
 public:
  // `now`: the request may go and is counted. Later: ask again then.
  MonoTime Admit(const std::string& credential, const HttpPlan& plan, MonoTime now);
  enum class Answer : uint8_t {
    kHealthy,  // Any answer that shows that the source works, also a refusal.
    kFailed,   // None, or a 5xx.
  };
  // Gives true when this opened the breaker.
  bool OnAnswer(const std::string& credential, const HttpPlan& plan, Answer answer, MonoTime now);
  void PauseUntil(const std::string& credential, MonoTime until);
  bool IsOpen(const std::string& credential, MonoTime now) const;

 private:
  struct Entry {
    double tokens = 0;
    MonoTime filled{};  // When `tokens` was right; zero: never.
    MonoTime paused{};
    MonoTime open_until{};
    uint32_t failures = 0;
    bool probing = false;
  };
  StringMap<Entry> entries_;
};

}  // namespace tw::ingest
