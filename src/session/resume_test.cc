// Joins with a position: each verdict, and that nothing is lost or sent twice around it.
#include <optional>
#include <string>

#include "session/session.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using router::BatchOf;
using router::Insert;
using router::kEpoch;
using router::Task;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string At(uint64_t offset) {
  return ToString(Position{kEpoch, offset});
}

std::string ConfigSince(std::string_view since) {
  return R"({"postgres_changes":[{"event":"*","schema":"public","table":"tasks"}],)"
         R"("tidewire":{"positions":true,"since":")" +
         std::string(since) + R"("}})";
}

// Matchers of what a resuming client gets, in order.
auto Recovered(uint64_t head) {
  return HasSubstr(R"("position":")" + At(head) + R"(","recovered":true,"reason":null)");
}
auto NotRecovered(uint64_t head, std::string_view reason) {
  return HasSubstr(R"("position":")" + At(head) + R"(","recovered":false,"reason":")" +
                   std::string(reason) + R"(")");
}
auto Row(uint64_t offset) {
  return AllOf(HasSubstr(R"("position":")" + At(offset) + R"(","data")"),
               HasSubstr(R"("record":{"id":)" + std::to_string(offset) + ","));
}
std::string CaughtUp(uint64_t head) {
  return R"(["1",null,"realtime:room","system",{"extension":"tidewire","status":"ok",)"
         R"("message":"caught_up","channel":"room","position":")" +
         At(head) + R"("}])";
}

class ResumeTest : public ::testing::Test {
 protected:
  // A loop that keeps the last two batches in memory.
  ResumeTest() : loop_("", {.batches_max = 2}) {}

  // `count` changes whose row id is their offset, after offset `after`.
  BatchPtr Rows(uint64_t after, size_t count) {
    std::vector<Change> changes;
    for (size_t i = 1; i <= count; ++i) {
      changes.push_back(
          Insert(loop_.tasks(), Task(static_cast<int64_t>(after + i), "ann", 5, "x")));
    }
    return BatchOf(after + 1, std::move(changes));
  }
  void Publish(size_t batches, size_t changes = 1) {
    while (batches-- > 0) loop_.feed.Publish(Rows(loop_.feed.head().offset, changes));
  }
  // A new client joins with `since`.
  void Resume(std::string_view since) { client_.emplace(loop_).Join(ConfigSince(since)); }

  Loop loop_;
  std::optional<Client> client_;
};

TEST_F(ResumeTest, RecoversFromMemory) {
  Publish(2);
  Resume(At(1));
  EXPECT_THAT(client_->Take(), ElementsAre(Recovered(2), Row(2), CaughtUp(2), kSubscribed));
  EXPECT_THAT(loop_.history.requests, IsEmpty());
  EXPECT_EQ(loop_.metrics.resumed.value(), 1u);
  Publish(1);
  EXPECT_THAT(client_->Take(), ElementsAre(Row(3)));
}

TEST_F(ResumeTest, WithNothingMissedTheVerdictIsRecovered) {
  Publish(1);
  Resume(At(1));
  EXPECT_THAT(client_->Take(), ElementsAre(Recovered(1), CaughtUp(1), kSubscribed));
}

TEST_F(ResumeTest, APositionWithinABatchContinuesThere) {
  Publish(1, 4);
  Resume(At(2));
  EXPECT_THAT(client_->Take(), ElementsAre(Recovered(4), Row(3), Row(4), CaughtUp(4), kSubscribed));
}

TEST_F(ResumeTest, APositionInsideABindingCountsAsWell) {
  Publish(2);
  client_.emplace(loop_).Join(R"({"postgres_changes":[{"table":"tasks","since":")" + At(1) +
                              R"("}],"tidewire":{"positions":true}})");
  EXPECT_THAT(client_->Take(), ElementsAre(Recovered(2), Row(2), CaughtUp(2), kSubscribed));
}

TEST_F(ResumeTest, RecoversFromHistoryAndThenFromMemory) {
  Publish(5);
  Resume(At(1));
  EXPECT_THAT(client_->Take(), IsEmpty()) << "no reply before the verdict is known";
  ASSERT_THAT(loop_.history.requests, SizeIs(1));
  EXPECT_EQ(loop_.history.requests[0].after, 1u);
  loop_.history.Answer(Rows(1, 3));
  EXPECT_THAT(client_->Take(),
              ElementsAre(Recovered(5), Row(2), Row(3), Row(4), Row(5), CaughtUp(5), kSubscribed));
}

TEST_F(ResumeTest, HistoryIsReadOnUntilMemoryTakesOver) {
  Publish(6);
  Resume(At(0));
  loop_.history.Answer(Rows(0, 2));
  ASSERT_THAT(loop_.history.requests, SizeIs(1));
  EXPECT_EQ(loop_.history.requests[0].after, 2u);
  Publish(1);  // Memory moves on meanwhile.
  loop_.history.Answer(Rows(2, 2));
  ASSERT_THAT(loop_.history.requests, SizeIs(1));
  loop_.history.Answer(Rows(4, 1));
  EXPECT_THAT(client_->Take(), ElementsAre(Recovered(7), Row(1), Row(2), Row(3), Row(4), Row(5),
                                           Row(6), Row(7), CaughtUp(7), kSubscribed));
}

TEST_F(ResumeTest, WhatHistoryReadsBeyondTheLoopsHeadComesOnlyOnce) {
  Publish(4);
  Resume(At(0));
  loop_.history.Answer(Rows(0, 6));
  EXPECT_THAT(client_->Take(),
              ElementsAre(Recovered(4), Row(1), Row(2), Row(3), Row(4), CaughtUp(4), kSubscribed));
  Publish(2);
  EXPECT_THAT(client_->Take(), ElementsAre(Row(5), Row(6)));
}

TEST_F(ResumeTest, TrimmedHistoryIsExpired) {
  Publish(4);
  Resume(At(1));
  loop_.history.Answer(Fail(ErrorCode::kOutOfRange, "trimmed"));
  EXPECT_THAT(client_->Take(), ElementsAre(NotRecovered(4, "expired"), kSubscribed));
  EXPECT_EQ(loop_.metrics.not_resumed.value(), 1u);
  Publish(1);
  EXPECT_THAT(client_->Take(), ElementsAre(Row(5)));
}

TEST_F(ResumeTest, HistoryThatCannotBeReadIsUnavailable) {
  Publish(4);
  Resume(At(1));
  loop_.history.Answer(Fail(ErrorCode::kUnavailable, "busy"));
  EXPECT_THAT(client_->Take(), ElementsAre(NotRecovered(4, "unavailable"), kSubscribed));
}

TEST_F(ResumeTest, AnotherEpochIsToldSo) {
  Publish(2);
  Resume(ToString(Position{kEpoch + 1, 1}));
  EXPECT_THAT(client_->Take(), ElementsAre(NotRecovered(2, "epoch_changed"), kSubscribed));
}

TEST_F(ResumeTest, WhatIsNoPositionIsUnknown) {
  Publish(1);
  for (const char* since : {"x", "0000000000c0ffee", "0000000000c0ffee:-1", "0000000000C0FFEE:1"}) {
    Resume(since);
    EXPECT_THAT(client_->Take(), ElementsAre(NotRecovered(1, "unknown_position"), kSubscribed))
        << since;
  }
}

TEST_F(ResumeTest, APositionAheadOfTheLoopWaitsForItAndRecovers) {
  Publish(1);
  Resume(At(3));
  loop_.Advance(seconds{1});
  Publish(1);
  EXPECT_THAT(client_->Take(), IsEmpty());
  Publish(1, 3);
  EXPECT_THAT(client_->Take(), ElementsAre(Recovered(5), Row(4), Row(5), CaughtUp(5), kSubscribed));
  loop_.Advance(seconds{5});
  Publish(1);
  EXPECT_THAT(client_->Take(), ElementsAre(Row(6)));
}

TEST_F(ResumeTest, APositionThatNeverComesIsUnknownAfterTwoSeconds) {
  Publish(1);
  Resume(At(3));
  loop_.Advance(seconds{2} - std::chrono::milliseconds{1});
  EXPECT_THAT(client_->Take(), IsEmpty());
  loop_.Advance(std::chrono::milliseconds{300});
  EXPECT_THAT(client_->Take(), ElementsAre(NotRecovered(1, "unknown_position"), kSubscribed));
  Publish(3);  // That the position comes later is of no interest any more.
  EXPECT_THAT(client_->Take(), ElementsAre(Row(2), Row(3), Row(4)));
}

TEST_F(ResumeTest, AChannelThatIsGoneWaitsForNothing) {
  Publish(4);
  Resume(At(9));
  client_->Say(R"(["1","2","realtime:room","phx_leave",{}])");
  EXPECT_THAT(client_->Take(), SizeIs(2));
  Publish(5);
  EXPECT_THAT(client_->Take(), IsEmpty());
  EXPECT_EQ(loop_.timers.armed(), 0u);
}

TEST_F(ResumeTest, MoreChangesThanTheLimitAreTooMany) {
  loop_.limits.replay_changes_max = 3;
  Publish(5);
  Resume(At(2));
  ASSERT_THAT(loop_.history.requests, SizeIs(1));
  EXPECT_EQ(loop_.history.requests[0].changes_max, 4u);
  loop_.history.Answer(Rows(2, 3));
  EXPECT_THAT(client_->Take(),
              ElementsAre(Recovered(5), Row(3), Row(4), Row(5), CaughtUp(5), kSubscribed));
  Resume(At(1));
  loop_.history.Answer(Rows(1, 4));
  EXPECT_THAT(client_->Take(), ElementsAre(NotRecovered(5, "too_many"), kSubscribed));
  Publish(1);
  EXPECT_THAT(client_->Take(), ElementsAre(Row(6)));
}

TEST_F(ResumeTest, MoreInMemoryThanTheLimitIsTooMany) {
  loop_.limits.replay_changes_max = 3;
  Publish(2, 2);
  Resume(At(0));
  EXPECT_THAT(client_->Take(), ElementsAre(NotRecovered(4, "too_many"), kSubscribed));
}

TEST_F(ResumeTest, MoreBytesThanTheLimitAreTooMany) {
  loop_.limits.replay_bytes_max = Rows(0, 2)->bytes;
  Publish(3);
  Resume(At(1));
  EXPECT_THAT(client_->Take().front(), Recovered(3));
  Resume(At(0));
  loop_.history.Answer(Rows(0, 2));
  EXPECT_THAT(client_->Take(), ElementsAre(NotRecovered(3, "too_many"), kSubscribed));
}

TEST_F(ResumeTest, AChannelMayGoWhileItsHistoryIsRead) {
  Publish(4);
  Resume(At(1));
  client_->Say(R"(["1","2","realtime:room","phx_leave",{}])");
  EXPECT_THAT(client_->Take(), SizeIs(2));
  loop_.history.Answer(Rows(1, 3));
  EXPECT_THAT(client_->Take(), IsEmpty());

  Resume(At(1));
  client_.reset();
  loop_.history.Answer(Rows(1, 3));
  EXPECT_EQ(loop_.feed.router().members(), 0u);
}

TEST_F(ResumeTest, WhileHistoryIsReadNoNewRowOvertakesTheOldOnes) {
  Publish(4);
  Resume(At(1));
  Publish(1);
  EXPECT_THAT(client_->Take(), IsEmpty());
  loop_.history.Answer(Rows(1, 3));
  EXPECT_THAT(client_->Take(),
              ElementsAre(Recovered(5), Row(2), Row(3), Row(4), Row(5), CaughtUp(5), kSubscribed));
}

TEST_F(ResumeTest, ReplayShowsOnlyWhatTheReaderMaySee) {
  Loop loop(router::kOwnersOnly);
  loop.Publish({Insert(loop.tasks(), Task(1, "ann", 5, "x")),
                Insert(loop.tasks(), Task(2, "bob", 5, "x")),
                Insert(loop.tasks(), Task(3, "ann", 5, "x"))});
  Client client(loop);
  client.Join(ConfigSince(At(0)));
  EXPECT_THAT(client.Take(), ElementsAre(Recovered(3), Row(1), Row(3), CaughtUp(3), kSubscribed));
}

TEST_F(ResumeTest, ATokenThatIsRenewedDuringTheReadDecidesTheReplay) {
  Loop loop(router::kOwnersOnly, {.batches_max = 1});
  const auto batch = [&](uint64_t first) {
    return BatchOf(first, {Insert(loop.tasks(), Task(static_cast<int64_t>(first), "bob", 5, "x"))});
  };
  loop.feed.Publish(batch(1));
  loop.feed.Publish(batch(2));
  Client client(loop);
  client.Join(ConfigSince(At(0)), MintFor(R"({"role":"anon","exp":1767326645})"));
  client.Say(R"(["1","9","realtime:room","access_token",{"access_token":")" + TokenOf("bob") +
             R"("}])");
  EXPECT_THAT(client.Take(), IsEmpty());
  loop.history.Answer(batch(1));
  EXPECT_THAT(client.Take(), ElementsAre(Recovered(2), Row(1), Row(2), CaughtUp(2), kSubscribed));
}

}  // namespace
}  // namespace tw::session
