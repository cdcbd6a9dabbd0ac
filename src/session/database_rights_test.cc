// Channels whose rows only the database can judge: told late, in order, and without delaying
// others.
#include <gtest/gtest.h>

#include "policy/program.h"
#include "session/channel.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using policy::RowVerdict;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A database that answers when told to: rows of the reader's own organisation are shown.
class FakeJudge final : public DatabaseJudge {
 public:
  void Defer(Function<void()> soon) override { deferred_.push_back(std::move(soon)); }
  void Judge(std::vector<policy::DatabaseQuestion> questions,
             Function<void(std::vector<policy::DatabaseAnswer>)> done) override {
    ++asked;
    TW_CHECK(!done_);
    questions_ = std::move(questions);
    done_ = std::move(done);
  }

  // Ends the loop's turn.
  void RunDeferred() {
    for (auto& soon : std::exchange(deferred_, {})) soon();
  }
  // False when nothing is asked.
  bool Answer() {
    RunDeferred();
    if (!done_) return false;
    std::vector<policy::DatabaseAnswer> answers;
    for (const policy::DatabaseQuestion& question : questions_) {
      policy::DatabaseAnswer answer;
      const auto claims = json::Parse(question.reader->slots().values.front().text);
      const int64_t org = claims->root()["org"].AsInt().value_or(0);
      for (const Row* const row : question.rows) {
        ++rows;
        answer.rows.push_back(*(*row)[1].AsInt() == org ? RowVerdict::kShown : RowVerdict::kHidden);
        if (*(*row)[1].AsInt() != raises) continue;
        answer.rows.back() = RowVerdict::kRaised;
        answer.error = Error{ErrorCode::kInvalidArgument, "the policy raised"};
      }
      answers.push_back(std::move(answer));
    }
    std::exchange(done_, {})(std::move(answers));
    return true;
  }
  void AnswerAll() {
    while (Answer()) {
    }
  }

  int asked = 0;
  int rows = 0;
  int64_t raises = -1;

 private:
  std::vector<Function<void()>> deferred_;
  std::vector<policy::DatabaseQuestion> questions_;
  Function<void(std::vector<policy::DatabaseAnswer>)> done_;
};

// Tasks are judged by the database, notes here; the policies of tasks look into "members".
class DatabaseRightsTest : public ::testing::Test {
 protected:
  explicit DatabaseRightsTest(const TailLimits& tail = {}) : loop(tail) {
    policy::Schema schema;
    schema.dialect = policy::Dialect::kPostgres;
    auto members = std::make_shared<Relation>(*loop.relation);
    members->table = "members";
    members->id = 9;
    members_ = members;
    for (const RelationPtr& relation : {loop.relation, members_}) {
      policy::SchemaTable table;
      table.relation = relation;
      table.security = relation == loop.relation ? policy::RowLevelSecurity::kEnabled
                                                 : policy::RowLevelSecurity::kDisabled;
      schema.tables.push_back(std::move(table));
    }
    schema.tables[0].policies.push_back(
        {.name = "p", .using_sql = "belongs(org) and exists (select 1 from members)"});
    auto program = policy::Program::InDatabase(schema, schema.tables[0], "authenticated");
    TW_CHECK(program.ok());
    auto others = policy::Program::Denying(loop.relation, Error{ErrorCode::kNotFound, "no role"});
    auto catalog = std::make_shared<policy::Catalog>(*loop.services->catalog);
    catalog->Add(
        {loop.relation, std::make_shared<const policy::TablePolicy>(
                            std::map<std::string, policy::TablePolicy::ProgramPtr, std::less<>>{
                                {"authenticated", std::move(*program)}},
                            std::move(others))});
    loop.services->catalog = catalog;
    loop.services->verdicts = &book;
  }

  void Join(Client& client, std::string_view extension = R"({"positions":true,"leave":true})") {
    client.Say(JoinTasks("1", extension));
  }
  BatchPtr Commit(const RelationPtr& relation, ChangeOp op, Row old_row, Row new_row) {
    auto batch = std::make_shared<Batch>();
    const uint64_t offset = loop.feed.head().offset + 1;
    batch->changes.push_back({.offset = offset,
                              .op = op,
                              .committed_at = loop.clock.Wall(),
                              .relation = relation,
                              .old_row = std::move(old_row),
                              .new_row = std::move(new_row)});
    batch->after = offset - 1;
    batch->position = {1, offset};
    batch->bytes = 100;
    loop.history.Append(*batch);
    loop.feed.Publish(batch);
    return batch;
  }
  BatchPtr Insert(Row row) { return Commit(loop.relation, ChangeOp::kInsert, {}, std::move(row)); }

  TestLoop loop;
  RelationPtr members_;
  FakeJudge judge;
  VerdictBook book{judge, loop.metrics};
};

TEST_F(DatabaseRightsTest, ChangesWaitForTheVerdictAndComeInOrder) {
  Client own(loop);
  Client other(loop, loop.Token(2));
  Join(own);
  Join(other);
  Insert(router::Task(1, 1));
  Insert(router::Task(2, 2));
  judge.RunDeferred();
  EXPECT_EQ(judge.asked, 1);  // Both readers, both commits of this turn.
  Insert(router::Task(3, 1));
  EXPECT_THAT(own.transport.Take(), IsEmpty());
  judge.AnswerAll();
  EXPECT_THAT(own.transport.Take(),
              ElementsAre(HasSubstr(R"("record":{"id":1)"), HasSubstr(R"("record":{"id":3)")));
  EXPECT_THAT(other.transport.Take(), ElementsAre(HasSubstr(R"("record":{"id":2)")));
}

TEST_F(DatabaseRightsTest, EqualReadersAreAskedForOnce) {
  const std::string token = loop.Token(1);
  Client one(loop, token);
  Client two(loop, token);
  Join(one);
  Join(two);
  Insert(router::Task(1, 1));
  judge.AnswerAll();
  EXPECT_EQ(judge.rows, 1);
  EXPECT_THAT(one.transport.Take(), ElementsAre(HasSubstr("INSERT")));
  EXPECT_THAT(two.transport.Take(), ElementsAre(HasSubstr("INSERT")));
}

TEST_F(DatabaseRightsTest, WhatIsDecidedHereDoesNotWait) {
  Client asks(loop);
  Client here(loop);
  Join(asks);
  here.Say(R"(["2","2","realtime:n","phx_join",{"config":{"presence":{"enabled":false},)"
           R"("postgres_changes":[{"event":"*","schema":"public","table":"notes"}]}}])");
  const RelationPtr notes = loop.services->catalog->Find("public", "notes")->relation;
  Insert(router::Task(1, 1));
  Commit(notes, ChangeOp::kInsert, {}, {5, 1});
  EXPECT_THAT(here.transport.Take(), ElementsAre(HasSubstr(R"("table":"notes")")));
  EXPECT_THAT(asks.transport.Take(), IsEmpty());
  EXPECT_FALSE(asks.session.SettledPosition());
  judge.AnswerAll();
  EXPECT_THAT(asks.transport.Take(), ElementsAre(HasSubstr("INSERT")));
  EXPECT_TRUE(asks.session.SettledPosition());
}

TEST_F(DatabaseRightsTest, LeavingAndEnteringAreToldByBothImages) {
  Client client(loop);
  Join(client);
  Commit(loop.relation, ChangeOp::kUpdate, router::Task(1, 1), router::Task(1, 2));
  Commit(loop.relation, ChangeOp::kUpdate, router::Task(1, 2), router::Task(1, 1));
  Commit(loop.relation, ChangeOp::kDelete, router::Task(1, 1), {});
  judge.AnswerAll();
  EXPECT_THAT(client.transport.Take(),
              ElementsAre(HasSubstr("LEAVE"), HasSubstr("UPDATE"), HasSubstr("DELETE")));
}

TEST_F(DatabaseRightsTest, AReaderIsToldOnceWhatItsPoliciesRaise) {
  Client client(loop);
  Join(client);
  judge.raises = 7;
  Insert(router::Task(1, 7));
  Insert(router::Task(2, 7));
  Insert(router::Task(3, 1));
  judge.AnswerAll();
  EXPECT_THAT(client.transport.Take(),
              ElementsAre(HasSubstr("the policy raised"), HasSubstr(R"("record":{"id":3)")));
}

TEST_F(DatabaseRightsTest, AChangeOfWhatPoliciesLookIntoIsTold) {
  Client client(loop);
  Join(client);
  Insert(router::Task(1, 1));
  Commit(members_, ChangeOp::kInsert, {}, router::Task(1, 1));
  judge.AnswerAll();
  EXPECT_THAT(client.transport.Take(),
              ElementsAre(HasSubstr("INSERT"), HasSubstr("access_changed")));
  Commit(members_, ChangeOp::kInsert, {}, router::Task(2, 1));
  EXPECT_THAT(client.transport.Take(), ElementsAre(HasSubstr("access_changed")));
}

TEST_F(DatabaseRightsTest, ACongestedReaderGoesOnWhereItStood) {
  Client client(loop);
  Join(client);
  client.transport.room = 1;
  Insert(router::Task(1, 1));
  Insert(router::Task(2, 1));
  judge.AnswerAll();
  EXPECT_THAT(client.transport.Take(), ElementsAre(HasSubstr(R"("record":{"id":1)")));
  client.transport.room = SIZE_MAX;
  client.session.OnDrained();
  judge.AnswerAll();
  EXPECT_THAT(client.transport.Take(), ElementsAre(HasSubstr(R"("record":{"id":2)")));
}

// What was committed under the old rights is judged by them, also when the answer comes later.
TEST_F(DatabaseRightsTest, OtherRightsHoldBehindWhatIsStillToBeTold) {
  Client client(loop);
  Join(client);
  Insert(router::Task(1, 1));
  auto denying = std::make_shared<policy::Catalog>(*loop.services->catalog);
  auto others = policy::Program::Denying(loop.relation, Error{ErrorCode::kNotFound, "no rights"});
  denying->Add(
      {loop.relation, std::make_shared<const policy::TablePolicy>(
                          std::map<std::string, policy::TablePolicy::ProgramPtr, std::less<>>{},
                          std::move(others))});
  loop.services->catalog = denying;
  client.session.OnCatalog();
  EXPECT_THAT(client.transport.Take(), IsEmpty());
  Insert(router::Task(2, 1));
  judge.AnswerAll();
  EXPECT_THAT(client.transport.Take(), ElementsAre(HasSubstr("INSERT"), HasSubstr("no rights")));
}

TEST_F(DatabaseRightsTest, AResumeIsJudgedUnlessRightsHaveMoved) {
  Insert(router::Task(1, 1));
  loop.Advance(std::chrono::minutes{1});
  Client late(loop);
  // Whether "belongs" reads more than its table is not known: what it said then cannot be asked
  // now.
  EXPECT_THAT(late.Say(JoinTasks("1", Since(0))).front(), HasSubstr("rights_unknown"));
  Insert(router::Task(2, 1));
  judge.AnswerAll();
  late.transport.Take();
  Client soon(loop);
  std::vector<std::string> told = soon.Say(JoinTasks("1", Since(1)));
  judge.AnswerAll();
  for (std::string& text : soon.transport.Take()) told.push_back(std::move(text));
  EXPECT_THAT(told.front(), HasSubstr(R"("recovered":true)"));
  EXPECT_THAT(told, ::testing::Contains(HasSubstr(R"("record":{"id":2)")));
}

class OvertakenTest : public DatabaseRightsTest {
 protected:
  OvertakenTest() : DatabaseRightsTest({.bytes_max = 1 << 20, .batches_max = 4}) {}
};

TEST_F(OvertakenTest, WhatMemoryHasLeftBehindIsReadFromTheLog) {
  Client client(loop);
  Join(client);
  for (int i = 1; i <= 9; ++i) Insert(router::Task(i, 1));
  judge.AnswerAll();
  loop.history.AnswerAll();
  judge.AnswerAll();
  std::vector<::testing::Matcher<std::string>> all;
  for (int i = 1; i <= 9; ++i) {
    all.push_back(HasSubstr(R"("record":{"id":)" + std::to_string(i)));
  }
  EXPECT_THAT(client.transport.Take(), ::testing::ElementsAreArray(all));
  EXPECT_EQ(client.transport.close_code, std::nullopt);
}

// Whether "belongs" reads more than its table is not known.
TEST_F(OvertakenTest, WhatTheLogHasButNobodyCanJudgeAnyMoreIsLost) {
  Client client(loop);
  Join(client);
  for (int i = 1; i <= 9; ++i) Insert(router::Task(i, 1));
  loop.Advance(std::chrono::minutes{1});
  judge.AnswerAll();
  loop.history.AnswerAll();
  judge.AnswerAll();
  EXPECT_THAT(client.transport.Take(), ::testing::Contains(HasSubstr("phx_error")));
}

}  // namespace
}  // namespace tw::session
