// Joining with a position: every verdict, and what is delivered with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/stamp.h"
#include "session/session.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using router::Task;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

// What `texts` say, in order: "reply:<verdict>", "<offset>", "caught_up", "subscribed".
std::vector<std::string> Story(const std::vector<std::string>& texts) {
  std::vector<std::string> story;
  for (const std::string& text : texts) {
    const auto document = json::Parse(text);
    TW_CHECK(document.ok());
    const json::Value payload = document->root().items()[4];
    const auto event = document->root().items()[3].GetString();
    if (event == "phx_reply") {
      const json::Value verdict = payload["response"]["tidewire"];
      story.push_back("reply:" +
                      std::string(verdict["reason"].AsString().value_or(
                          verdict["recovered"].AsBool().value_or(false) ? "recovered" : "fresh")));
    } else if (event == "postgres_changes") {
      const std::string position(payload["position"].AsString().value_or(":?"));
      story.push_back(position.substr(position.find(':') + 1));
    } else {
      const auto message = payload["message"].AsString().value_or(event);
      story.emplace_back(message == "Subscribed to PostgreSQL" ? "subscribed" : message);
    }
  }
  return story;
}

class ResumeTest : public ::testing::Test {
 protected:
  // `count` commits of one row each of organisation 1.
  void Commit(int count) {
    for (int i = 0; i < count; ++i) {
      loop_->commits.Insert(Task(++rows_, 1));
      loop_->Commit();
    }
  }
  // A loop whose memory holds `batches` commits.
  void Remake(const TailLimits& tail) {
    client_.reset();
    loop_ = std::make_unique<TestLoop>(tail);
    client_ = std::make_unique<Client>(*loop_);
  }
  std::vector<std::string> Resume(uint64_t since) {
    return Story(client_->Say(JoinTasks("1", Since(since))));
  }
  std::vector<std::string> Come() { return Story(client_->transport.Take()); }

  std::unique_ptr<TestLoop> loop_ = std::make_unique<TestLoop>();
  std::unique_ptr<Client> client_ = std::make_unique<Client>(*loop_);
  int rows_ = 0;
};

TEST_F(ResumeTest, RecoversFromMemory) {
  Commit(4);
  EXPECT_THAT(Resume(2), ElementsAre("reply:recovered", "3", "4", "caught_up", "subscribed"));
  EXPECT_EQ(loop_->history.reads, 0);
  Commit(1);
  EXPECT_THAT(Come(), ElementsAre("5"));
  EXPECT_EQ(loop_->session_metrics.resumed.value(), 1u);
}

TEST_F(ResumeTest, NothingMissedIsRecoveredAsWell) {
  Commit(4);
  EXPECT_THAT(Resume(4), ElementsAre("reply:recovered", "caught_up", "subscribed"));
}

TEST_F(ResumeTest, ResumesInTheMiddleOfACommit) {
  loop_->commits.Insert(Task(1, 1)).Insert(Task(2, 1)).Insert(Task(3, 1));
  loop_->Commit();
  EXPECT_THAT(Resume(1), ElementsAre("reply:recovered", "2", "3", "caught_up", "subscribed"));
}

TEST_F(ResumeTest, RecoversFromTheStoredLogAndThenFromMemory) {
  Remake({.batches_max = 2});
  Commit(6);
  EXPECT_THAT(Resume(1), IsEmpty());
  Commit(1);  // While the read is under way.
  EXPECT_THAT(Come(), IsEmpty());
  loop_->history.AnswerAll();
  EXPECT_THAT(Come(), ElementsAre("reply:recovered", "2", "3", "4", "5", "6", "7", "caught_up",
                                  "subscribed"));
}

TEST_F(ResumeTest, OtherPeoplesChangesAreNotReplayed) {
  loop_->commits.Insert(Task(1, 2)).Insert(Task(2, 1));
  loop_->Commit();
  EXPECT_THAT(Resume(0), ElementsAre("reply:recovered", "2", "caught_up", "subscribed"));
}

TEST_F(ResumeTest, WhatTheLogReadBeyondTheLoopsHeadComesOnce) {
  Remake({.batches_max = 1});
  Commit(3);
  EXPECT_THAT(Resume(0), IsEmpty());
  // The store is ahead of this loop: the read sees a commit that was not published here yet.
  loop_->commits.Insert(Task(9, 1));
  const BatchPtr late = loop_->commits.Take();
  loop_->history.Append(*late);
  loop_->history.AnswerAll();
  EXPECT_THAT(Come(), ElementsAre("reply:recovered", "1", "2", "3", "caught_up", "subscribed"));
  loop_->feed.Publish(late);
  EXPECT_THAT(Come(), ElementsAre("4"));
}

TEST_F(ResumeTest, ATrimmedPositionIsExpired) {
  Remake({.batches_max = 1});
  Commit(5);
  loop_->history.TrimTo(4);
  Resume(2);
  loop_->history.AnswerAll();
  EXPECT_THAT(Come(), ElementsAre("reply:expired", "subscribed"));
  EXPECT_EQ(loop_->session_metrics.not_resumed.value(), 1u);
  Commit(1);
  EXPECT_THAT(Come(), ElementsAre("6"));
}

TEST_F(ResumeTest, ALogThatCannotBeReadIsUnavailable) {
  Remake({.batches_max = 1});
  Commit(5);
  loop_->history.FailWith(ErrorCode::kResourceExhausted);
  Resume(2);
  loop_->history.AnswerAll();
  EXPECT_THAT(Come(), ElementsAre("reply:unavailable", "subscribed"));
}

TEST_F(ResumeTest, ALogThatHoldsNothingWhereItMustIsNotAskedForEver) {
  Remake({.batches_max = 1});
  for (int i = 0; i < 5; ++i) loop_->feed.Publish(loop_->commits.Insert(Task(++rows_, 1)).Take());
  Resume(2);
  loop_->history.AnswerAll();
  EXPECT_THAT(Come(), ElementsAre("reply:unavailable", "subscribed"));
  EXPECT_EQ(loop_->history.reads, 1);
}

TEST_F(ResumeTest, AnotherEpochIsSaidToBeOne) {
  Commit(1);
  EXPECT_THAT(Story(client_->Say(JoinTasks("1", Since(1, "00000000000000ff")))),
              ElementsAre("reply:epoch_changed", "subscribed"));
}

TEST_F(ResumeTest, WhatIsNoPositionIsUnknown) {
  for (const char* since : {"x", "0000000000000001:", "0000000000000001:-1", "1:1",
                            "0000000000000001:18446744073709551616"}) {
    EXPECT_THAT(Story(client_->Say(JoinTasks("1", R"({"since":")" + std::string(since) + "\"}"))),
                ::testing::Contains("reply:unknown_position"))
        << since;
  }
}

TEST_F(ResumeTest, APositionAheadOfTheLoopIsWaitedFor) {
  Commit(2);
  EXPECT_THAT(Resume(4), IsEmpty());
  Commit(1);
  EXPECT_THAT(Come(), IsEmpty());
  Commit(1);
  EXPECT_THAT(Come(), ElementsAre("reply:recovered", "caught_up", "subscribed"));
  loop_->Advance(milliseconds{5'000});
  Commit(1);
  EXPECT_THAT(Come(), ElementsAre("5"));
}

TEST_F(ResumeTest, APositionThatDoesNotComeIsUnknownAfterTwoSeconds) {
  Commit(2);
  EXPECT_THAT(Resume(UINT64_MAX), IsEmpty());
  loop_->Advance(milliseconds{1'900});
  EXPECT_THAT(Come(), IsEmpty());
  loop_->Advance(milliseconds{400});
  EXPECT_THAT(Come(), ElementsAre("reply:unknown_position", "subscribed"));
  Commit(1);
  EXPECT_THAT(Come(), ElementsAre("3"));
}

TEST_F(ResumeTest, WaitersThatGoLeaveNothingBehind) {
  for (int i = 0; i < 100; ++i) Resume(UINT64_MAX);
  EXPECT_EQ(loop_->feed.waiting(), 1u);  // Of the channel that is there now.
  loop_->Advance(milliseconds{2'300});
  EXPECT_EQ(loop_->feed.waiting(), 0u);
}

TEST_F(ResumeTest, TooManyMissedChangesAreRefused) {
  loop_->limits.replay_changes_max = 3;
  loop_->commits.Insert(Task(1, 1)).Insert(Task(2, 1)).Insert(Task(3, 1)).Insert(Task(4, 1));
  loop_->Commit();
  EXPECT_THAT(Resume(0), ElementsAre("reply:too_many", "subscribed"));
  EXPECT_THAT(Resume(1), ::testing::Contains("reply:recovered"));  // Exactly as many as allowed.
  Remake({.batches_max = 1});
  loop_->limits.replay_changes_max = 3;
  Commit(5);
  Resume(0);
  loop_->history.AnswerAll();
  EXPECT_THAT(Come(), ElementsAre("reply:too_many", "subscribed"));
}

TEST_F(ResumeTest, TooManyMissedBytesAreRefused) {
  loop_->limits.replay_bytes_max = 2'000;
  loop_->commits.Insert(Task(1, 1, "open", std::string(3'000, 'x')));
  loop_->Commit();
  EXPECT_THAT(Resume(0), ElementsAre("reply:too_many", "subscribed"));
  Remake({.batches_max = 1});
  loop_->limits.replay_bytes_max = 2'000;
  loop_->commits.Insert(Task(1, 1, "open", std::string(3'000, 'x')));
  loop_->Commit();
  Commit(2);
  Resume(0);
  loop_->history.AnswerAll();
  EXPECT_THAT(Come(), ElementsAre("reply:too_many", "subscribed"));
}

TEST_F(ResumeTest, RowsOfAnOlderShapeCannotBeJudgedAndAreNotLeftOutSilently) {
  Remake({.batches_max = 1});
  auto older = std::make_shared<Relation>(*loop_->relation);
  older->id = 3;
  older->columns.pop_back();
  router::Commits before(older);
  before.Insert({1, 1, "open"}).Insert({2, 1, "open"});
  const BatchPtr batch = before.Take();
  loop_->history.Append(*batch);
  loop_->feed.Publish(batch);
  loop_->commits.Insert(Task(1, 1)).Insert(Task(2, 1)).Insert(Task(3, 1));
  auto after = std::make_shared<Batch>(*loop_->commits.Take());
  after->changes.erase(after->changes.begin(), after->changes.begin() + 2);
  after->after = batch->position.offset;
  loop_->history.Append(*after);
  loop_->feed.Publish(after);
  Resume(0);
  loop_->history.AnswerAll();
  EXPECT_THAT(Come(), ElementsAre("reply:schema_changed", "subscribed"));
}

TEST_F(ResumeTest, AChannelThatGoesWhileItsHistoryIsReadIsForgotten) {
  Remake({.batches_max = 1});
  Commit(3);
  Resume(0);
  EXPECT_THAT(client_->Say(R"(["1","2","realtime:a","phx_leave",{}])"), SizeIs(2));
  loop_->history.AnswerAll();
  EXPECT_THAT(Come(), IsEmpty());
  Resume(0);
  client_.reset();
  loop_->history.AnswerAll();
  EXPECT_EQ(loop_->feed.router().members(), 0u);
}

TEST_F(ResumeTest, RightsThatChangeWhileHistoryIsReadJudgeTheReplay) {
  Remake({.batches_max = 1});
  loop_->commits.Insert(Task(1, 1)).Insert(Task(2, 2)).Insert(Task(3, 1));
  loop_->Commit();
  Commit(1);
  client_->Say(JoinTasks("1", Since(0), loop_->Token(1, 3'600, "ada")));
  client_->Say(R"(["1","9","realtime:a","access_token",{"access_token":")" +
               loop_->Token(2, 3'600, "ada") + R"("}])");
  loop_->history.AnswerAll();
  EXPECT_THAT(Come(), ElementsAre("reply:recovered", "2", "caught_up", "subscribed"));
}

TEST_F(ResumeTest, AReplayGoesAtTheClientsPaceAndMeetsTheStream) {
  Commit(20);
  client_->transport.room = 8;
  const auto first = Resume(0);
  EXPECT_LT(first.size(), 15u);
  Commit(3);  // Behind what is replayed.
  EXPECT_THAT(Come(), IsEmpty());
  std::vector<std::string> all = first;
  for (int i = 0; i < 20 && (all.empty() || all.back() != "subscribed"); ++i) {
    client_->transport.room = 8;
    client_->session.OnDrained();
    for (auto& part : Come()) all.push_back(part);
  }
  std::vector<std::string> expected{"reply:recovered"};
  for (int i = 1; i <= 23; ++i) expected.push_back(std::to_string(i));
  expected.insert(expected.end(), {"caught_up", "subscribed"});
  EXPECT_EQ(all, expected);
}

TEST_F(ResumeTest, AClientThatTheStreamOvertakesGoesOnFromTheLog) {
  Remake({.batches_max = 4});
  Commit(4);
  client_->transport.room = 3;
  auto all = Resume(0);
  Commit(20);
  client_->transport.room = SIZE_MAX;
  client_->session.OnDrained();
  loop_->history.AnswerAll();
  for (auto& part : Come()) all.push_back(part);
  std::vector<std::string> expected{"reply:recovered"};
  for (int i = 1; i <= 24; ++i) expected.push_back(std::to_string(i));
  expected.insert(expected.end(), {"caught_up", "subscribed"});
  EXPECT_EQ(all, expected);
  EXPECT_EQ(client_->transport.close_code, std::nullopt);
  EXPECT_EQ(loop_->session_metrics.replays_overtaken.value(), 1u);
}

TEST_F(ResumeTest, AClientThatTheLogHasOvertakenIsAskedToJoinAnew) {
  Remake({.batches_max = 4});
  Commit(4);
  client_->transport.room = 3;
  Resume(0);
  Commit(20);
  client_->transport.room = SIZE_MAX;
  client_->session.OnDrained();
  loop_->history.TrimTo(20);
  loop_->history.AnswerAll();
  const auto said = client_->transport.Take();
  ASSERT_FALSE(said.empty());
  EXPECT_THAT(said.back(), HasSubstr("phx_error"));
  loop_->Advance(std::chrono::seconds{1});
  EXPECT_EQ(client_->session.channels(), 0u);
}

TEST_F(ResumeTest, UnmodifiedClientsCarryThePositionInABinding) {
  Commit(2);
  const auto said = client_->Say(
      R"(["1","1","realtime:a","phx_join",{"config":{"postgres_changes":[{"event":"*",)"
      R"("schema":"public","table":"tasks","since":"0000000000000001:1"}]}}])");
  ASSERT_THAT(said, SizeIs(5));
  EXPECT_THAT(said[0], HasSubstr(R"("recovered":true)"));
  EXPECT_THAT(said[1], StartsWith(R"([null,null,"realtime:a","postgres_changes",)"));
  EXPECT_THAT(said[2], HasSubstr("presence_state"));
}

// An unmodified client's join of two tables; `resume` is each binding's.
std::string StockJoin(std::string_view tasks, std::string_view notes) {
  return R"(["1","1","realtime:a","phx_join",{"config":{"presence":{"enabled":false},)"
         R"("postgres_changes":[{"event":"*","schema":"public","table":"tasks","resume":)" +
         std::string(tasks) + R"(},{"event":"*","schema":"public","table":"notes","resume":)" +
         std::string(notes) + "}]}}]";
}

class StockResumeTest : public ResumeTest {
 protected:
  StockResumeTest() {
    auto notes = std::make_shared<Relation>(*loop_->relation);
    notes->table = "notes";
    notes->id = 8;
    notes->columns.resize(2);
    notes_ = notes;
  }
  // The next commit: a row of organisation 1 in one of the tables.
  void CommitTo(const RelationPtr& relation) {
    loop_->commits.Insert(relation == notes_ ? Row{++rows_, 1} : Task(++rows_, 1));
    auto batch = std::make_shared<Batch>(*loop_->commits.Take());
    batch->changes[0].relation = relation;
    loop_->history.Append(*batch);
    loop_->feed.Publish(batch);
  }
  // "<table>@<offset>" of changes by their stamps; "<message>@<offset> <recovered>" of ours.
  std::vector<std::string> Stock(const std::vector<std::string>& texts) {
    std::vector<std::string> story;
    for (const std::string& text : texts) {
      const auto document = json::Parse(text);
      TW_CHECK(document.ok());
      const json::Value payload = document->root().items()[4];
      if (const json::Value data = payload["data"]; data.is_object()) {
        EXPECT_TRUE(payload["position"].is_null());
        stamp_ = data["commit_timestamp"].GetString();
        const std::string position = protocol::UnstampedPosition(stamp_);
        story.push_back(std::string(data["table"].GetString()) +
                        position.substr(position.find(':')));
      } else if (payload["extension"].AsString() == "tidewire") {
        const std::string position(payload["position"].AsString().value_or(":?"));
        std::string part = std::string(payload["message"].GetString()) +
                           position.substr(position.find(':'));
        if (payload["message"].AsString() == "changes") part += " " + payload["recovered"].ToText();
        story.push_back(part);
      }
    }
    return story;
  }

  RelationPtr notes_;
  std::string stamp_;
};

TEST_F(StockResumeTest, EachChangeTellsItsPositionWithinItsTime) {
  CommitTo(loop_->relation);
  EXPECT_THAT(Stock(client_->Say(StockJoin("true", "{}"))), ElementsAre("changes:1 null"));
  CommitTo(notes_);
  EXPECT_THAT(Stock(client_->transport.Take()), ElementsAre("notes:2"));
  EXPECT_THAT(stamp_, StartsWith("2026-01-02T03:04:05.678"));
  // The application hands the text back as it came.
  client_ = std::make_unique<Client>(*loop_);
  CommitTo(loop_->relation);
  const std::string resume = R"({"since":")" + stamp_ + "\"}";
  EXPECT_THAT(Stock(client_->Say(StockJoin(resume, resume))),
              ElementsAre("tasks:3", "caught_up:3", "changes:3 true"));
}

TEST_F(StockResumeTest, BindingsThatAreAtDifferentPlacesEachGetWhatTheyMissedOnce) {
  CommitTo(loop_->relation);  // 1
  CommitTo(notes_);           // 2
  CommitTo(loop_->relation);  // 3
  CommitTo(notes_);           // 4
  EXPECT_THAT(Stock(client_->Say(StockJoin(R"("0000000000000001:1")", R"("0000000000000001:2")"))),
              ElementsAre("tasks:3", "notes:4", "caught_up:4", "changes:4 true"));
  client_ = std::make_unique<Client>(*loop_);
  EXPECT_THAT(Stock(client_->Say(StockJoin(R"("0000000000000001:3")", R"("0000000000000001:0")"))),
              ElementsAre("notes:2", "notes:4", "caught_up:4", "changes:4 true"));
  // One that names no position begins now.
  client_ = std::make_unique<Client>(*loop_);
  EXPECT_THAT(Stock(client_->Say(StockJoin(R"("0000000000000001:0")", "{}"))),
              ElementsAre("tasks:1", "tasks:3", "caught_up:4", "changes:4 true"));
  CommitTo(notes_);
  EXPECT_THAT(Stock(client_->transport.Take()), ElementsAre("notes:5"));
}

TEST_F(StockResumeTest, WhatCannotBeRecoveredIsSaid) {
  CommitTo(loop_->relation);
  const auto said = client_->Say(StockJoin(R"("0000000000000009:1")", "true"));
  EXPECT_THAT(Stock(said), ElementsAre("changes:1 false"));
  EXPECT_THAT(said[1], HasSubstr(R"("recovered":false,"reason":"epoch_changed")"));
}

TEST_F(StockResumeTest, AHeartbeatTellsAQuietChannelHowFarTheStreamIs) {
  client_->Say(StockJoin("true", "true"));
  constexpr std::string_view kHeartbeat = R"([null,"7","phoenix","heartbeat",{}])";
  EXPECT_THAT(Stock(client_->Say(kHeartbeat)), IsEmpty());
  loop_->commits.Insert(Task(1, 2));  // Nothing for this client.
  loop_->Commit();
  EXPECT_THAT(Stock(client_->Say(kHeartbeat)), ElementsAre("position:1"));
  EXPECT_THAT(Stock(client_->Say(kHeartbeat)), IsEmpty());
}

}  // namespace
}  // namespace tw::session
