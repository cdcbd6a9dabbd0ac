// Broadcasts through a session: who gets them, who is answered, what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/session.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kHello =
    R"(["1","5","realtime:room","broadcast",{"type":"broadcast","event":"hi","payload":{"n":1.0}}])";
constexpr std::string_view kHelloForV2 =
    R"([null,null,"realtime:room","broadcast",{"type":"broadcast","event":"hi","payload":{"n":1.0}}])";

std::string JoinRoom(std::string_view broadcast) {
  return R"(["1","1","realtime:room","phx_join",{"config":{"broadcast":)" +
         std::string(broadcast) + R"(,"presence":{"enabled":false}}}])";
}

// Kind 3 with the refs "1" and "7" on realtime:room.
std::string Push(std::string_view event, char encoding, std::string_view payload) {
  constexpr std::string_view kTopic = "realtime:room";
  std::string message = {3, 1, 1, static_cast<char>(kTopic.size()),
                         static_cast<char>(event.size()), 0, encoding};
  return message + "17" + std::string(kTopic) + std::string(event) + std::string(payload);
}

class ChannelBroadcastTest : public ::testing::Test {
 protected:
  void Join(Client& client, std::string_view broadcast = "{}") {
    EXPECT_THAT(client.Say(JoinRoom(broadcast)), ElementsAre(HasSubstr("\"ok\"")));
  }

  TestLoop loop_;
  Client sender_{loop_};
  Client other_{loop_};
};

TEST_F(ChannelBroadcastTest, ReachesOthersUnchangedButNotItsSender) {
  Join(sender_);
  Join(other_);
  EXPECT_THAT(sender_.Say(kHello), IsEmpty());
  EXPECT_THAT(other_.transport.Take(), ElementsAre(kHelloForV2));
}

TEST_F(ChannelBroadcastTest, ComesBackAndIsAcknowledgedToWhoAskedForIt) {
  Join(sender_, R"({"self":true,"ack":true})");
  EXPECT_THAT(sender_.Say(kHello),
              ElementsAre(kHelloForV2, R"(["1","5","realtime:room","phx_reply",)"
                                       R"({"status":"ok","response":{}}])"));
}

TEST_F(ChannelBroadcastTest, VersionsUnderstandEachOther) {
  Client old(loop_, "", protocol::Version::kV1);
  old.Say(R"({"topic":"realtime:room","event":"phx_join",)"
          R"("payload":{"config":{"presence":{"enabled":false}}},"ref":"1"})");
  old.transport.Take();
  Join(sender_);
  sender_.Say(kHello);
  EXPECT_THAT(old.transport.Take(),
              ElementsAre(R"({"topic":"realtime:room","event":"broadcast","payload":)"
                          R"({"type":"broadcast","event":"hi","payload":{"n":1.0}},"ref":null})"));
}

TEST_F(ChannelBroadcastTest, BinaryJsonArrivesAsText) {
  Join(sender_);
  Join(other_);
  sender_.session.OnBinary(Push("hi", 1, R"({"n":1.0})"));
  EXPECT_THAT(other_.transport.Take(), ElementsAre(kHelloForV2));
}

TEST_F(ChannelBroadcastTest, AnEventThatOutgrowsItsLengthDoesNoHarm) {
  Join(sender_);
  Join(other_);
  sender_.session.OnBinary(Push(std::string(200, '\xff'), 0, "raw"));
  EXPECT_THAT(other_.transport.Take(), IsEmpty());
  EXPECT_EQ(loop_.session_metrics.messages_malformed.value(), 1u);
}

TEST_F(ChannelBroadcastTest, OneByteOverTheLimitIsRefused) {
  Join(sender_, R"({"ack":true})");
  Join(other_);
  loop_.limits.broadcast_bytes_max =
      sizeof(R"({"type":"broadcast","event":"hi","payload":{"n":1.0}})") - 1;
  sender_.Say(kHello);
  EXPECT_THAT(other_.transport.Take(), SizeIs(1));
  --loop_.limits.broadcast_bytes_max;
  EXPECT_THAT(sender_.Say(kHello), ElementsAre(HasSubstr("payload_size_exceeded")));
  EXPECT_THAT(other_.transport.Take(), IsEmpty());
}

TEST_F(ChannelBroadcastTest, WhoLeftGetsNothing) {
  Join(sender_);
  Join(other_);
  other_.Say(R"(["1","9","realtime:room","phx_leave",{}])");
  sender_.Say(kHello);
  EXPECT_THAT(other_.transport.Take(), IsEmpty());
}

}  // namespace
}  // namespace tw::session
