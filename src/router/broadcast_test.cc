#include "router/broadcast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "router/test_support.h"

namespace tw::router {
namespace {

using protocol::Version;
using std::string_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const Broadcast kText{.topic = "realtime:a",
                      .payload = R"({"type":"broadcast","event":"hi","payload":{"n":1}})"};
const Broadcast kRaw{.topic = "realtime:a", .event = "hi", .bytes = "\x00\xff"s};

class BroadcastHubTest : public ::testing::Test {
 protected:
  struct Member {
    Inbox receiver;
    BroadcastMembership membership;
  };
  void Join(Member& member, Version version = Version::kV2, std::string_view topic = "realtime:a") {
    hub_.Join({.topic = topic, .version = version}, member.receiver, member.membership);
  }
  static Broadcast From(const Member& sender, Broadcast message) {
    message.sender = sender.membership.id();
    return message;
  }
  static std::vector<std::string> MessagesOf(Member& member) {
    std::vector<std::string> messages;
    for (const auto& frame : member.receiver.frames) messages.push_back(MessageOf(frame));
    member.receiver.frames.clear();
    return messages;
  }
  uint64_t CountOf(std::string_view name) { return registry_.GetCounter(name, "").value(); }

  telemetry::Registry registry_;
  BroadcastHub hub_{registry_};
};

TEST_F(BroadcastHubTest, TextReachesEachVersionInItsOwnBytes) {
  Member v1, v2;
  Join(v1, Version::kV1);
  Join(v2, Version::kV2);
  hub_.Send(kText);
  EXPECT_THAT(MessagesOf(v1),
              ElementsAre(R"(text:{"topic":"realtime:a","event":"broadcast","payload":)"
                          R"({"type":"broadcast","event":"hi","payload":{"n":1}},"ref":null})"));
  EXPECT_THAT(MessagesOf(v2),
              ElementsAre(R"(text:[null,null,"realtime:a","broadcast",)"
                          R"({"type":"broadcast","event":"hi","payload":{"n":1}}])"));
}

TEST_F(BroadcastHubTest, RawBytesReachVersionTwoOnlyAsKindFour) {
  Member v1, v2;
  Join(v1, Version::kV1);
  Join(v2, Version::kV2);
  hub_.Send(kRaw);
  EXPECT_THAT(MessagesOf(v1), IsEmpty());
  EXPECT_THAT(MessagesOf(v2),
              ElementsAre("binary:\x04\x0a\x02\x00\x00"s + "realtime:ahi" + "\x00\xff"s));
}

TEST_F(BroadcastHubTest, EmptyRawBytesAreABroadcastAsWell) {
  Member member;
  Join(member);
  hub_.Send({.topic = "realtime:a", .event = "hi"});
  EXPECT_THAT(MessagesOf(member), ElementsAre("binary:\x04\x0a\x02\x00\x00"s + "realtime:ahi"));
}

TEST_F(BroadcastHubTest, MembersOfAVersionShareOneFrame) {
  Member a, b;
  Join(a);
  Join(b);
  hub_.Send(kText);
  ASSERT_THAT(a.receiver.frames, SizeIs(1));
  ASSERT_THAT(b.receiver.frames, SizeIs(1));
  EXPECT_EQ(a.receiver.frames[0].view().data(), b.receiver.frames[0].view().data());
}

TEST_F(BroadcastHubTest, TheSenderIsLeftOutUnlessItAskedForItself) {
  Member sender, other;
  Join(sender);
  Join(other);
  hub_.Send(From(sender, kText));
  EXPECT_THAT(MessagesOf(sender), IsEmpty());
  EXPECT_THAT(MessagesOf(other), SizeIs(1));
  hub_.Send(kText);
  EXPECT_THAT(MessagesOf(sender), SizeIs(1));
  EXPECT_THAT(MessagesOf(other), SizeIs(1));
}

TEST_F(BroadcastHubTest, DeliveriesCountOnlyWhatWasHandedOver) {
  Member sender, other, old;
  Join(sender);
  Join(other);
  Join(old, Version::kV1);
  hub_.Send(From(sender, kText));
  EXPECT_EQ(CountOf("tidewire_broadcast_messages_total"), 1u);
  EXPECT_EQ(CountOf("tidewire_broadcast_deliveries_total"), 2u);
  hub_.Send(From(sender, kRaw));
  EXPECT_EQ(CountOf("tidewire_broadcast_deliveries_total"), 3u);
}

TEST_F(BroadcastHubTest, TopicsAreApart) {
  Member a, b, prefix;
  Join(a);
  Join(b, Version::kV2, "realtime:b");
  Join(prefix, Version::kV2, "realtime:");
  hub_.Send(kText);
  EXPECT_THAT(MessagesOf(a), SizeIs(1));
  EXPECT_THAT(MessagesOf(b), IsEmpty());
  EXPECT_THAT(MessagesOf(prefix), IsEmpty());
  hub_.Send({.topic = "realtime:nobody", .payload = "{}"});
  EXPECT_EQ(CountOf("tidewire_broadcast_messages_total"), 1u) << "nobody listens";
}

TEST_F(BroadcastHubTest, WhoLeavesGetsNothingMore) {
  Member members[3];
  for (Member& member : members) Join(member);
  members[0].membership.Leave();  // The last member takes its place.
  members[0].membership.Leave();  // A second time does nothing.
  hub_.Send(kText);
  EXPECT_THAT(MessagesOf(members[0]), IsEmpty());
  EXPECT_THAT(MessagesOf(members[1]), SizeIs(1));
  EXPECT_THAT(MessagesOf(members[2]), SizeIs(1));
  members[2].membership.Leave();
  hub_.Send(kText);
  EXPECT_THAT(MessagesOf(members[1]), SizeIs(1));
  EXPECT_THAT(MessagesOf(members[2]), IsEmpty());
}

TEST_F(BroadcastHubTest, AMembershipLeavesWhenItIsDestroyed) {
  Inbox receiver;
  {
    BroadcastMembership membership;
    hub_.Join({.topic = "realtime:a", .version = Version::kV1}, receiver, membership);
  }
  hub_.Send(kText);
  EXPECT_THAT(receiver.frames, IsEmpty());
}

TEST_F(BroadcastHubTest, JoiningAgainMovesTheMember) {
  Member member;
  Join(member);
  Join(member, Version::kV1, "realtime:b");
  hub_.Send(kText);
  EXPECT_THAT(MessagesOf(member), IsEmpty());
  hub_.Send({.topic = "realtime:b", .payload = "{}"});
  EXPECT_THAT(MessagesOf(member), SizeIs(1));
}

}  // namespace
}  // namespace tw::router
