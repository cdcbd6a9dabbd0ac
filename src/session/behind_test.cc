// Clients that take too little: what each kind of channel gets then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/test_support.h"

namespace tw::session {
namespace {

using protocol::SlowPolicy;
using router::Task;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// A connection with room for so many frames, which asks its session about more as a real one does.
class NarrowTransport final : public Transport {
 public:
  void OnFrame(const io::SharedBytes& frame) override {
    if (lagging_ || (texts_.size() >= room && !session->replaying())) {
      const Excess outcome = session->OnExcess(frame);
      if (outcome == Excess::kCut) {
        cut = true;
        return;
      }
      lagging_ = true;
      if (outcome == Excess::kDrop) return;
    }
    texts_.push_back(router::TextOf(frame));
    most = std::max(most, texts_.size());
  }
  bool Congested() override {
    waits_ |= texts_.size() >= room / 2;
    return texts_.size() >= room / 2;
  }
  void CloseWith(uint16_t code, std::string_view) override { close_code = code; }

  void EndTurn() {
    if (std::exchange(lagging_, false)) session->Resync();
  }
  // Its client reads all that there is, again and again.
  std::vector<std::string> ReadAll() {
    std::vector<std::string> all;
    for (;;) {
      EndTurn();
      for (std::string& text : std::exchange(texts_, {})) all.push_back(std::move(text));
      if (!std::exchange(waits_, false)) break;
      session->OnDrained();
    }
    return all;
  }

  size_t room = 8;
  size_t most = 0;  // Frames that waited at a time.
  bool cut = false;
  std::optional<uint16_t> close_code;
  Session* session = nullptr;

 private:
  std::vector<std::string> texts_;
  bool lagging_ = false;
  bool waits_ = false;
};

struct NarrowClient {
  explicit NarrowClient(TestLoop& loop)
      : session(*loop.services, transport, protocol::Version::kV2, loop.ClaimsOf(loop.Token(1))) {
    transport.session = &session;
  }
  std::vector<std::string> Say(std::string_view text) {
    session.OnText(text);
    return transport.ReadAll();
  }
  NarrowTransport transport;
  Session session;
};

std::string JoinRoom(std::string_view broadcast, std::string_view presence = "false") {
  return R"(["1","1","realtime:room","phx_join",{"config":{"broadcast":)" + std::string(broadcast) +
         R"(,"presence":{"enabled":)" + std::string(presence) + "}}}]";
}

std::string Hello(std::string_view event, int n) {
  return R"(["1",null,"realtime:room","broadcast",{"type":"broadcast","event":")" +
         std::string(event) + R"(","payload":{"n":)" + std::to_string(n) + "}}]";
}

// The number between `before` and what is no digit, of each text that has it.
std::vector<int> Numbers(const std::vector<std::string>& texts, std::string_view before) {
  std::vector<int> numbers;
  for (const std::string& text : texts) {
    const size_t at = text.find(before);
    if (at != std::string::npos) numbers.push_back(std::atoi(text.c_str() + at + before.size()));
  }
  return numbers;
}

std::vector<int> UpTo(int last) {
  std::vector<int> numbers;
  for (int i = 1; i <= last; ++i) numbers.push_back(i);
  return numbers;
}

class BehindTest : public ::testing::Test {
 protected:
  void Insert(int from, int to) {
    for (int i = from; i <= to; ++i) {
      loop_->commits.Insert(Task(i, 1));
      loop_->Commit();
    }
  }
  void Broadcast(Client& from, std::string_view event, int first, int last) {
    for (int n = first; n <= last; ++n) from.Say(Hello(event, n));
  }
  int64_t Conflated() const {
    return static_cast<int64_t>(loop_->session_metrics.conflated.value());
  }

  std::unique_ptr<TestLoop> loop_ = std::make_unique<TestLoop>();
};

TEST_F(BehindTest, RowChangesComeFromTheLogWholeAndInOrder) {
  NarrowClient slow(*loop_);
  slow.Say(JoinTasks("1"));
  Insert(1, 40);
  const auto got = slow.transport.ReadAll();
  EXPECT_EQ(Numbers(got, "\"record\":{\"id\":"), UpTo(40));
  EXPECT_THAT(got.back(), HasSubstr("caught_up"));
  EXPECT_LE(slow.transport.most, slow.transport.room + 1);
  EXPECT_EQ(loop_->session_metrics.behind_resync.value(), 1u);
  Insert(41, 41);
  EXPECT_EQ(Numbers(slow.transport.ReadAll(), "\"record\":{\"id\":"), std::vector{41});
}

TEST_F(BehindTest, WhatLeftTheMemoryComesFromTheLog) {
  loop_ = std::make_unique<TestLoop>(TailLimits{.batches_max = 4});
  NarrowClient slow(*loop_);
  slow.Say(JoinTasks("1"));
  Insert(1, 60);
  auto got = slow.transport.ReadAll();
  for (int i = 0; i < 20 && loop_->history.pending() > 0; ++i) {
    loop_->history.AnswerAll();
    for (auto& text : slow.transport.ReadAll()) got.push_back(std::move(text));
  }
  EXPECT_EQ(Numbers(got, "\"record\":{\"id\":"), UpTo(60));
  EXPECT_THAT(got.back(), HasSubstr("caught_up"));
  EXPECT_EQ(slow.transport.close_code, std::nullopt);
}

TEST_F(BehindTest, AChannelWhoseChangesAreGoneIsAskedToJoinAnew) {
  loop_ = std::make_unique<TestLoop>(TailLimits{.batches_max = 4});
  NarrowClient slow(*loop_);
  slow.Say(JoinTasks("1"));
  Insert(1, 60);
  loop_->history.TrimTo(50);
  slow.transport.ReadAll();
  loop_->history.AnswerAll();
  EXPECT_THAT(slow.transport.ReadAll(),
              ElementsAre(HasSubstr("too slow to catch up: expired"),
                          R"(["1",null,"realtime:a","phx_error",{}])"));
  EXPECT_EQ(loop_->session_metrics.behind_lost.value(), 1u);
  loop_->Advance(std::chrono::seconds{1});
  EXPECT_EQ(slow.session.channels(), 0u);
  EXPECT_FALSE(slow.transport.cut);
  // Its rejoin gets the verdict.
  EXPECT_THAT(slow.Say(JoinTasks("2", Since(8))), IsEmpty());
  loop_->history.AnswerAll();
  EXPECT_THAT(slow.transport.ReadAll(),
              Contains(HasSubstr(R"("recovered":false,"reason":"expired")")));
}

TEST_F(BehindTest, AConflatingChannelGetsTheNewestStateOfEachRow) {
  NarrowClient slow(*loop_);
  slow.Say(JoinTasks("1", R"({"slow":"conflate","positions":true})"));
  Insert(1, 10);  // More than there is room for.
  for (int i = 0; i < 30; ++i) {
    loop_->commits.Update(Task(1, 1, "open", "v" + std::to_string(i)),
                          Task(1, 1, "open", "v" + std::to_string(i + 1)));
    loop_->commits.Update(Task(10, 1, "open", "w"), Task(10, 1, "open", "w" + std::to_string(i)));
    loop_->Commit();
  }
  loop_->commits.Insert(Task(11, 1));
  loop_->Commit();
  loop_->commits.Delete(Task(11, 1)).Delete(Task(2, 1));
  loop_->Commit();
  const auto got = slow.transport.ReadAll();
  // Nine had room; of the tenth its last state came as the insertion that it is for this client.
  EXPECT_EQ(Numbers(got, R"("type":"INSERT","schema":"public","table":"tasks")").size(), 10u);
  EXPECT_THAT(got, Contains(AllOf(HasSubstr(R"("type":"INSERT")"), HasSubstr(R"("id":10)"),
                                  HasSubstr("\"w29\""))));
  EXPECT_EQ(Numbers(got, R"("type":"UPDATE")").size(), 1u);
  EXPECT_THAT(got, Contains(AllOf(HasSubstr(R"("type":"UPDATE")"), HasSubstr("\"v30\""))));
  EXPECT_EQ(Numbers(got, R"("type":"DELETE")").size(), 1u);
  EXPECT_THAT(got, Each(Not(HasSubstr("\"id\":11"))));
  EXPECT_THAT(got.back(), HasSubstr("caught_up"));
  EXPECT_EQ(loop_->session_metrics.behind_conflate.value(), 1u);
  EXPECT_GT(Conflated(), 50);
}

TEST_F(BehindTest, AConflatingChannelRecoversToTheNewestStates) {
  for (int i = 1; i <= 5; ++i) {
    loop_->commits.Insert(Task(i, 1));
    loop_->Commit();
    loop_->commits.Update(Task(i, 1), Task(i, 1, "done"));
    loop_->Commit();
  }
  Client client(*loop_);
  const auto got = client.Say(JoinTasks(
      "1", R"({"slow":"conflate","positions":true,"since":"0000000000000001:0"})"));
  EXPECT_THAT(got[0], HasSubstr(R"("recovered":true)"));
  EXPECT_EQ(Numbers(got, "\"record\":{\"id\":"), UpTo(5));
  EXPECT_EQ(Conflated(), 5);
}

TEST_F(BehindTest, AChannelThatMayNotBeBehindCutsItsConnection) {
  NarrowClient slow(*loop_);
  slow.Say(JoinTasks("1", R"({"slow":"cut"})"));
  Insert(1, 40);
  EXPECT_TRUE(slow.transport.cut);
}

TEST_F(BehindTest, BroadcastsComeFromTheHistoryWholeAndInOrder) {
  Client sender(*loop_);
  NarrowClient slow(*loop_);
  sender.Say(JoinRoom("{}"));
  slow.Say(JoinRoom(R"({"resume":true})"));
  Broadcast(sender, "tick", 1, 20);
  slow.session.OnText(Hello("mine", 0));  // Does not come back to its sender, late or not.
  Broadcast(sender, "tick", 21, 60);
  const auto got = slow.transport.ReadAll();
  EXPECT_EQ(Numbers(got, "\"payload\":{\"n\":"), UpTo(60));
  EXPECT_THAT(got.back(), AllOf(HasSubstr(R"("message":"broadcasts")"),
                                HasSubstr(R"("recovered":true)")));
  EXPECT_FALSE(slow.transport.cut);
  Broadcast(sender, "tick", 61, 61);
  EXPECT_EQ(Numbers(slow.transport.ReadAll(), "\"payload\":{\"n\":"), std::vector{61});
}

TEST_F(BehindTest, MoreBroadcastsThanAreKeptEndTheChannelAndNotItsNeighbours) {
  Client sender(*loop_);
  NarrowClient slow(*loop_);
  sender.Say(JoinRoom("{}"));
  slow.Say(JoinTasks("2"));
  slow.Say(JoinRoom("{}"));
  Broadcast(sender, "tick", 1, 200);  // 100 are kept.
  EXPECT_THAT(slow.transport.ReadAll(), Contains(R"(["1",null,"realtime:room","phx_error",{}])"));
  loop_->Advance(std::chrono::seconds{1});
  EXPECT_EQ(slow.session.channels(), 1u);
  Insert(1, 1);
  EXPECT_THAT(slow.transport.ReadAll(), ElementsAre(HasSubstr("\"id\":1")));
  EXPECT_THAT(slow.Say(JoinRoom("{}")), ElementsAre(HasSubstr("\"ok\"")));
}

TEST_F(BehindTest, AConflatingChannelGetsTheNewestBroadcastOfEachEvent) {
  loop_->limits.slow_classes = {{"other*", SlowPolicy::kCut}, {"ro*", SlowPolicy::kConflate}};
  Client sender(*loop_);
  NarrowClient slow(*loop_);
  sender.Say(JoinRoom("{}"));
  slow.Say(JoinRoom("{}"));
  for (int n = 1; n <= 300; ++n) {
    Broadcast(sender, "a", n, n);
    Broadcast(sender, "b", 1'000 + n, 1'000 + n);
    if (n == 100) slow.transport.EndTurn();  // Behind from here on in both ways.
  }
  EXPECT_EQ(Numbers(slow.transport.ReadAll(), "\"payload\":{\"n\":"),
            (std::vector{1, 1'001, 2, 1'002, 3, 1'003, 4, 1'004, 300, 1'300}));
  EXPECT_EQ(Conflated(), 600 - 10);
  Broadcast(sender, "a", 301, 301);
  EXPECT_EQ(Numbers(slow.transport.ReadAll(), "\"payload\":{\"n\":"), std::vector{301});
}

TEST_F(BehindTest, WhoIsBehindWithPresenceIsToldTheStateAnew) {
  NarrowClient slow(*loop_);
  slow.Say(JoinRoom("{}", "true"));
  std::vector<std::unique_ptr<Client>> others;
  for (int i = 0; i < 30; ++i) {
    others.push_back(std::make_unique<Client>(*loop_));
    others.back()->Say(JoinRoom("{}"));
    others.back()->Say(R"(["1","3","realtime:room","presence",{"type":"presence","event":"track",)"
                       R"("payload":{"n":)" + std::to_string(i) + "}}]");
  }
  const auto got = slow.transport.ReadAll();
  EXPECT_THAT(got, SizeIs(slow.transport.room + 1));
  EXPECT_THAT(got.back(), HasSubstr("presence_state"));
  for (int i = 0; i < 30; ++i) {
    EXPECT_THAT(got.back(), HasSubstr("\"n\":" + std::to_string(i))) << i;
  }
  EXPECT_FALSE(slow.transport.cut);
}

TEST_F(BehindTest, AReplyThatFindsNoRoomCutsTheConnection) {
  NarrowClient slow(*loop_);
  slow.Say(JoinTasks("1"));
  for (int i = 0; i < 20; ++i) {
    slow.session.OnText(R"([null,"9","phoenix","heartbeat",{}])");
  }
  EXPECT_TRUE(slow.transport.cut);
}

}  // namespace
}  // namespace tw::session
