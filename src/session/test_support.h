// For this room's tests only: one loop's services with a clock that stands still, a connection that
// keeps what it is sent, and a stored log that answers when told to.
#pragma once

#include <gmock/gmock.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "router/test_support.h"
#include "session/session.h"
#include "testing/fake_clock.h"
#include "websocket/frame.h"

namespace tw::session {

inline constexpr std::string_view kSecret = "a secret of at least thirty-two bytes";

class FakeTransport final : public Transport {
 public:
  void OnFrame(const io::SharedBytes& frame) override {
    texts.push_back(router::TextOf(frame));
    if (room > 0) --room;
  }
  bool Congested() override { return room == 0; }
  void CloseWith(uint16_t code, std::string_view) override { close_code = code; }

  // What came since the last call.
  std::vector<std::string> Take() { return std::exchange(texts, {}); }

  std::vector<std::string> texts;
  size_t room = SIZE_MAX;  // Frames until the connection is congested.
  std::optional<uint16_t> close_code;
};

// The stored log. Reads are answered by AnswerAll, in order.
class FakeHistory final : public History {
 public:
  void Read(uint64_t after, uint64_t changes_max, Function<void(Result<BatchPtr>)> done) override {
    ++reads;
    pending_.push_back({after, changes_max, std::move(done)});
  }

  void Append(const Batch& batch) {
    for (const Change& change : batch.changes) changes_.push_back(change);
  }
  void TrimTo(uint64_t first_kept) { first_kept_ = first_kept; }
  void FailWith(ErrorCode code) { failure_ = code; }

  // Answers what waits, and what the answers ask for in turn.
  void AnswerAll() {
    while (!pending_.empty()) AnswerOne();
  }
  void AnswerOne() {
    Pending next = std::move(pending_.front());
    pending_.pop_front();
    next.done(Answer(next.after, next.changes_max));
  }
  size_t pending() const { return pending_.size(); }

  int reads = 0;

 private:
  struct Pending {
    uint64_t after;
    uint64_t changes_max;
    Function<void(Result<BatchPtr>)> done;
  };

  Result<BatchPtr> Answer(uint64_t after, uint64_t changes_max) const {
    if (failure_) return Fail(*failure_, "as told");
    if (after + 1 < first_kept_) return Fail(ErrorCode::kOutOfRange, "trimmed");
    auto batch = std::make_shared<Batch>();
    for (const Change& change : changes_) {
      if (change.offset <= after || batch->changes.size() == changes_max) continue;
      batch->changes.push_back(change);
      batch->bytes += sizeof(Change) + ApproximateBytes(change.new_row);
    }
    if (batch->changes.empty()) return BatchPtr();
    batch->position = {1, batch->changes.back().offset};
    return BatchPtr(std::move(batch));
  }

  std::vector<Change> changes_;
  uint64_t first_kept_ = 0;
  std::optional<ErrorCode> failure_;
  std::deque<Pending> pending_;
};

// One loop.
class TestLoop {
 public:
  explicit TestLoop(const TailLimits& tail = {}, Position head = {1, 0}, uint16_t index = 0)
      : loop_index(index), feed(head, tail, metrics) {
    auto catalog_made = std::make_shared<policy::Catalog>();
    catalog_made->Add({relation, router::OwnOrgPolicy(relation)});
    auto notes = std::make_shared<Relation>(*relation);
    notes->table = "notes";
    notes->id = 8;
    notes->columns.resize(2);
    catalog_made->Add({notes, router::OwnOrgPolicy(notes)});
    services = std::make_unique<SessionServices>(SessionServices{.feed = feed,
                                                                 .history = history,
                                                                 .bus = bus,
                                                                 .verifier = verifier,
                                                                 .catalog = catalog_made,
                                                                 .channel_policy = channel_policy,
                                                                 .rates = rates,
                                                                 .random = random,
                                                                 .timers = timers,
                                                                 .clock = clock,
                                                                 .limits = limits,
                                                                 .metrics = session_metrics});
  }

  int64_t Now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(clock.Wall().time_since_epoch())
        .count();
  }

  // A token of a member of `org` that ends in `seconds`.
  std::string Token(int org, int64_t seconds = 3'600, std::string sub = "") const {
    if (sub.empty()) sub = "u" + std::to_string(org);
    const std::string claims = R"({"role":"authenticated","sub":")" + sub + R"(","org":)" +
                               std::to_string(org) + R"(,"exp":)" +
                               std::to_string(Now() + seconds) + "}";
    auto token = auth::MintToken(claims, kSecret, auth::Algorithm::kHs256);
    TW_CHECK(token.ok());
    return *token;
  }

  ClaimsPtr ClaimsOf(std::string_view token) {
    auto claims = verifier.Verify(token);
    TW_CHECK(claims.has_value());
    return *claims;
  }

  void Advance(std::chrono::milliseconds by) {
    clock.Advance(by);
    timers.Advance(clock.Mono());
  }

  // Commits what `commits` holds: to the stored log, and to the loop.
  BatchPtr Commit() {
    BatchPtr batch = commits.Take();
    history.Append(*batch);
    feed.Publish(batch);
    return batch;
  }

  static auth::JwtKey Key() {
    static constexpr auth::Algorithm kAlgorithms[] = {auth::Algorithm::kHs256};
    auto key = auth::JwtKey::Create(kSecret, kAlgorithms);
    TW_CHECK(key.ok());
    return std::move(*key);
  }

  static policy::ChannelPolicyPtr NoChannelPolicy() {
    auto compiled = policy::ChannelPolicy::Compile({}, {});
    TW_CHECK(compiled.ok());
    return *compiled;
  }

  const uint16_t loop_index;
  telemetry::Registry metrics;
  testing::FakeClock clock;
  io::TimerWheel timers{clock.Mono()};
  SessionLimits limits;
  SessionMetrics session_metrics{metrics};
  auth::TokenVerifier verifier{Key(), auth::ApiKeys(), clock, metrics};
  FakeHistory history;
  SeededRandom random{1};
  Rates rates{RateLimits{}};
  policy::ChannelPolicyPtr channel_policy = NoChannelPolicy();
  RelationPtr relation = router::Tasks();
  router::Commits commits{relation};
  LiveFeed feed;
  ChannelBus bus{7, loop_index, {}, feed.broadcasts(), timers, clock, random, metrics};
  std::unique_ptr<SessionServices> services;
};

// A session at version 2 for a member of organisation 1, unless told otherwise.
struct Client {
  explicit Client(TestLoop& loop, std::string token = "",
                  protocol::Version version = protocol::Version::kV2)
      : session(*loop.services, transport, version,
                loop.ClaimsOf(token.empty() ? loop.Token(1) : token)) {}

  std::vector<std::string> Say(std::string_view text) {
    session.OnText(text);
    return transport.Take();
  }

  FakeTransport transport;
  Session session;
};

// A join of "realtime:a" to all of "tasks", with `extension` as config.tidewire.
inline std::string JoinTasks(std::string_view ref, std::string_view extension = "{}",
                             std::string_view token = "", std::string_view topic = "realtime:a") {
  const std::string r(ref);
  return "[\"" + r + "\",\"" + r + "\",\"" + std::string(topic) +
         R"(","phx_join",{"config":{"presence":{"enabled":false},"tidewire":)" +
         std::string(extension) +
         R"(,"postgres_changes":[{"event":"*","schema":"public","table":"tasks"}]})" +
         (token.empty() ? "" : R"(,"access_token":")" + std::string(token) + "\"") + "}]";
}

inline std::string Since(uint64_t offset, std::string_view epoch = "0000000000000001") {
  return R"({"positions":true,"since":")" + std::string(epoch) + ":" + std::to_string(offset) +
         "\"}";
}

}  // namespace tw::session
