// The outreach platform: what really happened, and its deliveries, repeated until acknowledged.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "testing/fake_clock.h"

namespace tw::sim {

inline constexpr int64_t kNorthwind = 37;
inline constexpr int64_t kContoso = 38;
// Appears in the registry in the middle of the run.
inline constexpr int64_t kLateWorkspace = 39;
// Never does.
inline constexpr int64_t kUnknownWorkspace = 99;

struct Workspace {
  int64_t id;
  std::string name;
  std::string timezone;
  std::chrono::minutes utc_offset;  // In the weeks that a run lasts: no change of summer time.
};

// The kinds of things that happen, named as the example's facts; the rest count nowhere.
enum class Happening : uint8_t {
  kSent,
  kManualSent,
  kOpened,
  kReplied,
  kInterested,
  kUnsubscribed,
  kBounced,
  kUnknownType,
  kBadTime,
};
inline constexpr size_t kCountedHappenings = 7;

struct TrueEvent {
  Happening kind;
  int64_t workspace;
  int64_t lead;
  WallTime occurred_at;
  std::string body;
  std::string other_body;     // The same event in other bytes; empty where bytes are its identity.
  bool acknowledged = false;  // The sender got its 200.
};

// One sequence that the server said is safe.
struct Acknowledgement {
  uint64_t sequence;
  size_t event;
};

class Provider {
 public:
  Provider(testing::FakeClock& clock, Random& random, std::string hook_token);

  const std::vector<Workspace>& workspaces() const { return workspaces_; }
  const Workspace* Find(int64_t id) const;
  static std::string EmailOf(int64_t lead);

  // Something happens; its first delivery is due soon.
  void Happen();

  struct Attempt {
    uint64_t request;
    std::string token;
    std::string body;
  };
  // A delivery that is due now; nullopt when there is none.
  std::optional<Attempt> NextAttempt();
  // When the next one is due.
  std::optional<WallTime> NextDue() const;
  // The server's answer to a request; the sender may never get it.
  void OnReply(uint64_t request, int status, uint64_t sequence);
  // Every connection is lost.
  void OnConnectionsLost();
  // From now on no reply is lost and nothing is repeated without need.
  void StopFaults() { faults_ = false; }

  bool all_acknowledged() const { return waiting_.empty() && in_flight_.empty(); }
  const std::vector<TrueEvent>& events() const { return events_; }
  const std::vector<Acknowledgement>& acknowledgements() const { return acknowledgements_; }
  void ForgetAcknowledgements() { acknowledgements_.clear(); }

 private:
  struct Names {
    int64_t scheduled;
    int64_t reply;
    std::string uuid;
  };
  void Schedule(size_t event, std::chrono::microseconds delay);
  std::chrono::microseconds RetryDelay();
  WallTime OccurredAt();
  std::string Write(const TrueEvent& event, std::string_view type, const Names& names) const;

  testing::FakeClock& clock_;
  Random& random_;
  const std::string hook_token_;
  std::vector<Workspace> workspaces_;
  std::vector<TrueEvent> events_;
  std::multimap<WallTime, size_t> waiting_;
  std::map<uint64_t, size_t> in_flight_;  // Request → event.
  std::vector<Acknowledgement> acknowledgements_;
  std::map<WallTime, size_t> times_;
  uint64_t next_request_ = 1;
  int64_t next_name_ = 1;
  bool faults_ = true;
};

}  // namespace tw::sim
