// Joining for rows: rows, position and stream meet exactly; every limit has its outcome.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/session.h"
#include "session/snapshot_desk.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using router::Task;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Reads are answered when told to.
class FakeSnapshots final : public SnapshotSource {
 public:
  void Read(const policy::CatalogPtr&, const ClaimsPtr& claims,
            std::span<const router::TableBinding> bindings, const SnapshotLimits&,
            Function<void(Result<Snapshot>)> done) override {
    asked.push_back(claims->sub);
    tables = bindings.size();
    pending_.push_back(std::move(done));
  }
  void Answer(Result<Snapshot> result) {
    auto done = std::move(pending_.front());
    pending_.pop_front();
    done(std::move(result));
  }
  // Each page for the one table.
  void AnswerAt(uint64_t offset, std::vector<std::string> pages = {"[]"}) {
    size_t bytes = 0;
    for (const auto& page : pages) bytes += page.size();
    const uint64_t rows = pages.size();
    Answer(Snapshot{{1, offset}, {SnapshotTable{std::move(pages), rows}}, bytes});
  }
  size_t pending() const { return pending_.size(); }

  std::vector<std::string> asked;
  size_t tables = 0;

 private:
  std::deque<Function<void(Result<Snapshot>)>> pending_;
};

// "reply@<position> <verdict> <snapshot>", "<page's rows>", "<offset>", other messages.
std::vector<std::string> Story(const std::vector<std::string>& texts) {
  std::vector<std::string> story;
  const auto offset = [](const json::Value& position) {
    const std::string text(position.AsString().value_or(":?"));
    return text.substr(text.find(':') + 1);
  };
  for (const std::string& text : texts) {
    const auto document = json::Parse(text);
    TW_CHECK(document.ok());
    const json::Value payload = document->root().items()[4];
    const auto event = document->root().items()[3].GetString();
    const auto message = payload["message"].AsString().value_or("");
    if (event == "phx_reply") {
      const json::Value ours = payload["response"]["tidewire"];
      const json::Value snapshot = ours["snapshot"];
      story.push_back("reply@" + offset(ours["position"]) + " " + ours["recovered"].ToText() + " " +
                      (snapshot["complete"].AsBool().value_or(false)
                           ? snapshot["pages"].ToText()
                           : std::string(snapshot["reason"].AsString().value_or("none"))));
    } else if (event == "postgres_changes") {
      story.push_back(offset(payload["position"]));
    } else if (message == "snapshot" && payload["rows"].is_array()) {
      story.push_back(payload["rows"].ToText());
    } else if (message != "Subscribed to PostgreSQL") {
      story.emplace_back(message);
    }
  }
  return story;
}

constexpr std::string_view kSnapshot = R"({"positions":true,"snapshot":true})";
std::string SnapshotSince(uint64_t offset) {
  return R"({"positions":true,"snapshot":true,"since":"0000000000000001:)" +
         std::to_string(offset) + "\"}";
}

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() { Remake({}); }
  void Remake(const TailLimits& tail, const SnapshotDeskLimits& limits = {}) {
    client_.reset();
    desk_.reset();
    loop_ = std::make_unique<TestLoop>(tail);
    desk_ = std::make_unique<SnapshotDesk>(source_, limits, loop_->metrics);
    loop_->services->snapshots = desk_.get();
    client_ = std::make_unique<Client>(*loop_);
  }
  void Commit(int count) {
    for (int i = 0; i < count; ++i) {
      loop_->commits.Insert(Task(++rows_, 1));
      loop_->Commit();
    }
  }
  std::vector<std::string> Join(std::string_view extension = kSnapshot) {
    return Story(client_->Say(JoinTasks("1", extension)));
  }
  std::vector<std::string> Come() { return Story(client_->transport.Take()); }
  SessionMetrics& metrics() { return loop_->session_metrics; }

  FakeSnapshots source_;
  std::unique_ptr<TestLoop> loop_;
  std::unique_ptr<SnapshotDesk> desk_;
  std::unique_ptr<Client> client_;
  int rows_ = 0;
};

TEST_F(SnapshotTest, RowsThenTheChangesFromExactlyThere) {
  Commit(3);
  EXPECT_THAT(Join(), IsEmpty());
  Commit(2);  // While the rows are read.
  EXPECT_THAT(Come(), IsEmpty());
  source_.AnswerAt(3, {R"([{"id":1},{"id":2}])", R"([{"id":3}])"});
  EXPECT_THAT(Come(), ElementsAre("reply@3 null 2", R"([{"id":1},{"id":2}])", R"([{"id":3}])", "4",
                                  "5", "caught_up"));
  Commit(1);
  EXPECT_THAT(Come(), ElementsAre("6"));
  EXPECT_EQ(metrics().snapshots_sent.value(), 1u);
  EXPECT_EQ(desk_->held_bytes(), 0u);
}

TEST_F(SnapshotTest, RowsThatAreAheadOfTheLoopWaitForIt) {
  Commit(1);
  Join();
  loop_->commits.Insert(Task(7, 1)).Insert(Task(8, 1));
  const BatchPtr late = loop_->commits.Take();
  source_.AnswerAt(3);
  EXPECT_THAT(Come(), IsEmpty());
  loop_->feed.Publish(late);
  EXPECT_THAT(Come(), ElementsAre("reply@3 null 1", "[]", "caught_up"));
}

TEST_F(SnapshotTest, APositionThatCanBeRecoveredNeedsNoRows) {
  Commit(3);
  EXPECT_THAT(Join(SnapshotSince(2)), ElementsAre("reply@3 true none", "3", "caught_up"));
  EXPECT_EQ(source_.pending(), 0u);
}

TEST_F(SnapshotTest, APositionThatCannotIsFollowedByRows) {
  Commit(3);
  EXPECT_THAT(Join(R"({"positions":true,"snapshot":true,"since":"00000000000000ff:1"})"),
              IsEmpty());
  source_.AnswerAt(3);
  const auto texts = client_->transport.Take();
  EXPECT_THAT(texts[0], HasSubstr(R"("recovered":false,"reason":"epoch_changed")"));
  EXPECT_THAT(Story(texts), ElementsAre("reply@3 false 1", "[]", "caught_up"));
  EXPECT_EQ(metrics().not_resumed.value(), 1u);
}

TEST_F(SnapshotTest, OneBindingMayAskAsUnmodifiedClientsCan) {
  client_->session.OnText(
      R"(["1","1","realtime:a","phx_join",{"config":{"presence":{"enabled":false},)"
      R"("postgres_changes":[{"event":"*","schema":"public","table":"tasks","snapshot":true},)"
      R"({"event":"*","schema":"public","table":"notes"}]}}])");
  ASSERT_EQ(source_.pending(), 1u);
  EXPECT_EQ(source_.tables, 1u);
  source_.AnswerAt(0, {R"([{"id":1}])"});
  const auto texts = client_->transport.Take();
  EXPECT_THAT(texts, Contains(::testing::AllOf(HasSubstr(R"("table":"tasks")"),
                                               HasSubstr(R"("rows":[{"id":1}])"),
                                               HasSubstr(R"("page":1,"pages":1)"))));
}

TEST_F(SnapshotTest, AnErrorIsSaidAndTheChannelLives) {
  const std::pair<ErrorCode, const char*> outcomes[] = {
      {ErrorCode::kResourceExhausted, "too_large"},
      {ErrorCode::kPermissionDenied, "denied"},
      {ErrorCode::kUnavailable, "unavailable"}};
  for (const auto& [code, reason] : outcomes) {
    Join();
    source_.Answer(Fail(code, "as told"));
    EXPECT_THAT(
        Come(),
        ElementsAre(std::string("reply@") + std::to_string(rows_) + " null " + reason, "snapshot"));
    Commit(1);
    EXPECT_THAT(Come(), ElementsAre(std::to_string(rows_)));
    client_->Say(R"(["1","2","realtime:a","phx_leave",{}])");
  }
  EXPECT_EQ(metrics().snapshots_too_large.value(), 1u);
  EXPECT_EQ(metrics().snapshots_denied.value(), 1u);
  EXPECT_EQ(metrics().snapshots_unavailable.value(), 1u);
  EXPECT_EQ(desk_->held_bytes(), 0u);
}

TEST_F(SnapshotTest, RowsWhoseStreamIsGoneAreReadAgainAndThenGivenUp) {
  Remake({.batches_max = 1});
  Commit(1);
  Join();
  Commit(4);
  loop_->history.TrimTo(5);
  source_.AnswerAt(1);  // What follows position 1 has been trimmed.
  loop_->history.AnswerAll();
  ASSERT_EQ(source_.pending(), 1u);
  source_.AnswerAt(5);
  EXPECT_THAT(Come(), ElementsAre("reply@5 null 1", "[]", "caught_up"));

  client_->Say(R"(["1","2","realtime:a","phx_leave",{}])");
  Join();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(source_.pending(), 1u) << i;
    source_.AnswerAt(1);
    loop_->history.AnswerAll();
  }
  EXPECT_THAT(Come(), ElementsAre("reply@5 null unavailable", "snapshot"));
}

TEST_F(SnapshotTest, PagesGoAtTheClientsPaceAndChangesWaitBehindThem) {
  Join();
  client_->transport.room = 2;
  source_.AnswerAt(0, {"[1]", "[2]", "[3]"});
  EXPECT_THAT(Come(), ElementsAre("reply@0 null 3", "[1]"));
  Commit(2);
  EXPECT_THAT(Come(), IsEmpty());
  EXPECT_GT(desk_->held_bytes(), 0u);
  client_->transport.room = SIZE_MAX;
  client_->session.OnDrained();
  EXPECT_THAT(Come(), ElementsAre("[2]", "[3]", "1", "2", "caught_up"));
}

TEST_F(SnapshotTest, AClientThatTakesTooLongIsSentAway) {
  Join();
  client_->transport.room = 2;
  source_.AnswerAt(0, {"[1]", "[2]"});
  loop_->Advance(std::chrono::seconds{61});
  EXPECT_EQ(client_->transport.close_code, 1013);
  EXPECT_EQ(metrics().snapshots_slow.value(), 1u);
}

TEST_F(SnapshotTest, RowsThatWereReadUnderOtherRightsAreReadAgain) {
  client_->Say(JoinTasks("1", kSnapshot, loop_->Token(1, 3'600, "ada")));
  client_->Say(R"(["1","9","realtime:a","access_token",{"access_token":")" +
               loop_->Token(2, 3'600, "ada") + R"("}])");
  ASSERT_EQ(source_.pending(), 2u);
  source_.AnswerAt(0, {R"([{"old":"rights"}])"});
  EXPECT_THAT(Come(), IsEmpty());
  source_.AnswerAt(0, {R"([{"new":"rights"}])"});
  EXPECT_THAT(Come(), ElementsAre("reply@0 null 1", R"([{"new":"rights"}])", "caught_up"));
}

TEST_F(SnapshotTest, ManyWaitInLineAndTooManyAreTold) {
  Remake({}, {.each = {.rows_max = 10, .bytes_max = 100}, .bytes_max = 150, .waiting_max = 1});
  Join();  // May be as large as any until it is read.
  EXPECT_EQ(desk_->held_bytes(), 100u);
  Client second(*loop_), third(*loop_);
  second.Say(JoinTasks("1", kSnapshot));
  EXPECT_EQ(desk_->waiting(), 1u);
  EXPECT_THAT(Story(third.Say(JoinTasks("1", kSnapshot))),
              ElementsAre("reply@0 null busy", "snapshot"));
  EXPECT_EQ(source_.pending(), 1u);
  source_.AnswerAt(0);
  EXPECT_THAT(Come(), ElementsAre("reply@0 null 1", "[]", "caught_up"));
  ASSERT_EQ(source_.pending(), 1u);  // The next one's turn.
  source_.AnswerAt(0);
  EXPECT_THAT(Story(second.transport.Take()), ElementsAre("reply@0 null 1", "[]", "caught_up"));
  EXPECT_EQ(desk_->held_bytes(), 0u);
}

TEST_F(SnapshotTest, WhoLeavesWhileItWaitsGivesItsPlaceBack) {
  Remake({}, {.each = {.rows_max = 10, .bytes_max = 100}, .bytes_max = 150, .waiting_max = 9});
  Join();
  auto second = std::make_unique<Client>(*loop_);
  second->Say(JoinTasks("1", kSnapshot));
  second.reset();
  client_.reset();
  source_.AnswerAt(0);
  EXPECT_EQ(source_.pending(), 0u);
  EXPECT_EQ(desk_->held_bytes(), 0u);
  EXPECT_EQ(desk_->waiting(), 0u);
}

}  // namespace
}  // namespace tw::session
