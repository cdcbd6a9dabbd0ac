// Whether a tenant is polled because its webhooks stay away (ingestion spec §3.4, "fallback").
//
//   pushed ──quiet longer than quiet_after──▶ polling      both: one look per also_every
//      ▲────────── leave_after deliveries ────────┘
//
// Going over is silent: a tenant without traffic is quiet too. What polling finds decides.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/strings.h"
#include "ingest/poll/plan.h"

namespace tw::ingest {

// One source's tenants. One thread.
class Fallback {
 public:
  explicit Fallback(const FallbackPlan& plan) : plan_(plan) {}

  enum class State : uint8_t { kPushed, kPolling };
  struct Seen {
    std::optional<WallTime> last_webhook_at;
    uint64_t deliveries = 0;  // Rises; begins at zero with the process.
  };
  // Whether the tenant is to be polled at this check.
  bool Check(const std::string& tenant, const Seen& seen, WallTime now);
  State StateOf(const std::string& tenant) const;

 private:
  struct Entry {
    State state = State::kPushed;
    WallTime known_since{};
    uint64_t deliveries_at_entry = 0;
    std::optional<WallTime> looked;  // nullopt: not since the start, when something may be missing.
  };
  const FallbackPlan& plan_;
  StringMap<Entry> tenants_;
};

}  // namespace tw::ingest
