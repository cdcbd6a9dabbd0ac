// Presence through a session: when it is on, what is answered, when it leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/session.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string JoinRoom(std::string_view presence) {
  return R"(["1","1","realtime:room","phx_join",{"config":{"presence":)" + std::string(presence) +
         "}}]";
}
std::string Track(std::string_view payload, std::string_view event = "track") {
  return R"(["1","5","realtime:room","presence",{"type":"presence","event":")" +
         std::string(event) + R"(","payload":)" + std::string(payload) + "}]";
}
constexpr std::string_view kEmptyState = R"([null,null,"realtime:room","presence_state",{}])";
constexpr std::string_view kTracked =
    R"(["1","5","realtime:room","phx_reply",{"status":"ok","response":{}}])";

class ChannelPresenceTest : public ::testing::Test {
 protected:
  TestLoop loop_;
};

TEST_F(ChannelPresenceTest, IsOnUnlessTheClientSaysNo) {
  for (const char* wish : {"null", "{}", R"({"key":"a"})", R"({"enabled":true})"}) {
    Client client(loop_);
    EXPECT_THAT(client.Say(JoinRoom(wish)), ElementsAre(HasSubstr("phx_reply"), kEmptyState))
        << wish;
  }
  Client client(loop_);
  EXPECT_THAT(client.Say(JoinRoom(R"({"enabled":false})")), ElementsAre(HasSubstr("phx_reply")));
}

TEST_F(ChannelPresenceTest, WhoTracksTakesPart) {
  Client client(loop_);
  client.Say(JoinRoom(R"({"enabled":false,"key":"ann"})"));
  EXPECT_THAT(client.Say(Track(R"({"name":"Ann"})")),
              ElementsAre(kTracked, HasSubstr(R"("presence_state",{"ann":{"metas":[{"phx_ref":)")));
}

TEST_F(ChannelPresenceTest, ThePayloadStandsBesideTheReferenceAndCannotReplaceIt) {
  Client client(loop_);
  client.Say(JoinRoom(R"({"key":"ann"})"));
  const auto frames = client.Say(Track(R"({"phx_ref":"mine","name":"Ann","phx_ref_prev":"x"})"));
  ASSERT_THAT(frames, SizeIs(2));
  EXPECT_THAT(frames[0], HasSubstr(R"(","name":"Ann"}]}},"leaves":{}})"));
  EXPECT_THAT(frames[0], Not(HasSubstr("mine")));
  EXPECT_THAT(frames[0], Not(HasSubstr("phx_ref_prev")));
}

TEST_F(ChannelPresenceTest, WithoutAKeyTheServerMakesOne) {
  Client client(loop_);
  client.Say(JoinRoom(R"({"key":""})"));
  EXPECT_THAT(client.Say(Track("{}")),
              Contains(::testing::ContainsRegex(
                  "\"joins\":\\{\"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-")));
}

TEST_F(ChannelPresenceTest, UntrackAndLeaveAreToldAtOnceALostConnectionLater) {
  Client watcher(loop_);
  watcher.Say(JoinRoom("{}"));
  const auto left = [&] { return watcher.transport.Take(); };
  {
    Client client(loop_);
    client.Say(JoinRoom(R"({"key":"ann"})"));
    client.Say(Track("{}"));
    left();
    client.Say(Track("{}", "untrack"));
    EXPECT_THAT(left(), ElementsAre(HasSubstr(R"("leaves":{"ann")")));
    client.Say(Track("{}", "TRACK"));
    left();
    client.Say(R"(["1","9","realtime:room","phx_leave",{}])");
    EXPECT_THAT(left(), ElementsAre(HasSubstr(R"("leaves":{"ann")")));
    client.Say(JoinRoom(R"({"key":"ann"})"));
    client.Say(Track("{}"));
    left();
  }
  EXPECT_THAT(left(), IsEmpty());
  loop_.Advance(std::chrono::seconds{8});
  EXPECT_THAT(left(), ElementsAre(HasSubstr(R"("leaves":{"ann")")));
  {
    Client client(loop_);
    client.Say(JoinRoom(R"({"key":"bob"})"));
    client.Say(Track("{}"));
    left();
    client.session.OnGoodbye();
  }
  EXPECT_THAT(left(), ElementsAre(HasSubstr(R"("leaves":{"bob")")));
}

TEST_F(ChannelPresenceTest, WhatIsNoObjectIsRefused) {
  Client client(loop_);
  client.Say(JoinRoom("{}"));
  EXPECT_THAT(client.Say(Track("[1]")),
              ElementsAre(HasSubstr("Presence track payload must be a map")));
  EXPECT_THAT(client.Say(Track("{}", "shout")), ElementsAre(HasSubstr("\"error\"")));
}

TEST_F(ChannelPresenceTest, OneByteTooManyEndsTheChannel) {
  loop_.limits.presence_bytes_max = sizeof(R"(,"a":1})") - 1;
  Client client(loop_);
  client.Say(JoinRoom("{}"));
  EXPECT_THAT(client.Say(Track(R"({"a":1})")), Contains(kTracked));
  EXPECT_THAT(client.Say(Track(R"({"a":12})")),
              ElementsAre(HasSubstr("Track message size exceeded"),
                          R"(["1","1","realtime:room","phx_close",{}])"));
  EXPECT_EQ(client.session.channels(), 0u);
}

TEST_F(ChannelPresenceTest, CallsOverTheClientsRateEndTheChannel) {
  loop_.limits.presence_calls_max = 5;
  Client client(loop_);
  client.Say(JoinRoom("{}"));
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(client.Say(Track("{\"i\":" + std::to_string(i) + "}")), Contains(kTracked));
  }
  EXPECT_THAT(client.Say(Track("{}")),
              ElementsAre(HasSubstr("Client presence rate limit exceeded"),
                          HasSubstr("phx_close")));
}

TEST_F(ChannelPresenceTest, NoClientCanTrackTheKeyThatReceiversMisread) {
  Client client(loop_);
  client.Say(JoinRoom(R"({"key":"ids"})"));
  EXPECT_THAT(client.Say(Track("{}")), Not(Contains(HasSubstr("\"ids\""))));
}

}  // namespace
}  // namespace tw::session
