// The live queries of one loop: who follows which result, and the frames that they share.
//
//   query_open ──▶ LiveQueries ──Watch──▶ query::Front ──▶ hub
//                      └── Delivery: one frame per (topic, version) of its followers
//
// Thread       Its loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/change.h"
#include "protocol/message.h"
#include "query/live/front.h"
#include "router/audience.h"
#include "telemetry/metrics.h"

namespace tw::session {

// What a channel is for the live queries.
class QueryChannel {
 public:
  virtual ~QueryChannel() = default;
  virtual protocol::Version version() const = 0;
  virtual const std::string& topic() const = 0;
  virtual router::Receiver& receiver() = 0;
  // Answers the message with that ref.
  virtual void ReplyTo(const std::optional<std::string>& ref, protocol::ReplyStatus status,
                       std::string_view response) = 0;
  // It was refused after all: destroys the follow.
  virtual void Forget(class QueryFollow& follow) = 0;
};

struct QueryLimits {
  uint32_t per_channel_max = 200;
  uint32_t loop_max = 100'000;
};

class LiveQueries;

// One query that one channel follows. Leaves when destroyed.
class QueryFollow {
 public:
  ~QueryFollow();
  const std::string& sub() const { return sub_; }
  const query::CallPtr& call() const { return call_; }

 private:
  friend class LiveQueries;
  QueryFollow(LiveQueries& owner, QueryChannel& channel, ClaimsPtr claims)
      : owner_(owner), channel_(channel), claims_(std::move(claims)) {}
  enum class State : uint8_t { kOpening, kMoving, kLive };
  LiveQueries& owner_;
  QueryChannel& channel_;
  ClaimsPtr claims_;
  std::string sub_;
  query::CallPtr call_;
  State state_ = State::kOpening;
  bool joined_ = false;             // Among those who follow `call_`.
  std::optional<std::string> ref_;  // Of the message that waits for a reply.
  std::string have_;
};

class LiveQueries final : public query::Follower {
 public:
  LiveQueries(query::Front& front, const QueryLimits& limits, telemetry::Registry& metrics);
  ~LiveQueries() override;

  query::Front& front() { return front_; }
  const QueryLimits& limits() const { return limits_; }

  // Begins to follow; the reply follows at once or later. Errors: as in docs/queries.md; nothing is
  // followed then.
  query::CallResult<std::unique_ptr<QueryFollow>> Open(QueryChannel& channel,
                                                       const json::Value& request,
                                                       const ClaimsPtr& claims,
                                                       std::optional<std::string> ref);
  // The channel's claims changed: goes on with the result of the new rights. False: they allow it no
  // more; the channel was told and forgets the follow.
  bool Move(QueryFollow& follow, const ClaimsPtr& claims);

  // `channel` is told when a mutation whose id begins with "<client>:" is committed and visible.
  void AddClient(const std::string& client, QueryChannel& channel);
  void RemoveClient(const std::string& client, QueryChannel& channel);
  // The loop's feed has published the batch.
  void OnBatch(const Batch& batch);
  // These mutations are in the log at or before `position`, which the feed has come to.
  void OnMutations(std::span<const std::string> ids, Position position);

  void OnDelivery(const query::Delivery& delivery) override;
  void OnSettled(Position settled) override;
  void OnReset() override;

 private:
  friend class QueryFollow;
  struct Entry {
    query::CallPtr call;
    std::vector<QueryFollow*> follows;
    bool error_shown = false;
  };
  void Join(QueryFollow& follow, query::CallPtr call);
  void Leave(QueryFollow& follow);
  bool Go(QueryFollow& follow, const query::NamedQuery* query);
  void Part(QueryFollow& follow);
  void Answer(QueryFollow& follow, const query::Snapshot& snapshot);
  void Push(const Entry& entry, std::string_view payload);
  void PushTo(QueryFollow& follow, std::string_view event, std::string_view payload);
  void SendApplied();

  query::Front& front_;
  const QueryLimits limits_;
  telemetry::Gauge& follows_;
  telemetry::Counter& pushes_;
  telemetry::Counter& frames_;
  size_t count_ = 0;
  std::unordered_map<std::string, Entry> entries_;
  std::unordered_map<std::string, std::vector<QueryChannel*>> clients_;
  Position head_;
  std::multimap<uint64_t, std::string> applied_;  // Offset → id, not told yet.
};

}  // namespace tw::session
