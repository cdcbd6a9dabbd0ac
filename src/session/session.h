// session: one client's logical life on a realtime connection: channels, rights, positions.
//
//   message ──OnText──▶ Session ──▶ Channel: join ─▶ catch up ─▶ live ─▶ closed
//                          │                              └─ router membership
//                          └──frames──▶ Transport
//
// Start here   session.h → channel.h → live_feed.h (the loop's end of the change log).
// Promises     Every channel gets each change that it may see once, in order, from the position its
//              join reply names. A join with a position ends with a verdict: recovered, or why not;
//              never a silent gap. A token's end is the end of its channels.
// Thread       Its loop. No socket, no wall clock: the simulation drives the same code.
// Not here     WebSocket frames and pings (gateway), what a change looks like (router, protocol).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "auth/token_verifier.h"
#include "base/clock.h"
#include "base/random.h"
#include "io/timer_wheel.h"
#include "model/claims.h"
#include "policy/catalog.h"
#include "policy/channel_policy.h"
#include "protocol/join.h"
#include "protocol/message.h"
#include "router/audience.h"
#include "router/presence.h"
#include "session/channel_bus.h"
#include "session/live_feed.h"
#include "session/rights_source.h"
#include "session/rate.h"
#include "session/snapshot_desk.h"
#include "session/verdict_book.h"
#include "telemetry/metrics.h"

namespace tw::session {

class Channel;
class Session;
class Invalidations;
class LiveQueries;
enum class ChannelFate : uint8_t;

// Whether channels that are not private may be joined.
enum class PublicChannels : uint8_t { kAllowed, kRefused };

// What becomes of a frame for which the outbox has no room.
enum class Excess : uint8_t {
  kSend,  // It goes all the same.
  kDrop,  // It comes again after Resync, or something that takes its place.
  kCut,   // It cannot be had again, or may not come late: the client is cut off.
};

// The channels whose name (without "realtime:") fits `pattern` (router::TopicFits).
struct SlowClass {
  std::string pattern;
  protocol::SlowPolicy policy = protocol::SlowPolicy::kResync;
};

// The connection below a session. OnFrame (from Receiver) takes framed bytes.
class Transport : public router::Receiver {
 public:
  // True while so much is unsent that a replay has to wait. Session::OnDrained follows.
  virtual bool Congested() = 0;
  // Sends what is queued, then a close frame. The session is destroyed later, not from inside.
  virtual void CloseWith(uint16_t code, std::string_view reason) = 0;
};

struct SessionLimits {
  uint32_t channels_max = 100;
  uint32_t topic_bytes_max = 1'024;
  // One recovery: more changes or bytes than this is refused as "too_many".
  uint64_t replay_changes_max = 10'000;
  uint64_t replay_bytes_max = 16u << 20;
  // A client has this long to take the rows of its snapshot.
  std::chrono::seconds snapshot_time_max{60};
  // Encoded payload of one broadcast (upstream's max_payload_size_in_kb × 1000 + 500).
  uint32_t broadcast_bytes_max = 3'000'500;
  // Encoded payload of one presence message.
  uint32_t presence_bytes_max = 3'000'500;
  uint32_t presence_key_bytes_max = 1'024;
  // Of one connection; 0: off. Over it the channel ends.
  uint64_t client_events_per_second_max = 0;
  uint64_t presence_calls_max = 0;
  std::chrono::milliseconds presence_calls_window{30'000};
  PublicChannels public_channels = PublicChannels::kAllowed;
  // A channel's token changes at most this often; the newest one of the time between applies at its
  // end.
  std::chrono::milliseconds access_token_throttle{10'000};
  // How long a channel outlives its token, so that a refresh on its way arrives.
  std::chrono::seconds expiry_grace{25};
  // Told to our SDK in the join reply: spread reconnects over this window.
  std::chrono::milliseconds reconnect_jitter_max{5'000};
  // Of channels that say nothing of it when they join, and fit no class.
  protocol::SlowPolicy slow = protocol::SlowPolicy::kResync;
  std::vector<SlowClass> slow_classes;  // The first that fits counts.

  protocol::SlowPolicy SlowPolicyOf(std::string_view name) const;
};

struct SessionMetrics {
  explicit SessionMetrics(telemetry::Registry& registry);
  telemetry::Gauge& sessions;
  telemetry::Gauge& channels;
  telemetry::Counter& joins_ok;
  telemetry::Counter& joins_refused;
  telemetry::Counter& messages_malformed;
  telemetry::Counter& resumed;
  telemetry::Counter& not_resumed;
  telemetry::Counter& expired;
  telemetry::Counter& revoked;
  telemetry::Counter& broadcasts_refused;
  telemetry::Counter& replays_overtaken;
  telemetry::Counter& denied_reads;
  telemetry::Counter& denied_writes;
  telemetry::Counter& rate_limited;
  telemetry::Counter& broadcasts_resumed;
  telemetry::Counter& broadcasts_not_resumed;
  // Of snapshots, by outcome.
  telemetry::Counter& snapshots_sent;
  telemetry::Counter& snapshots_too_large;
  telemetry::Counter& snapshots_busy;
  telemetry::Counter& snapshots_unavailable;
  telemetry::Counter& snapshots_denied;
  telemetry::Counter& snapshots_slow;
  // Channels that fell behind, by what they got then; and those whose missed messages were lost.
  telemetry::Counter& behind_resync;
  telemetry::Counter& behind_conflate;
  telemetry::Counter& behind_lost;
  telemetry::Counter& conflated;  // Changes and broadcasts left out.
};

// What the sessions of one loop share. All of it outlives them.
struct SessionServices {
  LiveFeed& feed;
  History& history;
  ChannelBus& bus;
  auth::TokenVerifier& verifier;
  policy::CatalogPtr catalog;
  policy::ChannelPolicyPtr channel_policy;
  Rates& rates;
  Random& random;
  io::TimerWheel& timers;
  const Clock& clock;
  const SessionLimits& limits;
  SessionMetrics& metrics;
  // Null where claims are evaluated here.
  RightsSource* rights = nullptr;
  VerdictBook* verdicts = nullptr;    // Null where all policies are decided here.
  SnapshotDesk* snapshots = nullptr;  // Null: there are none.
  // Those of this loop, for what concerns all of them.
  std::unordered_set<Session*> sessions{};
  LiveQueries* queries = nullptr;  // Null: this server has none.
  Invalidations* invalidations = nullptr;  // The same.
};

class Session {
 public:
  // `claims` are those of the connection's own key. `transport` outlives the session.
  Session(SessionServices& services, Transport& transport, protocol::Version version,
          ClaimsPtr claims);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // One text message, as received. A malformed one is dropped and counted: the connection stays.
  void OnText(std::string_view text);
  // One binary message: a broadcast (version 2). A malformed one is dropped and counted.
  void OnBinary(std::string_view message);

  // What was unsent is gone: replays that waited go on.
  void OnDrained();

  // The client has said goodbye: what comes next is its end, not a lost connection.
  void OnGoodbye() { departure_ = router::Departure::kSaid; }
  // Joins from here on that name no position resume at this one; empty: they do not resume.
  void ResumeAt(std::string_view position) { resume_at_ = position; }
  // The feed's head, when every channel has been told all up to it; nullopt while one catches up,
  // and without channels.
  std::optional<Position> SettledPosition() const;

  // The outbox has no room for `frame`, which the session's transport is being given. From the first
  // kDrop or kSend on the transport asks for every frame, until it calls Resync in a later turn.
  Excess OnExcess(const io::SharedBytes& frame);
  // The channels go on behind what was dropped, at the client's pace.
  void Resync();
  // The frames come from a replay, which looks at Congested before each change.
  bool replaying() const { return replaying_; }

  // Tokens were revoked: channels that have one end, and the connection if its own key is one.
  void OnRevocations();

  // Before a planned restart: tells every channel, so that clients come back by themselves.
  void AnnounceRestart();

  // SessionServices::catalog is another one: bindings are resolved again.
  void OnCatalog();
  // The database that changes come from cannot be reached, or can again: told to our own clients.
  enum class Database : uint8_t { kAway, kBack };
  void OnDatabase(Database state);
  // The rows of `relation` are gone, without a change for each (TRUNCATE).
  void OnTruncate(const Relation& relation);
  // Changes were lost, or another history began: says so and closes, so that the client comes back
  // and gets the verdict.
  void AnnounceGap();

  size_t channels() const { return channels_.size(); }
  // Of the connection's own key; empty for a key that stands for nobody.
  std::string_view subject() const { return claims_->sub; }

 private:
  friend class Channel;

  void OnJoin(const protocol::ClientMessage& message);
  void OnLeave(const protocol::ClientMessage& message);
  // The rights of a channel that may be joined, or the reason why it may not.
  std::expected<policy::ChannelRights, std::string> Admit(const protocol::JoinRequest& request,
                                                          const Claims& claims,
                                                          std::string_view name);
  void OnAccessToken(Channel& channel, const protocol::ClientMessage& message);
  void ApplyToken(Channel& channel, std::string_view token);
  void OnBroadcast(Channel& channel, const protocol::ClientMessage& message);
  void Settle(Channel& channel, ChannelFate fate);
  // Answers the join of a channel that cannot start, and removes it.
  void RefuseStarted(Channel& channel, std::string_view reason);
  void OnHeartbeat(const protocol::ClientMessage& message);
  Channel* FindChannel(std::string_view topic);
  void Remove(Channel& channel);
  // Those that gave up; their presence stays for a while, as when a connection is lost.
  void RemoveEnded();
  void ArmExpiry();
  void OnExpiry();

  void SendText(std::string_view text);
  void Reply(const protocol::Address& address, protocol::ReplyStatus status,
             std::string_view response);
  void RefuseJoin(const protocol::ClientMessage& message, std::string_view reason);

  SessionServices& services_;
  Transport& transport_;
  const protocol::Version version_;
  const ClaimsPtr claims_;
  std::vector<std::unique_ptr<Channel>> channels_;
  RateMeter events_;          // Of this connection.
  RateMeter presence_calls_;
  router::Departure departure_ = router::Departure::kLost;
  std::string resume_at_;
  bool replaying_ = false;
  bool behind_ = false;         // Since the last Resync a frame had no room.
  uint64_t behind_from_ = 0;    // The first change that was among them; 0: none.
  io::Timer expiry_;
};

}  // namespace tw::session
