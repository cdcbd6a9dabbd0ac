// Rates of joins and messages; joins that wait, and joins that want to know when the stream is there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/publish.h"
#include "session/session.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Join(std::string_view topic, std::string_view config = "") {
  return R"(["1","1","realtime:)" + std::string(topic) +
         R"(","phx_join",{"config":{"presence":{"enabled":false})" + std::string(config) + "}}]";
}
constexpr std::string_view kHello =
    R"(["1","5","realtime:a","broadcast",{"type":"broadcast","event":"hi","payload":{}}])";

TEST(RateMeterTest, AllowsItsRateAndABurst) {
  RateMeter meter(10, seconds{1});
  MonoTime now{};
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(meter.Take(1, now));
  EXPECT_FALSE(meter.Take(1, now));
  now += milliseconds{100};
  EXPECT_TRUE(meter.Take(1, now));
  EXPECT_FALSE(meter.Take(1, now));
  now += seconds{60};  // What is not used is not kept beyond the burst.
  EXPECT_TRUE(meter.Take(10, now));
  EXPECT_FALSE(meter.Take(1, now));
  EXPECT_TRUE(meter.Fits(10));
  EXPECT_FALSE(meter.Fits(11));
}

TEST(RateMeterTest, ZeroIsNoLimit) {
  RateMeter meter(0);
  EXPECT_TRUE(meter.Take(UINT64_MAX, MonoTime{}));
  EXPECT_TRUE(meter.Fits(UINT64_MAX));
}

class LimitsTest : public ::testing::Test {
 protected:
  void Limit(const RateLimits& limits) {
    rates_ = std::make_unique<Rates>(limits);
    const SessionServices& old = *loop_.services;
    auto services = std::make_unique<SessionServices>(SessionServices{
        .feed = old.feed,
        .history = old.history,
        .bus = old.bus,
        .verifier = old.verifier,
        .catalog = old.catalog,
        .channel_policy = old.channel_policy,
        .rates = *rates_,
        .random = old.random,
        .timers = old.timers,
        .clock = old.clock,
        .limits = old.limits,
        .metrics = old.metrics});
    loop_.services = std::move(services);
  }
  std::unique_ptr<Rates> rates_;
  TestLoop loop_;
};

TEST_F(LimitsTest, JoinsOverTheRateAreRefusedAndTheConnectionStays) {
  Limit({.joins_per_second_max = 1});
  Client client(loop_);
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(client.Say(Join(std::to_string(i))), Contains(HasSubstr("\"ok\"")));
  }
  EXPECT_THAT(client.Say(Join("6")),
              ElementsAre(HasSubstr("ClientJoinRateLimitReached: Too many joins per second")));
  loop_.Advance(seconds{1});
  EXPECT_THAT(client.Say(Join("6")), Contains(HasSubstr("\"ok\"")));
}

TEST_F(LimitsTest, MessagesOverTheRateEndTheirChannelOnly) {
  Limit({.events_per_second_max = 1});
  Client client(loop_);
  Client other(loop_);
  client.Say(Join("a"));
  other.Say(Join("a"));
  for (int i = 0; i < 5; ++i) EXPECT_THAT(client.Say(kHello), IsEmpty());
  EXPECT_THAT(client.Say(kHello), ElementsAre(HasSubstr("Too many messages per second"),
                                              R"(["1","1","realtime:a","phx_close",{}])"));
  EXPECT_EQ(client.session.channels(), 0u);
  EXPECT_EQ(other.session.channels(), 1u);
  EXPECT_EQ(loop_.session_metrics.rate_limited.value(), 1u);
}

TEST_F(LimitsTest, APublisherHasItsOwnRate) {
  loop_.limits.client_events_per_second_max = 1;
  Client loud(loop_);
  Client quiet(loop_);
  loud.Say(Join("a"));
  quiet.Say(Join("a"));
  for (int i = 0; i < 5; ++i) loud.Say(kHello);
  EXPECT_THAT(loud.Say(kHello), Contains(HasSubstr("Too many messages per second")));
  quiet.transport.Take();
  EXPECT_THAT(quiet.Say(kHello), IsEmpty());
}

TEST_F(LimitsTest, RequestsTakeFromTheSameRates) {
  Limit({.events_per_second_max = 10, .bytes_per_second_max = 1'000});
  EXPECT_EQ(TakeRates(*loop_.services, 50, 10), RateOutcome::kOk);
  EXPECT_EQ(TakeRates(*loop_.services, 1, 10), RateOutcome::kExceeded);
  EXPECT_EQ(TakeRates(*loop_.services, 51, 10), RateOutcome::kNeverFits);
  EXPECT_EQ(TakeRates(*loop_.services, 1, 6'000), RateOutcome::kNeverFits);
}

TEST_F(LimitsTest, AWaitingJoinIsRefusedForWhatCannotBeSubscribed) {
  Client client(loop_);
  const auto join = [&](std::string_view table) {
    return client.Say(Join("a", R"(,"postgres_changes":[{"event":"*","schema":"public","table":")" +
                                    std::string(table) +
                                    R"("}],"postgres_changes_options":{"wait":true})"));
  };
  EXPECT_THAT(join("nowhere"),
              ElementsAre(HasSubstr("RealtimeDisabledForConfiguration: Unable to subscribe")));
  EXPECT_EQ(client.session.channels(), 0u);
  EXPECT_THAT(join("tasks"),
              ElementsAre(HasSubstr("\"ok\""), HasSubstr("Subscribed to PostgreSQL")));
}

TEST_F(LimitsTest, WhoWantsToKnowIsToldThatTheStreamIsThere) {
  Client client(loop_);
  EXPECT_THAT(client.Say(Join("a", R"(,"broadcast":{"replication_ready":true})")),
              ElementsAre(HasSubstr("\"ok\""),
                          HasSubstr(R"("message":"Replication connection established")")));
}

TEST_F(LimitsTest, AnUnmodifiedClientSeesARowLeaveAsADelete) {
  Client client(loop_);
  client.Say(Join("a", R"(,"postgres_changes":[{"event":"*","schema":"public","table":"tasks",)"
                       R"("filter":"status=eq.open","leave":true}])"));
  loop_.commits.Insert(router::Task(1, 1)).Update(router::Task(1, 1), router::Task(1, 1, "done"));
  loop_.Commit();
  EXPECT_THAT(client.transport.Take(), ElementsAre(HasSubstr(R"("type":"INSERT")"),
                                                   HasSubstr(R"("type":"DELETE")")));
}

}  // namespace
}  // namespace tw::session
