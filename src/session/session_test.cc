#include "session/session.h"

#include <string>

#include "session/test_support.h"

namespace tw::session {
namespace {

using protocol::Version;
using router::Insert;
using router::Task;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class SessionTest : public ::testing::Test {
 protected:
  uint64_t Dropped() { return loop_.metrics.messages_malformed.value(); }

  Loop loop_;
};

TEST_F(SessionTest, AJoinIsAnsweredThenTheSubscriptionIsTold) {
  Client client(loop_);
  client.Join(kFollowTasks);
  const auto messages = client.Take();
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_THAT(messages[0], StartsWith(R"(["1","1","realtime:room","phx_reply",{"status":"ok",)"
                                      R"("response":{"postgres_changes":[{"id":)"));
  EXPECT_THAT(
      messages[0],
      HasSubstr(R"(,"event":"*","schema":"public","table":"tasks"}],"tidewire":{"position":)"
                R"("0000000000c0ffee:0","recovered":null,"reason":null,)"
                R"("reconnect_jitter_max_ms":5000}}}])"));
  EXPECT_EQ(messages[1], kSubscribed);
  EXPECT_EQ(loop_.metrics.joins_ok.value(), 1u);
}

TEST_F(SessionTest, TheReplysIdIsTheOneInLaterFrames) {
  Client client(loop_);
  client.Join(kFollowTasks);
  const std::string reply = client.Take()[0];
  const size_t at = reply.find("\"id\":") + 5;
  const std::string id = reply.substr(at, reply.find(',', at) - at);
  EXPECT_NE(id, "0");
  loop_.Publish({Insert(loop_.tasks(), Task(1, "ann", 5, "x"))});
  EXPECT_THAT(client.Take(), ElementsAre(HasSubstr("{\"ids\":[" + id + "],")));
}

TEST_F(SessionTest, WithoutBindingsOnlyTheReplyComes) {
  Client client(loop_);
  client.Join();
  EXPECT_THAT(client.Take(),
              ElementsAre(JoinReply(R"({"postgres_changes":[],"tidewire":{"position":)"
                                    R"("0000000000c0ffee:0","recovered":null,"reason":null,)"
                                    R"("reconnect_jitter_max_ms":5000}})")));
  loop_.Publish({Insert(loop_.tasks(), Task(1, "ann", 5, "x"))});
  EXPECT_THAT(client.Take(), IsEmpty());
}

TEST_F(SessionTest, VersionOneSpeaksInObjectsAndItsRefIsTheJoinRef) {
  Client client(loop_, Version::kV1);
  client.Say(R"({"topic":"realtime:room","event":"phx_join","payload":{},"ref":"7"})");
  EXPECT_THAT(client.Take(),
              ElementsAre(AllOf(StartsWith(R"({"topic":"realtime:room","event":"phx_reply",)"
                                           R"("payload":{"status":"ok","response":{)"),
                                HasSubstr(R"(}},"ref":"7"})"))));
  client.Say(R"({"topic":"realtime:room","event":"phx_leave","payload":{},"ref":"8"})");
  EXPECT_THAT(
      client.Take(),
      ElementsAre(R"({"topic":"realtime:room","event":"phx_reply",)"
                  R"("payload":{"status":"ok","response":{}},"ref":"8"})",
                  R"({"topic":"realtime:room","event":"phx_close","payload":{},"ref":"7"})"));
}

TEST_F(SessionTest, RefusesTopicsInExactWords) {
  Client client(loop_);
  const auto refusal = [&](std::string_view topic) {
    return client.AnswerTo(R"(["1","1",")" + std::string(topic) + R"(","phx_join",{}])");
  };
  EXPECT_EQ(refusal("realtime:"),
            R"(["1","1","realtime:","phx_reply",{"status":"error","response":{"reason":)"
            R"("TopicNameRequired: You must provide a topic name"}}])");
  const std::string unmatched = R"("status":"error","response":{"reason":"unmatched topic"}}])";
  EXPECT_THAT(refusal("room"), HasSubstr(unmatched));
  EXPECT_THAT(refusal(""), HasSubstr(unmatched));
  EXPECT_THAT(refusal(R"(realtime:a\u0000b)"), HasSubstr(unmatched));
  EXPECT_THAT(refusal(R"(realtime:a\nb)"), HasSubstr(unmatched));
  EXPECT_THAT(refusal("realtime:" + std::string(1'024 - 9 + 1, 'x')), HasSubstr(unmatched));
  EXPECT_THAT(refusal("realtime:" + std::string(1'024 - 9, 'x')), HasSubstr(R"("status":"ok")"));
  EXPECT_EQ(client.session.channels(), 1u);
  EXPECT_EQ(loop_.metrics.joins_refused.value(), 6u);
}

TEST_F(SessionTest, RefusesPrivateChannels) {
  Client client(loop_);
  client.Join(R"({"private":true})");
  EXPECT_THAT(client.Take(),
              ElementsAre(Refusal("Unauthorized: You do not have permissions to read from this "
                                  "Channel topic: room")));
  EXPECT_EQ(client.session.channels(), 0u);
}

TEST_F(SessionTest, RefusesMoreChannelsThanTheLimitButARejoinIsNoMore) {
  loop_.limits.channels_max = 1;
  Client client(loop_);
  client.Join();
  client.Take();
  EXPECT_EQ(client.AnswerTo(R"(["2","2","realtime:other","phx_join",{}])"),
            R"(["2","2","realtime:other","phx_reply",{"status":"error","response":{"reason":)"
            R"("ChannelRateLimitReached: Too many channels"}}])");
  client.Say(R"(["3","3","realtime:room","phx_join",{}])");
  EXPECT_THAT(client.Take(), ElementsAre(kClosed, HasSubstr(R"("status":"ok")")));
}

TEST_F(SessionTest, BindingErrorsAreToldAndTheChannelStaysOpen) {
  Client client(loop_);
  const auto error = [&](std::string_view binding) {
    client.Join(R"({"postgres_changes":[)" + std::string(binding) + "]}");
    auto messages = client.Take();
    EXPECT_THAT(messages[messages.size() - 2], HasSubstr(R"("status":"ok")"));
    return messages.back();
  };
  EXPECT_EQ(error(R"({"event":"INSERT","schema":"public","table":"nope"})"),
            System("postgres_changes", "error",
                   "Unable to subscribe to changes with given parameters. Please check Realtime is "
                   "enabled for the given connect parameters: "
                   "[event: INSERT, schema: public, table: nope, filters: []]"));
  EXPECT_THAT(error(R"({"event":"*","schema":"other","table":"tasks"})"), HasSubstr("Unable to "));
  EXPECT_THAT(error(R"({"event":"*"})"),
              HasSubstr("No subscription params provided. Please provide at least a `schema` or "
                        "`table` to subscribe to: "));
  EXPECT_THAT(error(R"({"event":"*","table":"tasks","select":"id"})"),
              HasSubstr("Error parsing `select` params: expected a list of column name strings, "
                        R"(e.g. select: [\"col1\", \"col2\"])"));
  EXPECT_THAT(error(R"({"event":"*","schema":"public","select":["id"]})"),
              HasSubstr("Column selection is not supported for wildcard subscriptions. Provide an "
                        "explicit schema and table name."));
  EXPECT_THAT(error(R"({"event":"*","table":"tasks","filter":"nope=eq.1"})"),
              HasSubstr(". Exception: "));
  EXPECT_THAT(error(R"({"event":"*","table":"tasks","select":["nope"]})"),
              HasSubstr(". Exception: invalid column for select nope"));
  EXPECT_EQ(client.session.channels(), 1u);
}

TEST_F(SessionTest, WildcardsFollowEveryTable) {
  for (const char* binding : {R"({"schema":"public"})", R"({"schema":"*","table":"*"})",
                              R"({"table":"*"})", R"({"table":"tasks"})"}) {
    Client client(loop_);
    client.Join(R"({"postgres_changes":[)" + std::string(binding) + "]}");
    client.Take();
    loop_.Publish({Insert(loop_.tasks(), Task(1, "ann", 5, "x"))});
    EXPECT_THAT(client.Take(), SizeIs(1)) << binding;
  }
}

TEST_F(SessionTest, EventsOnATopicThatWasNotJoinedAreUnmatched) {
  Client client(loop_);
  for (const char* event : {"broadcast", "access_token", "presence", "anything"}) {
    EXPECT_EQ(client.AnswerTo(R"([null,"5","realtime:room",")" + std::string(event) + R"(",{}])"),
              R"([null,"5","realtime:room","phx_reply",{"status":"error","response":)"
              R"({"reason":"unmatched topic"}}])");
  }
  EXPECT_EQ(client.AnswerTo(R"(["1","6","realtime:room","phx_leave",{}])"),
            R"(["1","6","realtime:room","phx_reply",{"status":"ok","response":{}}])");
}

TEST_F(SessionTest, LeavingIsAnsweredAndThenClosedWithTheJoinRef) {
  Client client(loop_);
  client.Join(kFollowTasks);
  client.Take();
  client.Say(R"(["1","2","realtime:room","phx_leave",{}])");
  EXPECT_THAT(client.Take(),
              ElementsAre(R"(["1","2","realtime:room","phx_reply",{"status":"ok","response":{}}])",
                          kClosed));
  EXPECT_EQ(client.session.channels(), 0u);
  loop_.Publish({Insert(loop_.tasks(), Task(1, "ann", 5, "x"))});
  EXPECT_THAT(client.Take(), IsEmpty());
}

TEST_F(SessionTest, ALeaveWithoutJoinRefIsAnsweredWithTheChannels) {
  Client client(loop_);
  client.Join();
  client.Take();
  client.Say(R"([null,"2","realtime:room","phx_leave",{}])");
  EXPECT_THAT(client.Take(),
              ElementsAre(R"(["1","2","realtime:room","phx_reply",{"status":"ok","response":{}}])",
                          kClosed));
}

TEST_F(SessionTest, ARejoinClosesTheOldInstanceFirst) {
  Client client(loop_);
  client.Join(kFollowTasks);
  client.Take();
  client.Say(R"(["4","4","realtime:room","phx_join",{}])");
  EXPECT_THAT(
      client.Take(),
      ElementsAre(kClosed, StartsWith(R"(["4","4","realtime:room","phx_reply",{"status":"ok")")));
  EXPECT_EQ(client.session.channels(), 1u);
  loop_.Publish({Insert(loop_.tasks(), Task(1, "ann", 5, "x"))});
  EXPECT_THAT(client.Take(), IsEmpty()) << "the old instance's binding is still there";
}

TEST_F(SessionTest, ARefusedRejoinClosesTheOldInstanceAsWell) {
  for (const char* payload : {R"({"access_token":"bad"})", R"({"config":{"private":true}})"}) {
    Client client(loop_);
    client.Join(kFollowTasks);
    client.Take();
    client.Say(R"(["4","4","realtime:room","phx_join",)" + std::string(payload) + "]");
    EXPECT_THAT(client.Take(), ElementsAre(kClosed, HasSubstr(R"("status":"error")"))) << payload;
    EXPECT_EQ(client.session.channels(), 0u);
    loop_.Publish({Insert(loop_.tasks(), Task(1, "ann", 5, "x"))});
    EXPECT_THAT(client.Take(), IsEmpty()) << "rows go to a client that believes it is not joined";
  }
}

TEST_F(SessionTest, MessagesOfAnOlderInstanceAreIgnored) {
  Client client(loop_);
  client.Join(R"({"broadcast":{"ack":true,"self":true}})");
  client.Take();
  for (const char* event : {"phx_leave", "broadcast", "access_token"}) {
    client.Say(R"(["0","5","realtime:room",")" + std::string(event) +
               R"(",{"access_token":"bad"}])");
    EXPECT_THAT(client.Take(), IsEmpty()) << event;
  }
  EXPECT_EQ(client.session.channels(), 1u);
}

TEST_F(SessionTest, NullRefsAreAccepted) {
  Client client(loop_);
  client.Say(R"([null,null,"realtime:room","phx_join",{}])");
  EXPECT_THAT(client.Take(), ElementsAre(HasSubstr(R"("status":"ok")")));
  client.Say(R"([null,null,"realtime:room","unknown_event",{}])");
  EXPECT_THAT(client.Take(), IsEmpty());
  EXPECT_EQ(client.AnswerTo(R"([null,null,"phoenix","heartbeat",{}])"),
            R"([null,null,"phoenix","phx_reply",{"status":"ok","response":{}}])");
}

TEST_F(SessionTest, MalformedMessagesAreDroppedAndCounted) {
  Client client(loop_);
  client.Join();
  client.Take();
  uint64_t dropped = 0;
  for (const char* text : {"", "x", "{}", "[]", "[1,2,3,4,5]", R"(["1","2","t","e"])",
                           R"(["1","2","realtime:room","broadcast","text"])"}) {
    client.Say(text);
    EXPECT_EQ(Dropped(), ++dropped) << text;
  }
  client.session.OnBinary("\x03");
  EXPECT_EQ(Dropped(), ++dropped);
  EXPECT_THAT(client.Take(), IsEmpty());
  EXPECT_EQ(client.session.channels(), 1u);
}

TEST_F(SessionTest, OddJoinPayloadsTakeDefaults) {
  Client client(loop_);
  for (const char* payload :
       {"null", "7", "[]", R"({"config":null})",
        R"({"config":{"broadcast":null,"presence":null,"postgres_changes":null}})"}) {
    client.Say(R"(["1","1","realtime:room","phx_join",)" + std::string(payload) + "]");
    EXPECT_THAT(client.Take().back(), HasSubstr(R"("postgres_changes":[],)")) << payload;
  }
}

TEST_F(SessionTest, TheHeartbeatTellsThePositionOnlyToThoseWhoAskForPositions) {
  Client client(loop_);
  client.Join(kFollowTasks);
  client.Take();
  loop_.Publish({Insert(loop_.tasks(), Task(1, "ann", 5, "x"))});
  client.Take();
  EXPECT_EQ(client.AnswerTo(R"([null,"9","phoenix","heartbeat",{}])"),
            R"([null,"9","phoenix","phx_reply",{"status":"ok","response":{}}])");
  client.Say(R"(["2","2","realtime:b","phx_join",{"config":{"tidewire":{"positions":true}}}])");
  client.Take();
  EXPECT_EQ(client.AnswerTo(R"([null,"9","phoenix","heartbeat",{}])"),
            R"([null,"9","phoenix","phx_reply",{"status":"ok","response":)"
            R"({"tidewire":{"position":"0000000000c0ffee:1"}}}])");
  client.Say(R"([null,"9","phoenix","anything",{}])");
  EXPECT_THAT(client.Take(), IsEmpty());
}

TEST_F(SessionTest, ARestartIsAnnouncedToEachChannel) {
  Client client(loop_);
  client.Join();
  client.Say(R"(["2","2","realtime:b","phx_join",{}])");
  client.Take();
  client.session.AnnounceRestart();
  EXPECT_THAT(client.Take(),
              ElementsAre(System("system", "ok", "Server requested disconnect"),
                          R"(["2",null,"realtime:b","system",{"extension":"system","status":"ok",)"
                          R"("message":"Server requested disconnect","channel":"b"}])"));
}

TEST_F(SessionTest, TheEndOfASessionIsTheEndOfItsSubscriptions) {
  {
    Client client(loop_);
    client.Join(kFollowTasks);
    EXPECT_EQ(loop_.feed.router().members(), 1u);
    EXPECT_EQ(loop_.metrics.channels.value(), 1);
  }
  EXPECT_EQ(loop_.feed.router().members(), 0u);
  EXPECT_EQ(loop_.metrics.channels.value(), 0);
  EXPECT_EQ(loop_.metrics.sessions.value(), 0);
}

}  // namespace
}  // namespace tw::session
