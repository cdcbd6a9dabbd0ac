// client: follows tables of a Tidewire server, with nothing missed and nothing twice.
//
//   events ──▶ [ Machine: pure, machine.h ] ──▶ effects
//     ▲                                           │
//     └── [ Driver: Boost.Asio, TLS, driver.h ] ◀─┘
//
// Start here   machine.h (states, events, effects) → driver.h (what an application uses).
// Promises     Those of sdk/js/client/src/machine.ts, I1 to I11: this is the same machine, without
//              rooms and with the WebSocket only. sdk/vectors/client.json holds both to it.
// Thread       That of whoever calls; the Driver's is the one that runs it.
// Not here     Reads over HTTP, presence and broadcast.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "json/json.h"

namespace tw::client {

using Milliseconds = std::chrono::duration<double, std::milli>;

// Which rows a subscription follows. `filter` as in PostgREST: "status=eq.open,owner=eq.7".
struct Binding {
  std::string event = "*";  // "*", "INSERT", "UPDATE" or "DELETE"
  std::string schema = "public";
  std::string table;
  std::string filter;  // Empty: all rows.
};

// One committed change of one row.
struct Change {
  std::string type;  // "INSERT", "UPDATE", "DELETE"; "LEAVE": no longer in the filter or in sight.
  std::string schema;
  std::string table;
  std::optional<std::string> commit_timestamp;
  std::optional<std::string> record;      // JSON; nullopt for DELETE and LEAVE.
  std::optional<std::string> old_record;  // JSON: at least the key; nullopt for INSERT.
  std::optional<std::string> position;
};

// Whether all since the last position came after a reconnect; empty reason: it did.
struct Verdict {
  bool recovered = false;
  std::string reason;
};

enum class ChannelPhase : uint8_t { kWaiting, kJoining, kCatchingUp, kLive, kRefused };
std::string_view ToString(ChannelPhase phase);

struct Limits {
  Milliseconds retry_base{500};
  Milliseconds retry_max{20'000};
  // Failed attempts in a row after which it has failed, and tries once a minute.
  uint32_t attempts_max = UINT32_MAX;
  Milliseconds heartbeat_interval{25'000};
  // A heartbeat, an opening or a join without an answer for so long has failed.
  Milliseconds answer_max{10'000};
};

// What happened.
namespace event {
struct Subscribe {
  std::string id;
  Binding binding;
  std::optional<std::string> since;
};
struct Unsubscribe {
  std::string id;
};
struct Token {
  std::string token;
};
struct TokenFailed {
  std::string error;
};
struct Opened {
  uint64_t conn;
};
struct Frame {
  uint64_t conn;
  std::string_view text;  // Valid during the step.
};
struct Lost {
  uint64_t conn;
  int code;
  std::string reason;
};
struct Timer {
  std::string name;
};
struct Pause {};
struct Resume {};
struct Retry {};
struct Close {};
}  // namespace event
using Event = std::variant<event::Subscribe, event::Unsubscribe, event::Token, event::TokenFailed,
                           event::Opened, event::Frame, event::Lost, event::Timer, event::Pause,
                           event::Resume, event::Retry, event::Close>;

// What is to be done about it, in order.
namespace effect {
struct AskToken {};  // Answer with Token or TokenFailed.
struct Connect {     // Answer with Opened and Lost.
  uint64_t conn;
  std::string token;
};
struct Disconnect {
  uint64_t conn;
  int code;
  std::string reason;
};
struct Send {
  uint64_t conn;
  std::string frame;
};
struct SetTimer {  // Replaces one of that name; nullopt clears it.
  std::string name;
  std::optional<Milliseconds> delay;
};
struct Deliver {
  std::string id;
  Change change;
};
struct Tell {
  std::string id;
  Verdict verdict;
};
struct Channel {
  std::string id;
  ChannelPhase phase;
  std::optional<std::string> error;
};
}  // namespace effect
using Effect =
    std::variant<effect::AskToken, effect::Connect, effect::Disconnect, effect::Send,
                 effect::SetTimer, effect::Deliver, effect::Tell, effect::Channel>;

// What the machine may know of the world at one step.
struct Env {
  Milliseconds now{0};  // Since 1970.
  double random = 0;    // Uniform in [0, 1).
};

//   kIdle ──subscribe──▶ kToken ──token──▶ kOpening ──opened──▶ kOpen
//     ▲                   ▲ ▲                │ lost, timeout     │ lost, silent
//     │ nothing subscribed│ └─timer, retry─┐ │                   │
//     └───────────────────┼────────────── kWaiting ◀─────────────┘
//                         │                  │ attempts used up
//                  resume, retry ◀── kPaused, kFailed ◀┘       any ──close──▶ kClosed (end)
enum class Phase : uint8_t {
  kIdle,
  kToken,
  kOpening,
  kOpen,
  kWaiting,
  kPaused,
  kFailed,
  kClosed,
};

class Machine {
 public:
  explicit Machine(const Limits& limits = {}) : limits_(limits) {}

  std::vector<Effect> Step(const Event& event, const Env& env);

  Phase phase() const { return phase_; }
  uint64_t conn() const { return conn_; }
  uint32_t attempt() const { return attempt_; }
  const std::string& error() const { return error_; }
  // Everything at or before it has been delivered; nullopt until the server named one.
  std::optional<std::string> PositionOf(std::string_view id) const;

 private:
  struct Channel {
    std::string id;
    Binding binding;
    ChannelPhase phase = ChannelPhase::kWaiting;
    std::optional<std::string> join_ref;  // Frames that carry another are of the past.
    std::optional<std::string> position;
    bool asked_since = false;
    bool promised = false;  // It has been live: a gap from here on must be announced.
    uint32_t attempt = 0;   // Refusals since it was last live.
    std::optional<std::string> error;
  };
  // A frame that was read: [join_ref, ref, topic, event, payload].
  struct Incoming {
    std::optional<std::string_view> join_ref;
    std::optional<std::string_view> ref;
    std::string_view topic;
    std::string_view event;
    json::Value payload;
  };

  void On(const event::Subscribe& event);
  void On(const event::Unsubscribe& event);
  void On(const event::Token& event);
  void On(const event::TokenFailed& event);
  void On(const event::Opened& event);
  void On(const event::Frame& event);
  void On(const event::Lost& event);
  void On(const event::Timer& event);
  void On(const event::Pause& event);
  void On(const event::Resume& event);
  void On(const event::Retry& event);
  void On(const event::Close& event);

  void Begin();
  void Beat();
  void Fail(std::string error);
  void Rest(Phase phase, int code, std::string reason);

  // channel.cc
  void Join(Channel& channel);
  void OnJoinTimer(std::string_view id);
  void Suspend();
  void OnChannelFrame(const Incoming& frame);
  void OnWatermark(std::string_view position);
  void OnReply(Channel& channel, const json::Value& payload);
  void OnChange(Channel& channel, const json::Value& payload);
  void OnSystem(Channel& channel, const json::Value& payload);
  void Refuse(Channel& channel, std::string error);
  void Settle(Channel& channel, ChannelPhase phase, std::optional<std::string> error);
  void TellVerdict(const Channel& channel, bool recovered, std::string reason);

  Channel* Find(std::string_view id);
  std::string Send(std::optional<std::string_view> join_ref, std::string_view topic,
                   std::string_view event, std::string_view payload);
  void SetTimer(std::string name, std::optional<Milliseconds> delay);

  const Limits limits_;
  Phase phase_ = Phase::kIdle;
  uint64_t conn_ = 0;   // 0: none.
  uint64_t conns_ = 0;  // The last number that was given.
  uint32_t attempt_ = 0;
  uint64_t ref_ = 0;
  std::optional<std::string> token_;
  bool heard_ = false;  // Something arrived since the last heartbeat was sent.
  Milliseconds jitter_hint_{0};
  std::string error_;
  std::vector<Channel> channels_;
  // Of the step under way.
  std::vector<Effect> effects_;
  Env env_;
};

// Negative, zero or positive as `a` is before, at or after `b`; nullopt when they belong to different
// epochs or either is not a position.
std::optional<int> ComparePositions(std::string_view a, std::string_view b);

}  // namespace tw::client
