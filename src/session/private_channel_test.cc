// Private channels: who may join, hear, speak; replays; what a new token changes.
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

policy::PolicyDefinition Policy(std::string sql) {
  return {.name = "p", .using_sql = std::move(sql), .roles = {}, .where = "a:1:1"};
}

std::string Join(std::string_view topic, std::string_view broadcast = "{}",
                 std::string_view token = "") {
  return R"(["1","1","realtime:)" + std::string(topic) +
         R"(","phx_join",{"config":{"private":true,"presence":{"key":"me"},"broadcast":)" +
         std::string(broadcast) + "}" +
         (token.empty() ? "" : R"(,"access_token":")" + std::string(token) + "\"") + "}]";
}
std::string Say(std::string_view topic, std::string_view event = "hi") {
  return R"(["1","5","realtime:)" + std::string(topic) +
         R"(","broadcast",{"type":"broadcast","event":")" + std::string(event) +
         R"(","payload":{}}])";
}
std::string Token(std::string_view token, std::string_view ref = "8") {
  return R"(["1",")" + std::string(ref) + R"(","realtime:org:1","access_token",{"access_token":")" +
         std::string(token) + "\"}]";
}

// Members of an organisation read all of "org:<org>" and broadcast there; "hall" is heard by all;
// presence of "quiet" is not shown.
class PrivateChannelTest : public ::testing::Test {
 protected:
  PrivateChannelTest() {
    const std::vector<policy::PolicyDefinition> read = {
        Policy("realtime.topic() = 'org:' || (auth.jwt() ->> 'org')"),
        Policy("topic in ('hall', 'quiet') and extension = 'broadcast'")};
    const std::vector<policy::PolicyDefinition> write = {
        Policy("realtime.topic() = 'org:' || (auth.jwt() ->> 'org') and extension = 'broadcast'")};
    auto compiled = policy::ChannelPolicy::Compile(read, write);
    if (!compiled.ok()) ADD_FAILURE() << compiled.error();
    loop_.services->channel_policy = *compiled;
  }
  TestLoop loop_;
  Client client_{loop_};  // Of organisation 1.
  Client other_{loop_};
};

TEST_F(PrivateChannelTest, PolicyAllowsAndDenies) {
  EXPECT_THAT(client_.Say(Join("org:1")), Contains(HasSubstr("\"ok\"")));
  EXPECT_THAT(client_.Say(Join("org:2")),
              ElementsAre(HasSubstr("Unauthorized: You do not have permissions to read from this "
                                    "Channel topic: org:2")));
}

TEST_F(PrivateChannelTest, WhoMayReadOneExtensionGetsOnlyThat) {
  EXPECT_THAT(client_.Say(Join("hall")), ElementsAre(HasSubstr("\"ok\"")));  // No presence_state.
}

TEST_F(PrivateChannelTest, WritingIsAskedApartAndDenialsAreAnsweredOnRequest) {
  client_.Say(Join("hall", R"({"ack":true})"));
  other_.Say(Join("hall"));
  EXPECT_THAT(client_.Say(Say("hall")), ElementsAre(HasSubstr(R"({"error":"unauthorized"})")));
  EXPECT_THAT(other_.transport.Take(), IsEmpty());
  EXPECT_EQ(loop_.session_metrics.denied_writes.value(), 1u);
}

TEST_F(PrivateChannelTest, TrackingNeedsItsOwnRight) {
  client_.Say(Join("org:1"));
  EXPECT_THAT(client_.Say(R"(["1","5","realtime:org:1","presence",{"event":"track","payload":{}}])"),
              ElementsAre(HasSubstr("unauthorized")));
}

TEST_F(PrivateChannelTest, IsAnotherBusThanThePublicChannelOfItsName) {
  client_.Say(Join("org:1"));
  other_.Say(R"(["1","1","realtime:org:1","phx_join",{}])");
  other_.transport.Take();
  client_.Say(Say("org:1"));
  EXPECT_THAT(other_.transport.Take(), IsEmpty());
  other_.Say(Say("org:1"));
  EXPECT_THAT(client_.transport.Take(), IsEmpty());
}

TEST_F(PrivateChannelTest, ALostRightClosesAndANewTokenIsThrottled) {
  const std::string one = loop_.Token(1, 3'600, "u");
  const std::string two = loop_.Token(2, 3'600, "u");
  client_.Say(Join("org:1", "{}", one));
  EXPECT_THAT(client_.Say(Token(loop_.Token(1, 1'800, "u"))), IsEmpty());
  // Within the throttle: the newest counts when it ends.
  EXPECT_THAT(client_.Say(Token(one, "9")), IsEmpty());
  EXPECT_THAT(client_.Say(Token(two, "10")), IsEmpty());
  EXPECT_EQ(client_.session.channels(), 1u);
  loop_.Advance(std::chrono::seconds{11});
  EXPECT_THAT(client_.transport.Take(),
              ElementsAre(HasSubstr("You no longer have permission to read from this Channel "
                                    "topic: org:1"),
                          HasSubstr("phx_close")));
  EXPECT_EQ(client_.session.channels(), 0u);
}

TEST_F(PrivateChannelTest, ReplaysTheNewestInOrderMarkedAndOnce) {
  client_.Say(Join("org:1"));
  for (const char* event : {"a", "b", "c"}) client_.Say(Say("org:1", event));
  const auto frames = other_.Say(Join("org:1", R"({"replay":{"since":0,"limit":2}})"));
  ASSERT_THAT(frames, SizeIs(4));
  EXPECT_THAT(frames[0], HasSubstr("phx_reply"));
  EXPECT_THAT(frames[1], HasSubstr(R"("event":"b","payload":{},"meta":{"id":")"));
  EXPECT_THAT(frames[1], HasSubstr(R"("replayed":true)"));
  EXPECT_THAT(frames[2], HasSubstr(R"("event":"c")"));
  EXPECT_THAT(frames[3], HasSubstr("presence_state"));
}

TEST_F(PrivateChannelTest, ReplayIsRefusedWhereItCannotBe) {
  EXPECT_THAT(client_.Say(R"(["1","1","realtime:a","phx_join",)"
                          R"({"config":{"broadcast":{"replay":{"since":1}}}}])"),
              ElementsAre(HasSubstr("UnableToReplayMessages: Replay is not allowed for public "
                                    "channels")));
  EXPECT_THAT(client_.Say(Join("org:1", R"({"replay":{"since":"yesterday"}})")),
              ElementsAre(HasSubstr("UnableToReplayMessages: Replay params are not valid")));
}

TEST_F(PrivateChannelTest, PublicChannelsCanBeRefused) {
  loop_.limits.public_channels = PublicChannels::kRefused;
  EXPECT_THAT(client_.Say(R"(["1","1","realtime:a","phx_join",{}])"),
              ElementsAre(HasSubstr("PrivateOnly: This project only allows private channels")));
  EXPECT_THAT(client_.Say(Join("org:1")), Contains(HasSubstr("\"ok\"")));
}

}  // namespace
}  // namespace tw::session
