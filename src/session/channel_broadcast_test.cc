// Broadcasts through a session: who gets them, who is answered, what is refused.
#include <string>

#include "session/session.h"
#include "session/broadcast_test_support.h"

namespace tw::session {
namespace {

using namespace broadcast_fakes;  // NOLINT: the suite's own world.

using protocol::Version;
using std::string_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kPayload =
    R"({"type":"broadcast","event":"hi","payload":{"n":1.0},"x":[]})";
const std::string kArrives =
    R"([null,null,"realtime:room","broadcast",)" + std::string(kPayload) + "]";
constexpr std::string_view kAcknowledged =
    R"(["1","5","realtime:room","phx_reply",{"status":"ok","response":{}}])";
constexpr std::string_view kTooLarge =
    R"(["1","5","realtime:room","phx_reply",{"status":"error","response":{"error":"payload_size_exceeded"}}])";

// Kind 3 with join ref "1" and ref "5".
std::string Binary(std::string_view topic, std::string_view event, char encoding,
                   std::string_view payload, std::string_view join_ref = "1") {
  std::string message = "\x03"s;
  message.push_back(static_cast<char>(join_ref.size()));
  message.push_back('\x01');
  message.push_back(static_cast<char>(topic.size()));
  message.push_back(static_cast<char>(event.size()));
  message.push_back('\0');
  message.push_back(encoding);
  return message + std::string(join_ref) + "5" + std::string(topic) + std::string(event) +
         std::string(payload);
}

class ChannelBroadcastTest : public ::testing::Test {
 protected:
  // Joins sender with `config`, listener without; both have read their replies.
  void JoinBoth(std::string_view config = "{}") {
    sender_.Join(config);
    listener_.Join();
    sender_.Take();
    listener_.Take();
  }
  void Send(std::string_view payload = kPayload) {
    sender_.Say(R"(["1","5","realtime:room","broadcast",)" + std::string(payload) + "]");
  }

  Loop loop_;
  Client sender_{loop_};
  Client listener_{loop_};
};

TEST_F(ChannelBroadcastTest, ReachesOthersUnchangedAndOtherLoopsButNotItsSender) {
  JoinBoth();
  Send();
  EXPECT_THAT(listener_.Take(), ElementsAre(kArrives));
  EXPECT_THAT(sender_.Take(), IsEmpty());
  ASSERT_THAT(loop_.bus.messages, SizeIs(1));
  EXPECT_EQ(loop_.bus.messages[0]->topic, "realtime:room");
  EXPECT_EQ(loop_.bus.messages[0]->payload, kPayload);
}

TEST_F(ChannelBroadcastTest, ComesBackToWhoAskedForItself) {
  JoinBoth(R"({"broadcast":{"self":true}})");
  Send();
  EXPECT_THAT(sender_.Take(), ElementsAre(kArrives));
  EXPECT_THAT(listener_.Take(), SizeIs(1));
}

TEST_F(ChannelBroadcastTest, IsAcknowledgedToWhoAskedForIt) {
  JoinBoth(R"({"broadcast":{"ack":"TRUE"}})");
  Send();
  EXPECT_THAT(sender_.Take(), ElementsAre(kAcknowledged));
  EXPECT_THAT(listener_.Take(), SizeIs(1));
}

TEST_F(ChannelBroadcastTest, VersionsUnderstandEachOther) {
  Client old(loop_, Version::kV1);
  old.Say(R"({"topic":"realtime:room","event":"phx_join","payload":{},"ref":"1"})");
  old.Take();
  JoinBoth();
  old.Say(R"({"topic":"realtime:room","event":"broadcast","payload":)" + std::string(kPayload) +
          R"(,"ref":"2"})");
  EXPECT_THAT(listener_.Take(), ElementsAre(kArrives));
  Send();
  EXPECT_THAT(old.Take(), ElementsAre(R"({"topic":"realtime:room","event":"broadcast","payload":)" +
                                      std::string(kPayload) + R"(,"ref":null})"));
}

TEST_F(ChannelBroadcastTest, BinaryJsonArrivesAsText) {
  JoinBoth(R"({"broadcast":{"ack":true}})");
  sender_.session.OnBinary(Binary("realtime:room", "hi", 1, R"({"n":1.0})"));
  EXPECT_THAT(listener_.Take(),
              ElementsAre(R"([null,null,"realtime:room","broadcast",)"
                          R"({"type":"broadcast","event":"hi","payload":{"n":1.0}}])"));
  EXPECT_THAT(sender_.Take(), ElementsAre(kAcknowledged));
}

TEST_F(ChannelBroadcastTest, RawBytesArriveAsKindFour) {
  JoinBoth();
  sender_.session.OnBinary(Binary("realtime:room", "hi", 0, "\x00\xff"s));
  EXPECT_THAT(listener_.Take(),
              ElementsAre("binary:\x04\x0d\x02\x00\x00"s + "realtime:roomhi" + "\x00\xff"s));
  EXPECT_THAT(loop_.bus.messages, SizeIs(1));
}

TEST_F(ChannelBroadcastTest, AGarbledTopicIsRescuedByTheJoinRef) {
  JoinBoth();
  sender_.session.OnBinary(Binary("realtime:r\xe9", "hi", 1, "{}"));
  EXPECT_THAT(listener_.Take(), ElementsAre(HasSubstr(R"("realtime:room","broadcast")")));
  sender_.session.OnBinary(Binary("realtime:r\xe9", "hi", 1, "{}", "99"));
  EXPECT_THAT(sender_.Take(), ElementsAre(HasSubstr(R"("reason":"unmatched topic")")));
  sender_.session.OnBinary(Binary("realtime:room", "hi", 1, "{}", "99"));
  EXPECT_THAT(sender_.Take(), IsEmpty()) << "a stale join ref is ignored";
  EXPECT_THAT(listener_.Take(), IsEmpty());
}

TEST_F(ChannelBroadcastTest, ALatin1EventThatOutgrowsKindFourDoesNoHarm) {
  JoinBoth();
  sender_.session.OnBinary(Binary("realtime:room", std::string(200, '\xe9'), 0, "x"));
  EXPECT_THAT(listener_.Take(), IsEmpty());
  EXPECT_EQ(loop_.metrics.messages_malformed.value(), 1u);
}

TEST_F(ChannelBroadcastTest, WhatIsNotReadableIsDropped) {
  JoinBoth();
  sender_.session.OnBinary(Binary("realtime:room", "hi", 1, "{broken"));
  sender_.session.OnBinary(Binary("realtime:room", "hi", 1, "{} {}"));
  sender_.session.OnBinary(Binary("realtime:room", "hi", 1, ""));
  sender_.session.OnBinary("");
  Client old(loop_, Version::kV1);
  old.session.OnBinary(Binary("realtime:room", "hi", 1, "{}"));
  EXPECT_EQ(loop_.metrics.messages_malformed.value(), 5u);
  EXPECT_THAT(listener_.Take(), IsEmpty());
}

TEST_F(ChannelBroadcastTest, OneByteOverTheLimitIsRefused) {
  loop_.limits.broadcast_bytes_max = kPayload.size();
  JoinBoth(R"({"broadcast":{"ack":true}})");
  Send();
  EXPECT_THAT(sender_.Take(), ElementsAre(kAcknowledged));
  loop_.limits.broadcast_bytes_max = kPayload.size() - 1;
  listener_.Take();
  Send();
  EXPECT_THAT(sender_.Take(), ElementsAre(kTooLarge));
  EXPECT_THAT(listener_.Take(), IsEmpty());
  EXPECT_THAT(loop_.bus.messages, SizeIs(1));
  EXPECT_EQ(loop_.metrics.broadcasts_refused.value(), 1u);
}

TEST_F(ChannelBroadcastTest, RawBytesOnATopicTooLongForKindFourAreRefused) {
  const std::string topic = "realtime:" + std::string(250, 'x');
  sender_.Say(R"(["1","1",")" + topic + R"(","phx_join",{"config":{"broadcast":{"ack":true}}}])");
  sender_.Take();
  sender_.session.OnBinary(Binary("garbled", "hi", 0, "x"));
  EXPECT_THAT(sender_.Take(), ElementsAre(HasSubstr("payload_size_exceeded")));
  EXPECT_EQ(loop_.metrics.broadcasts_refused.value(), 1u);
}

TEST_F(ChannelBroadcastTest, WhoLeftGetsNothing) {
  JoinBoth();
  listener_.Say(R"(["1","2","realtime:room","phx_leave",{}])");
  listener_.Take();
  Send();
  EXPECT_THAT(listener_.Take(), IsEmpty());
}

}  // namespace
}  // namespace tw::session
