#include "session/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/test_support.h"

namespace tw::session {
namespace {

using router::Task;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class SessionTest : public ::testing::Test {
 protected:
  // The id that the reply names for the only binding.
  static std::string IdIn(const std::string& reply) {
    const size_t at = reply.find("\"id\":") + 5;
    return reply.substr(at, reply.find(',', at) - at);
  }
  std::string Refusal(std::string_view join) {
    const auto said = client_.Say(join);
    if (said.size() != 1) return "not one reply";
    const std::string_view text = said[0];
    constexpr std::string_view kBefore = R"({"status":"error","response":{"reason":")";
    const size_t at = text.find(kBefore);
    if (at == std::string_view::npos) return std::string(text);
    return std::string(text.substr(at + kBefore.size(), text.rfind("\"}}]") - at - kBefore.size()));
  }

  TestLoop loop_;
  Client client_{loop_};
};

TEST_F(SessionTest, JoinIsAnsweredAndThenConfirmed) {
  const auto said = client_.Say(JoinTasks("3"));
  ASSERT_THAT(said, SizeIs(2));
  const std::string id = IdIn(said[0]);
  EXPECT_EQ(said[0],
            R"(["3","3","realtime:a","phx_reply",{"status":"ok","response":{"postgres_changes":[)"
            R"({"id":)" +
                id +
                R"(,"event":"*","schema":"public","table":"tasks"}],"tidewire":)"
                R"({"position":"0000000000000001:0","recovered":null,"reason":null,)"
                R"("reconnect_jitter_max_ms":5000}}}])");
  EXPECT_EQ(said[1], R"(["3",null,"realtime:a","system",{"extension":"postgres_changes",)"
                     R"("status":"ok","message":"Subscribed to PostgreSQL","channel":"a"}])");
  loop_.commits.Insert(Task(1, 1)).Insert(Task(2, 2));
  loop_.Commit();
  EXPECT_THAT(client_.transport.Take(),
              ElementsAre(StartsWith(R"([null,null,"realtime:a","postgres_changes",{"ids":[)" + id +
                                     R"(],"data":{"type":"INSERT")")));
}

TEST_F(SessionTest, VersionOneHasItsOwnShapes) {
  Client old(loop_, "", protocol::Version::kV1);
  const auto said = old.Say(
      R"({"topic":"realtime:a","event":"phx_join","payload":{},"ref":"1","join_ref":null})");
  EXPECT_THAT(
      said, ElementsAre(AllOf(StartsWith(R"({"topic":"realtime:a","event":"phx_reply",)"),
                              HasSubstr(R"("postgres_changes":[])"), HasSubstr(R"(,"ref":"1"})")),
                        R"({"topic":"realtime:a","event":"presence_state","payload":{},"ref":null})"));
  EXPECT_THAT(old.Say(R"({"topic":"realtime:a","event":"phx_leave","payload":{},"ref":"2"})"),
              ElementsAre(R"({"topic":"realtime:a","event":"phx_reply","payload":)"
                          R"({"status":"ok","response":{}},"ref":"2"})",
                          R"({"topic":"realtime:a","event":"phx_close","payload":{},"ref":"1"})"));
}

TEST_F(SessionTest, JoinsAreRefusedInTheExactWords) {
  const auto join = [](std::string_view topic, std::string_view payload) {
    return R"(["1","1",")" + std::string(topic) + R"(","phx_join",)" + std::string(payload) + "]";
  };
  EXPECT_EQ(Refusal(join("room:1", "{}")), "unmatched topic");
  EXPECT_EQ(Refusal(join("realtime:a\\u0000b", "{}")), "unmatched topic");
  EXPECT_EQ(Refusal(join("realtime:" + std::string(1'100, 'x'), "{}")), "unmatched topic");
  EXPECT_EQ(Refusal(join("realtime:", "{}")), "TopicNameRequired: You must provide a topic name");
  EXPECT_EQ(Refusal(join("realtime:a", R"({"access_token":"abc"})")),
            "MalformedJWT: The token provided is not a valid JWT");
  const std::string good = loop_.Token(1);
  EXPECT_EQ(Refusal(join("realtime:a",
                         R"({"access_token":")" + good.substr(0, good.size() - 4) + R"(AAAA"})")),
            "JwtSignatureError: Failed to validate JWT signature");
  EXPECT_EQ(Refusal(join("realtime:a", R"({"access_token":")" + loop_.Token(1, -12) + R"("})")),
            "InvalidJWTToken: Token has expired 12 seconds ago");
  const auto bare = auth::MintToken(R"({"role":"x"})", kSecret, auth::Algorithm::kHs256);
  EXPECT_EQ(Refusal(join("realtime:a", R"({"access_token":")" + *bare + R"("})")),
            "InvalidJWTToken: Fields `role` and `exp` are required in JWT");
  EXPECT_EQ(Refusal(join("realtime:a:b", R"({"config":{"private":true}})")),
            "Unauthorized: You do not have permissions to read from this Channel topic: a:b");
  EXPECT_EQ(client_.session.channels(), 0u);
  EXPECT_EQ(loop_.session_metrics.joins_refused.value(), 9u);
}

TEST_F(SessionTest, AJoinAfterTheConnectionsOwnTokenHasEndedIsRefused) {
  loop_.Advance(seconds{3'607});
  EXPECT_EQ(Refusal(JoinTasks("1")), "InvalidJWTToken: Token has expired 7 seconds ago");
  EXPECT_THAT(client_.Say(JoinTasks("2", "{}", loop_.Token(1))), SizeIs(2));
}

TEST_F(SessionTest, ChannelsAreBounded) {
  loop_.limits.channels_max = 2;
  client_.Say(JoinTasks("1", "{}", "", "realtime:a"));
  client_.Say(JoinTasks("2", "{}", "", "realtime:b"));
  EXPECT_EQ(Refusal(JoinTasks("3", "{}", "", "realtime:c")),
            "ChannelRateLimitReached: Too many channels");
  // Joining one of them anew needs no further place.
  EXPECT_THAT(client_.Say(JoinTasks("4", "{}", "", "realtime:b")), SizeIs(3));
}

TEST_F(SessionTest, WhatIsSaidOnATopicThatIsNotJoinedIsAnswered) {
  EXPECT_THAT(client_.Say(R"(["1","7","realtime:a","broadcast",{}])"),
              ElementsAre(R"([null,"7","realtime:a","phx_reply",)"
                          R"({"status":"error","response":{"reason":"unmatched topic"}}])"));
  EXPECT_THAT(client_.Say(R"(["1","8","realtime:a","phx_leave",{}])"),
              ElementsAre(R"(["1","8","realtime:a","phx_reply",{"status":"ok","response":{}}])"));
}

TEST_F(SessionTest, LeavingIsAnsweredThenClosed) {
  client_.Say(JoinTasks("3"));
  EXPECT_THAT(client_.Say(R"(["3","9","realtime:a","phx_leave",{}])"),
              ElementsAre(R"(["3","9","realtime:a","phx_reply",{"status":"ok","response":{}}])",
                          R"(["3","3","realtime:a","phx_close",{}])"));
  loop_.commits.Insert(Task(1, 1));
  loop_.Commit();
  EXPECT_THAT(client_.transport.Take(), IsEmpty());
  EXPECT_EQ(loop_.session_metrics.channels.value(), 0);
}

TEST_F(SessionTest, JoiningATopicAgainClosesItsOldInstance) {
  client_.Say(JoinTasks("3"));
  const auto said = client_.Say(JoinTasks("5"));
  ASSERT_THAT(said, SizeIs(3));
  EXPECT_EQ(said[0], R"(["3","3","realtime:a","phx_close",{}])");
  EXPECT_THAT(said[1], StartsWith(R"(["5","5","realtime:a","phx_reply",{"status":"ok")"));
  // What still comes for the old one means nothing.
  EXPECT_THAT(client_.Say(R"(["3","6","realtime:a","phx_leave",{}])"), IsEmpty());
  EXPECT_THAT(client_.Say(R"(["3","7","realtime:a","broadcast",{}])"), IsEmpty());
  EXPECT_EQ(client_.session.channels(), 1u);
  loop_.commits.Insert(Task(1, 1));
  loop_.Commit();
  EXPECT_THAT(client_.transport.Take(), SizeIs(1));
}

TEST_F(SessionTest, NullRefsStayNull) {
  const auto said = client_.Say(R"([null,null,"realtime:a","phx_join",{}])");
  EXPECT_THAT(said, ElementsAre(StartsWith(R"([null,null,"realtime:a","phx_reply",)"),
                                HasSubstr("presence_state")));
  EXPECT_THAT(client_.Say(R"([null,null,"realtime:a","phx_leave",{}])"),
              ElementsAre(R"([null,null,"realtime:a","phx_reply",{"status":"ok","response":{}}])",
                          R"([null,null,"realtime:a","phx_close",{}])"));
  EXPECT_THAT(client_.Say(R"([null,null,"phoenix","heartbeat",{}])"),
              ElementsAre(R"([null,null,"phoenix","phx_reply",{"status":"ok","response":{}}])"));
}

TEST_F(SessionTest, MalformedMessagesAreDroppedAndCounted) {
  for (const char* text : {"", "{", "7", "[]", "{}", R"(["1","1","t"])", R"([1,2,3,4,5])"}) {
    EXPECT_THAT(client_.Say(text), IsEmpty()) << text;
  }
  EXPECT_EQ(loop_.session_metrics.messages_malformed.value(), 7u);
  client_.session.OnBinary("\x07");
  EXPECT_EQ(loop_.session_metrics.messages_malformed.value(), 8u);
  EXPECT_THAT(client_.Say(JoinTasks("1")), SizeIs(2));
  EXPECT_THAT(client_.Say(R"(["1","2","realtime:a","unheard of",{}])"), IsEmpty());
}

TEST_F(SessionTest, HeartbeatsCarryThePositionToThoseWhoFollowPositions) {
  EXPECT_THAT(client_.Say(R"([null,"7","phoenix","heartbeat",{}])"),
              ElementsAre(R"([null,"7","phoenix","phx_reply",{"status":"ok","response":{}}])"));
  client_.Say(JoinTasks("1", R"({"positions":true})"));
  loop_.commits.Insert(Task(1, 2));
  loop_.Commit();
  EXPECT_THAT(client_.Say(R"([null,"8","phoenix","heartbeat",{}])"),
              ElementsAre(R"([null,"8","phoenix","phx_reply",{"status":"ok","response":)"
                          R"({"tidewire":{"position":"0000000000000001:1"}}}])"));
}

TEST_F(SessionTest, BindingsThatCannotBeServedAreNamedAndTheChannelStays) {
  const auto join = [&](std::string_view binding) {
    return client_.Say(R"(["1","1","realtime:a","phx_join",{"config":{"postgres_changes":[)" +
                       std::string(binding) + "]}}]");
  };
  const auto error = [](std::string_view text) {
    return AllOf(HasSubstr(R"("extension":"postgres_changes","status":"error","message":")"),
                 HasSubstr(std::string(text)));
  };
  EXPECT_THAT(
      join(R"({"event":"INSERT","schema":"public","table":"nope"})").back(),
      error("Unable to subscribe to changes with given parameters. Please check Realtime is "
            "enabled for the given connect parameters: [event: INSERT, schema: public, "
            "table: nope, filters: []"));
  EXPECT_THAT(join(R"({"event":"*"})").back(), error("No subscription params provided."));
  EXPECT_THAT(join(R"({"event":"*","table":"tasks","select":"id"})").back(),
              error("Error parsing `select` params"));
  EXPECT_THAT(join(R"({"event":"*","schema":"*","select":["id"]})").back(),
              error("Column selection is not supported for wildcard subscriptions."));
  EXPECT_THAT(join(R"({"event":"*","table":"tasks","filter":"nope=eq.1"})").back(),
              error("invalid column for filter nope"));
  EXPECT_THAT(join(R"({"event":"*","table":"tasks","select":["zzz"]})").back(),
              error("invalid column for select zzz"));
  EXPECT_EQ(client_.session.channels(), 1u);
}

TEST_F(SessionTest, AWildcardFollowsEveryTableOrNone) {
  const auto join = [&](std::string_view filter) {
    client_.Say(R"(["1","1","realtime:a","phx_join",{"config":{"postgres_changes":[)"
                R"({"event":"*","schema":"public","filter":")" +
                std::string(filter) + R"("}]}}])");
  };
  join("");
  loop_.commits.Insert(Task(1, 1));
  loop_.Commit();
  EXPECT_THAT(client_.transport.Take(), SizeIs(1));
  EXPECT_EQ(loop_.feed.router().audiences(), 1u);
  join("status=eq.open");  // One of the tables has no such column: nothing must flow.
  loop_.commits.Insert(Task(2, 1));
  loop_.Commit();
  EXPECT_THAT(client_.transport.Take(), IsEmpty());
}

TEST_F(SessionTest, DestroyingASessionEndsItsChannels) {
  {
    Client other(loop_);
    other.Say(JoinTasks("1"));
    EXPECT_EQ(loop_.session_metrics.sessions.value(), 2);
    EXPECT_EQ(loop_.feed.router().members(), 1u);
  }
  EXPECT_EQ(loop_.session_metrics.sessions.value(), 1);
  EXPECT_EQ(loop_.session_metrics.channels.value(), 0);
  EXPECT_EQ(loop_.feed.router().members(), 0u);
}

TEST_F(SessionTest, ARestartIsAnnouncedToEveryChannel) {
  client_.Say(JoinTasks("1", "{}", "", "realtime:a"));
  client_.Say(JoinTasks("2", "{}", "", "realtime:b"));
  client_.session.AnnounceRestart();
  EXPECT_THAT(client_.transport.Take(),
              ElementsAre(R"(["1",null,"realtime:a","system",{"extension":"system","status":"ok",)"
                          R"("message":"Server requested disconnect","channel":"a"}])",
                          HasSubstr(R"("channel":"b"}])")));
}

}  // namespace
}  // namespace tw::session
