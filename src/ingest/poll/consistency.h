// The source's own numbers against ours, and what a difference leads to (ingestion spec §3.2,
// "consistency"; §4.4, anchoring). Pure.
//
//   within tolerance ─▶ ok          above `above` ─▶ reconcile: streams are read again, then closed
//   else info, warning, critical                     days follow the source, when two checks agree
//                                   too soon ─▶ wait      too often ─▶ give up      too large ─▶ ask
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "ingest/poll/plan.h"
#include "ingest/poll/pull_work.h"
#include "ingest/source.h"

namespace date {
class time_zone;
}

namespace tw::ingest {

// Share of the source's number that ours differs by: 0.05 for 95 or 105 of 100. A source that has
// nothing differs by everything that we have.
double DriftOf(int64_t source, int64_t mirror);

enum class DriftLevel : uint8_t { kOk, kInfo, kWarning, kCritical };
std::string_view ToString(DriftLevel level);
DriftLevel LevelOf(const CheckPlan& plan, int64_t source, int64_t mirror);

enum class DriftAction : uint8_t {
  kNone,
  kReconcile,
  kWait,    // The last one was less than `cooldown` ago.
  kGiveUp,  // It was tried often enough today.
  kAsk,     // So much is more likely a fault of the source or of ours.
};
DriftAction ActionOf(const ReconcilePlan& plan, double drift, const Reconciled& before,
                     WallTime now);

// The last closed day, and the first of its month: what a check looks at begins there, so that a
// month is looked at until its last day is closed.
struct CheckDays {
  std::string first;
  std::string last_closed;
  std::string today;
};
CheckDays CheckDaysAt(const date::time_zone& zone, WallTime now, int64_t day_lag);

// Since when a reconciliation reads again: the beginning of the days that checks look at.
WallTime ReconcileSince(const Source& source, const date::time_zone& zone, WallTime now);

// What the source counted on closed days that differ from ours, until a second check agrees.
struct PendingDays {
  WallTime at{};
  std::map<std::pair<std::string, std::string>, int64_t> totals;  // By day, metric.

  // A text that is none gives nothing; nothing gives an empty text.
  static PendingDays Decode(std::string_view text);
  std::string Encode() const;
};
// Time between two checks that count as two.
inline constexpr std::chrono::minutes kAgreeAfter{10};

}  // namespace tw::ingest
