// One joined topic of a session.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/timer_wheel.h"
#include "model/change.h"
#include "model/claims.h"
#include "protocol/join.h"
#include "protocol/message.h"
#include "router/audience.h"
#include "router/broadcast.h"
#include "router/channel_spec.h"
#include "session/channel_queries.h"
#include "session/invalidations.h"
#include "session/live_feed.h"

namespace tw::session {

class Session;

//  kCatchingUp ──missed changes read──▶ kReplaying ──sent──▶ kLive   any ──leave, expiry──▶ (gone)
//       └─────────────── nothing to catch up, or not recovered ──▲
enum class ChannelState : uint8_t { kCatchingUp, kReplaying, kLive };

class Channel {
 public:
  Channel(Session& session, std::optional<std::string> join_ref, std::string topic,
          protocol::JoinRequest request, ClaimsPtr claims);
  ~Channel();

  // Resolves the bindings, decides about the asked position, replies and goes live.
  void Start(std::optional<std::string_view> ref);
  // Sends more of the missed changes while the connection takes them; goes live behind the last.
  void ContinueReplay();
  // New rights from now on: a change that is published later is judged by them.
  void SetClaims(ClaimsPtr claims);

  // Sends a broadcast of this channel's client to the topic's other members, on every loop; its
  // `topic` is filled in. Answers `ref` where the channel asked for it.
  void Broadcast(std::optional<std::string_view> ref, router::Broadcast message);

  // query_open or query_close.
  void OnQueryMessage(const protocol::ClientMessage& message);
  bool follows_queries() const { return queries_ != nullptr && queries_->size() > 0; }

  // phx_close or phx_error; the caller removes the channel.
  void SendClose();
  // A `system` message to this channel.
  void SendSystem(std::string_view extension, protocol::ReplyStatus status,
                  std::string_view message);

  const std::string& topic() const { return topic_; }
  const std::optional<std::string>& join_ref() const { return join_ref_; }
  const ClaimsPtr& claims() const { return claims_; }
  bool wants_positions() const { return request_.positions; }
  // The topic without "realtime:".
  std::string_view name() const;

 private:
  // The answer to "since": nullopt while nothing was asked.
  struct Verdict {
    std::optional<bool> recovered;
    std::string_view reason;
  };

  void Resolve();
  void ResolveBinding(const protocol::BindingRequest& request);
  std::string BindBinding(const protocol::BindingRequest& request, const std::string& schema,
                          const std::string& table);
  std::string_view AskedPosition() const;
  void OnWaitEnd();
  void StopWaiting();
  void CatchUp(uint64_t after);
  void OnHistory(uint64_t after, Result<BatchPtr> batch);
  void StartReplay(uint64_t after);
  void GoLive(const Verdict& verdict, Position position);
  void SendJoinReply(const Verdict& verdict, Position position);
  void JoinInvalidations();
  void SendPush(std::string_view event, std::string_view payload);

  Session& session_;
  const std::optional<std::string> join_ref_;
  const std::string topic_;
  const protocol::JoinRequest request_;
  ClaimsPtr claims_;
  std::optional<std::string> ref_;  // Of the join, until its reply is sent.
  ChannelState state_ = ChannelState::kCatchingUp;
  router::ChannelSpec spec_;
  std::vector<std::string> binding_errors_;
  router::Membership membership_;
  router::BroadcastMembership broadcasts_;
  std::unique_ptr<ChannelQueries> queries_;
  InvalidationMembership invalidations_;
  // Missed changes: read before the verdict is sent, then sent.
  std::deque<BatchPtr> missed_;
  uint64_t missed_changes_ = 0;
  uint64_t missed_bytes_ = 0;
  uint64_t replayed_ = 0;  // Offset up to which the client has been told.
  io::Timer wait_;
  std::optional<LiveFeed::WaitId> waiting_;  // For a position ahead of the loop.
  std::shared_ptr<bool> alive_;
};

}  // namespace tw::session
