// One joined topic of a session.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/timer_wheel.h"
#include "json/json.h"
#include "model/change.h"
#include "model/claims.h"
#include "policy/catalog.h"
#include "policy/channel_policy.h"
#include "policy/claims_values.h"
#include "policy/filter.h"
#include "protocol/join.h"
#include "protocol/message.h"
#include "router/audience.h"
#include "router/broadcast.h"
#include "router/broadcast_history.h"
#include "router/channel_spec.h"
#include "router/presence.h"
#include "session/channel_queries.h"
#include "session/invalidations.h"
#include "session/live_feed.h"
#include "session/snapshot_desk.h"

namespace tw::session {

class Session;
enum class Excess : uint8_t;

//                                              ┌──── lagged ────┐
//                                              ▼                │
//  kCatchingUp ──missed changes read──▶ kReplaying ──sent──▶ kLive   any ──leave, expiry──▶ (gone)
//       └─────────────── nothing to catch up, or not recovered ──▲
//                       kReplaying, kLive ──what was missed is lost──▶ kEnded ──▶ (gone)
enum class ChannelState : uint8_t { kCatchingUp, kReplaying, kLive, kEnded };

// What a message means for its channel; kEnds: its client has been told, its session removes it.
enum class ChannelFate : uint8_t { kStays, kEnds };

class Channel {
 public:
  // `rights` are what the claims may read, as Session::Admit found.
  Channel(Session& session, std::optional<std::string> join_ref, std::string topic,
          protocol::JoinRequest request, ClaimsPtr claims, policy::ChannelRights rights);
  ~Channel();

  // Resolves the bindings, decides about the asked position, replies and goes live.
  void Start(std::optional<std::string_view> ref);
  // Sends more of the missed changes while the connection takes them; goes live behind the last.
  void ContinueReplay();
  // Of a live channel: it has been told all up to `after`, and gets what is behind it as a replay.
  void Lag(uint64_t after);
  // channel_behind.cc: frames of the channel for which the outbox has no room, in the middle of
  // their fan-out. What is dropped comes again after StepBack.
  Excess OnExcessBroadcast(const router::Broadcast& message, const io::SharedBytes& frame);
  Excess OnExcessPresence();
  // In a turn of its own: takes the channel out of the fan-outs that it is behind with.
  void StepBack();
  // Sends what StepBack left out, as the connection takes it, and goes back into the fan-outs.
  void ContinueBehind();
  bool follows_changes() const { return !spec_.bindings.empty(); }
  bool ended() const { return state_ == ChannelState::kEnded; }
  protocol::SlowPolicy slow() const { return slow_; }
  const router::BroadcastMembership& broadcasts() const { return broadcasts_; }
  const router::PresenceMember& presence() const { return presence_; }
  // New rights from now on: a change that is published later is judged by them.
  [[nodiscard]] ChannelFate SetClaims(ClaimsPtr claims);

  // Resolves the bindings by another catalog; says so where the outcome is another.
  void OnCatalog();
  // Tells our own clients when they follow this table and may see all or some of it.
  void OnTruncate(const Relation& relation);

  // Sends a broadcast of this channel's client to the topic's other members, on every loop; its
  // `topic` is filled in. Answers `ref` where the channel asked for it.
  [[nodiscard]] ChannelFate Broadcast(std::optional<std::string_view> ref,
                                      router::Broadcast message);
  // Tracks or untracks, and answers `ref`.
  [[nodiscard]] ChannelFate Presence(std::optional<std::string_view> ref,
                                     const json::Value& payload);
  void LeavePresence(router::Departure departure) { presence_.Leave(departure); }

  // Tells an unmodified client that resumes how far the stream is, unless it knows.
  void TellPosition();

  // Whether a new token has to wait, which then is kept in place of one that waits already.
  bool KeepToken(std::string_view token);

  // query_open or query_close.
  void OnQueryMessage(const protocol::ClientMessage& message);
  bool follows_queries() const { return queries_ != nullptr && queries_->size() > 0; }

  // phx_close or phx_error; the caller removes the channel.
  void SendClose();
  // A `system` error and phx_close: the channel is over.
  [[nodiscard]] ChannelFate End(std::string_view reason);
  // A `system` message to this channel.
  void SendSystem(std::string_view extension, protocol::ReplyStatus status,
                  std::string_view message);

  const std::string& topic() const { return topic_; }
  std::optional<std::string_view> join_reference() const { return ref_; }
  const std::optional<std::string>& join_ref() const { return join_ref_; }
  const ClaimsPtr& claims() const { return claims_; }
  // It has been told all up to the loop's head.
  bool live() const;
  bool wants_positions() const { return request_.positions; }
  // The topic without "realtime:".
  std::string_view name() const;

 private:
  // The answer to "since": nullopt while nothing was asked.
  struct Verdict {
    std::optional<bool> recovered;
    std::string_view reason;
  };

  // Where each binding's changes begin, while that is not the same for all.
  struct Floors;

  // A live channel about whose rows the database is asked.
  struct Following;

  // Rows that the channel begins with, from when they are wanted until they are sent.
  struct SnapshotJob;

  // Missed broadcasts, and those that arrive until the channel is live.
  struct BroadcastCatchUp;

  // Broadcasts for which a live channel's client had no room.
  struct BehindBroadcasts;

  void Begin();
  void AskBroadcasts();
  void OnBroadcasts(router::HistoryAnswer answer);
  void JoinBroadcasts(router::Receiver& receiver);
  void ListenBroadcasts();
  void ListenPresence();
  bool SendMissedBroadcasts();
  void SendBroadcastVerdict();
  void AppendBroadcastVerdict(json::Writer& writer) const;
  ChannelFate TakeRights();
  bool MayWrite(policy::Extension extension);
  bool WithinRates(size_t bytes);
  void OnTokenDue();
  void SendReadiness();
  // channel_rights.cc: what the claims mean, where a database must be asked.
  // False: the answer comes later, and OnRights goes on.
  bool AskRights();
  void OnRights();
  policy::AccessPtr AccessTo(const policy::Catalog::Table& table) const;
  // Limits the columns to those that the role may read. The error to report, or empty.
  std::string TakePrivileges(const policy::Access& access, const policy::Filter& filter,
                             std::vector<uint16_t>& selected) const;
  // Resolves anew and follows what there is now to follow.
  void Rebind();
  void TellBindings();
  void BeginChanges();

  void Resolve();
  void ResolveBinding(const protocol::BindingRequest& request);
  std::string BindBinding(const protocol::BindingRequest& request, const std::string& schema,
                          const std::string& table);
  // channel_snapshot.cc: where the channel's changes begin, and with which rows.
  // The position that the client wants to go on from; nullopt: it names none. Sets floors_. An error
  // is the verdict's reason.
  std::expected<std::optional<Position>, std::string_view> AskedPosition();
  // Goes on from a place of this history, also from one that the loop has not come to yet.
  void ContinueFrom(Position since);
  // What was missed is not to be had, or was not asked for.
  void BeginAnew(const Verdict& verdict);
  bool WantsSnapshot(const router::TableBinding& binding) const;
  void AskSnapshot();
  void OnSnapshot(Result<SnapshotDesk::Held> held);
  // There will be none: the channel begins at the loop's head without it.
  void GiveUpSnapshot(std::string_view reason);
  void AppendSnapshotVerdict(json::Writer& writer) const;
  // The members "recovered" and "reason" of an open object.
  void AppendVerdict(json::Writer& writer) const;
  // Sends what the connection takes; true behind the last page.
  bool SendPages();
  void OnSnapshotLate();
  // What `spec_` has to tell of the change at `offset`, while bindings begin at different places.
  const router::ChannelSpec& SpecAt(uint64_t offset);
  void SendChangesVerdict(Position position);
  void ForgetMissed();
  // Sends what was missed, as far as the connection takes it and verdicts are there; true at the
  // loop's head.
  bool SendMissed();
  // channel_follow.cc: changes go to the channel from the loop's head on.
  void JoinStream();
  void OnFollowed(const Batch& batch);
  void Follow();
  void FollowTables();
  // Later, where the channel is behind the place at which its rights or tables changed.
  void RebindAtHead();
  // False: the database has not judged these changes; it is asked, and ContinueReplay follows.
  bool Judged(const router::ChannelSpec& spec, const Batch& batch, router::Router::Range range);
  void AskVerdicts();
  // Whether what was missed is too old for the database to judge it as of its time.
  bool TooLateToJudge() const;

  void OnWaitEnd();
  void StopWaiting();
  void CatchUp(uint64_t after);
  void OnHistory(uint64_t after, Result<BatchPtr> batch);
  void StartReplay(uint64_t after);
  // Why missed changes cannot be judged any more; empty: they can.
  std::string_view Unjudgeable() const;
  // False: the database has not judged it.
  bool SendNextMissed();
  void Conflate();
  void ReadOn();
  void OnReadOn(Result<BatchPtr> batch);
  void TellBehind(std::string_view what);
  // What the client missed is lost: it is asked to join anew. The session removes the channel later.
  void GiveUp(std::string_view reason);
  void AskMissedBroadcasts();
  void OnMissedBroadcasts(router::HistoryAnswer answer);
  void SendNewestBroadcasts();
  void GoLive(Position position);
  void SendCaughtUp(Position position);
  void SendJoinReply(Position position);
  void JoinInvalidations();
  void SendPush(std::string_view event, std::string_view payload);

  Session& session_;
  const std::optional<std::string> join_ref_;
  const std::string topic_;
  const protocol::JoinRequest request_;
  const router::Bus bus_;
  ClaimsPtr claims_;
  policy::ChannelRights rights_;            // To read.
  std::optional<bool> may_write_[2];        // By extension, once asked; until the claims change.
  std::optional<std::string> ref_;  // Of the join, until its reply is sent.
  ChannelState state_ = ChannelState::kCatchingUp;
  router::ChannelSpec spec_;
  std::vector<std::string> binding_errors_;
  router::Membership membership_;
  std::unique_ptr<BroadcastCatchUp> broadcast_catch_up_;
  router::BroadcastMembership broadcasts_;
  std::unique_ptr<ChannelQueries> queries_;
  InvalidationMembership invalidations_;
  router::PresenceMember presence_;
  std::string presence_key_;  // Made when first needed unless the client named one.
  bool presence_wanted_;
  MonoTime token_allowed_at_{};
  std::string kept_token_;
  io::Timer token_due_;
  // Missed changes: read before the verdict is sent, then sent.
  std::deque<BatchPtr> missed_;
  uint64_t missed_changes_ = 0;
  uint64_t missed_bytes_ = 0;
  policy::ClaimsValuesPtr values_;  // Of `claims_`, as far as is known.
  uint64_t rights_asked_ = 0;       // The question whose answer counts.
  bool begun_ = false;              // BeginChanges was called.
  bool rights_touched_ = false;  // What was missed changed a table that the policies look into.
  uint64_t replayed_ = 0;  // Offset up to which the client has been told.
  bool lagged_ = false;    // The replay is of a channel that was live before.
  std::unique_ptr<Following> following_;
  bool awaiting_verdicts_ = false;
  std::string raised_;  // What its policies raised, as it was told.
  bool reading_ = false;   // ReadOn waits for its answer.
  bool conflated_ = false;  // The front of missed_ is what Conflate made.
  const protocol::SlowPolicy slow_;
  std::unique_ptr<BehindBroadcasts> behind_;
  bool presence_behind_ = false;
  Verdict verdict_;        // Of the join.
  bool replied_ = false;   // To the join.
  uint64_t attempt_ = 0;   // To find what was missed; answers to an earlier one do not count.
  std::unique_ptr<SnapshotJob> snapshot_;
  std::unique_ptr<Floors> floors_;  // Null: all bindings begin at the same place.
  uint64_t told_offset_ = 0;        // By TellPosition.
  io::Timer wait_;
  std::optional<LiveFeed::WaitId> waiting_;  // For a position ahead of the loop.
  std::shared_ptr<bool> alive_;
};

}  // namespace tw::session
