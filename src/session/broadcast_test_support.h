// For this room's tests: a session among fakes. The clock, the network, the store and the other
// loops move only when a test says so.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/jwt.h"
#include "auth/token_verifier.h"
#include "router/test_support.h"
#include "session/live_feed.h"
#include "session/session.h"
#include "testing/fake_clock.h"

namespace tw::session::broadcast_fakes {

inline constexpr std::string_view kSecret =
    "super-secret-jwt-token-with-at-least-32-characters-long";
// FakeClock's start, and an hour later.
inline constexpr int64_t kNow = 1'767'323'045;
inline constexpr int64_t kInAnHour = kNow + 3'600;

// Messages as a client would read them, without "text:".
class FakeTransport final : public Transport {
 public:
  void OnFrame(const io::SharedBytes& frame) override {
    const std::string message = router::MessageOf(frame);
    messages.push_back(message.starts_with("text:") ? message.substr(5) : message);
  }
  void CloseWith(uint16_t code, std::string_view reason) override {
    messages.push_back("close:" + std::to_string(code) + ":" + std::string(reason));
  }
  std::vector<std::string> Take() { return std::exchange(messages, {}); }

  std::vector<std::string> messages;
};

// Reads wait until the test answers them.
class FakeHistory final : public History {
 public:
  struct Request {
    uint64_t after;
    uint64_t changes_max;
    Function<void(Result<BatchPtr>)> done;
  };
  void Read(uint64_t after, uint64_t changes_max, Function<void(Result<BatchPtr>)> done) override {
    requests.push_back({after, changes_max, std::move(done)});
  }
  // Answers the oldest request.
  void Answer(Result<BatchPtr> result) {
    ASSERT_FALSE(requests.empty()) << "nobody has asked";
    Request request = std::move(requests.front());
    requests.pop_front();
    request.done(std::move(result));
  }

  std::deque<Request> requests;
};

class FakeBus final : public BroadcastBus {
 public:
  void Publish(router::BroadcastPtr message) override { messages.push_back(std::move(message)); }
  std::vector<router::BroadcastPtr> messages;
};

inline policy::CatalogPtr CatalogOf(std::string_view using_sql) {
  auto catalog = std::make_shared<policy::Catalog>();
  const RelationPtr relation = router::TasksRelation();
  catalog->Add({.relation = relation, .policy = router::PolicyOf(relation, using_sql)});
  return catalog;
}

inline std::string MintFor(std::string_view claims, std::string_view secret = kSecret) {
  return *auth::MintToken(claims, secret, auth::Algorithm::kHs256);
}
// A token of user `sub`.
inline std::string TokenOf(std::string_view sub, int64_t expires_at = kInAnHour) {
  return MintFor(R"({"role":"authenticated","sub":")" + std::string(sub) + R"(","exp":)" +
                 std::to_string(expires_at) + "}");
}

// One loop: what its sessions share. `head` is where the loop stands at first.
struct Loop {
  explicit Loop(std::string_view using_sql = "", const TailLimits& tail = {},
                Position head = {router::kEpoch, 0})
      : catalog(CatalogOf(using_sql)), feed(head, tail, registry) {}

  static auth::TokenVerifier MakeVerifier(const Clock& clock, telemetry::Registry& registry) {
    static constexpr std::array kAlgorithms = {auth::Algorithm::kHs256};
    return {*auth::JwtKey::Create(kSecret, kAlgorithms), auth::ApiKeys(), clock, registry};
  }
  void Advance(std::chrono::nanoseconds by) {
    clock.Advance(by);
    timers.Advance(clock.Mono());
  }
  // Commits the changes and gives them to the loop.
  void Publish(std::vector<Change> changes) {
    feed.Publish(router::BatchOf(feed.head().offset + 1, std::move(changes)));
  }
  const RelationPtr& tasks() const { return catalog->tables()[0].relation; }

  telemetry::Registry registry;
  testing::FakeClock clock;
  policy::CatalogPtr catalog;
  LiveFeed feed;
  FakeHistory history;
  FakeBus bus;
  auth::TokenVerifier verifier = MakeVerifier(clock, registry);
  io::TimerWheel timers{clock.Mono()};
  SessionLimits limits;
  SessionMetrics metrics{registry};
  SessionServices services{feed, history, bus, verifier, catalog, timers, clock, limits, metrics};
};

// A client's end of a session on `loop`.
struct Client {
  explicit Client(Loop& loop, protocol::Version version = protocol::Version::kV2,
                  ClaimsPtr claims = router::ClaimsOf("ann"))
      : session(loop.services, transport, version, std::move(claims)) {}

  void Say(std::string_view text) { session.OnText(text); }
  std::vector<std::string> Take() { return transport.Take(); }
  // Joins "realtime:room" with ref and join ref "1".
  void Join(std::string_view config = "{}", std::string_view token = {}) {
    Say(R"(["1","1","realtime:room","phx_join",{"config":)" + std::string(config) +
        R"(,"access_token":")" + std::string(token) + R"("}])");
  }
  // The one message that `text` is answered with.
  std::string AnswerTo(std::string_view text) {
    Say(text);
    const auto messages = Take();
    return messages.size() == 1 ? messages[0] : std::to_string(messages.size()) + " messages";
  }

  FakeTransport transport;
  Session session;
};

inline constexpr std::string_view kFollowTasks =
    R"({"postgres_changes":[{"event":"*","schema":"public","table":"tasks"}]})";

// A text reply on "realtime:room" for ref and join ref "1".
inline std::string JoinReply(std::string_view response) {
  return R"(["1","1","realtime:room","phx_reply",{"status":"ok","response":)" +
         std::string(response) + "}]";
}
inline std::string Refusal(std::string_view reason) {
  return R"(["1","1","realtime:room","phx_reply",{"status":"error","response":{"reason":")" +
         std::string(reason) + R"("}}])";
}
inline std::string System(std::string_view extension, std::string_view status,
                          std::string_view message) {
  return R"(["1",null,"realtime:room","system",{"extension":")" + std::string(extension) +
         R"(","status":")" + std::string(status) + R"(","message":")" + std::string(message) +
         R"(","channel":"room"}])";
}
inline constexpr std::string_view kClosed = R"(["1","1","realtime:room","phx_close",{}])";
inline const std::string kSubscribed = System("postgres_changes", "ok", "Subscribed to PostgreSQL");

}  // namespace tw::session::broadcast_fakes
