#include "router/broadcast_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "telemetry/metrics.h"

namespace tw::router {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

constexpr uint64_t kEpoch = 7;

class BroadcastHistoryTest : public ::testing::Test {
 protected:
  BroadcastHistory& history() {
    if (!history_) history_.emplace(kEpoch, options_, registry_);
    return *history_;
  }
  uint64_t Say(std::string topic, std::string payload = R"({"n":1})") {
    return history()
        .Append({.topic = "realtime:" + topic, .payload = std::move(payload)}, now_)
        ->position.offset;
  }
  HistoryAnswer After(std::string topic, uint64_t offset, uint64_t epoch = kEpoch) {
    return history().Read({.topic = "realtime:" + topic, .after = Position{epoch, offset}}, now_);
  }
  static std::vector<uint64_t> OffsetsOf(const HistoryAnswer& answer) {
    std::vector<uint64_t> offsets;
    for (const auto& message : answer.messages) offsets.push_back(message->position.offset);
    return offsets;
  }

  telemetry::Registry registry_;
  HistoryOptions options_;
  WallTime now_{seconds{1'800'000'000}};
  std::optional<BroadcastHistory> history_;
};

TEST_F(BroadcastHistoryTest, GivesAllThatFollowedAPosition) {
  const uint64_t first = Say("a");
  const uint64_t second = Say("a");
  Say("b");
  const uint64_t third = Say("a");
  const HistoryAnswer answer = After("a", first);
  EXPECT_THAT(answer.recovered, Optional(true));
  EXPECT_THAT(OffsetsOf(answer), ElementsAre(second, third));
  EXPECT_EQ(answer.head, (Position{kEpoch, third}));
}

TEST_F(BroadcastHistoryTest, APositionOfAQuietTopicStaysGood) {
  Say("a");
  const uint64_t elsewhere = Say("b");
  const HistoryAnswer answer = After("nobody-spoke-here", elsewhere);
  EXPECT_THAT(answer.recovered, Optional(true));
  EXPECT_THAT(answer.messages, IsEmpty());
}

TEST_F(BroadcastHistoryTest, NeverGivesAPart) {
  options_.limits.messages_max = 2;
  const uint64_t first = Say("a");
  const uint64_t second = Say("a");
  Say("a");
  Say("a");
  EXPECT_THAT(After("a", first).recovered, Optional(false));
  EXPECT_EQ(After("a", first).reason, "expired");
  EXPECT_THAT(After("a", first).messages, IsEmpty());
  EXPECT_THAT(After("a", second).recovered, Optional(true));
  EXPECT_THAT(After("a", second).messages, SizeIs(2));
}

TEST_F(BroadcastHistoryTest, ForgetsByAgeAndByBytes) {
  options_.limits.age_max = seconds{10};
  const uint64_t first = Say("a");
  now_ += seconds{11};
  EXPECT_THAT(After("a", first - 1).recovered, Optional(false));
  options_.limits.bytes_max = 2'000;
  history_.reset();
  for (int i = 0; i < 5; ++i) Say("a", "{\"x\":\"" + std::string(600, 'x') + "\"}");
  EXPECT_LE(history().bytes(), 2'000u);
}

TEST_F(BroadcastHistoryTest, TellsOtherEpochsAndTheFutureApart) {
  const uint64_t first = Say("a");
  EXPECT_EQ(After("a", first, kEpoch + 1).reason, "epoch_changed");
  EXPECT_EQ(After("a", first + 1).reason, "unknown_position");
}

TEST_F(BroadcastHistoryTest, AForgottenTopicIsHonest) {
  options_.total_bytes_max = 1'000;
  const uint64_t first = Say("a", "{\"x\":\"" + std::string(600, 'x') + "\"}");
  Say("b", "{\"x\":\"" + std::string(600, 'x') + "\"}");
  EXPECT_EQ(history().topics(), 1u);
  EXPECT_EQ(After("a", first - 1).reason, "expired");
  EXPECT_THAT(After("a", first).recovered, Optional(true));
}

TEST_F(BroadcastHistoryTest, ATopicWithoutHistoryIsGoodOnlyWhileNobodySpeaks) {
  options_.classes = {{.pattern = "typing:*", .limits = {.messages_max = 0}}};
  const uint64_t first = Say("typing:1");
  EXPECT_THAT(After("typing:1", first).recovered, Optional(true));
  Say("typing:1");
  EXPECT_EQ(After("typing:1", first).reason, "expired");
  EXPECT_EQ(history().topics(), 0u);
}

TEST_F(BroadcastHistoryTest, ClassesAreFoundByNameOrBeginning) {
  options_.classes = {{.pattern = "room", .limits = {.messages_max = 1}},
                      {.pattern = "room:*", .limits = {.messages_max = 2}}};
  for (const char* topic : {"room", "room:1", "rooms"}) {
    for (int i = 0; i < 4; ++i) Say(topic);
  }
  const auto kept = [&](std::string topic) {
    return history()
        .Read({.topic = "realtime:" + topic, .since = WallTime{}, .limit = 100}, now_)
        .messages.size();
  };
  EXPECT_EQ(kept("room"), 1u);
  EXPECT_EQ(kept("room:1"), 2u);
  EXPECT_EQ(kept("rooms"), 4u);
}

TEST_F(BroadcastHistoryTest, ReplaysTheNewestSinceATimeInOrder) {
  Say("a");
  now_ += seconds{1};
  const WallTime since = now_;
  Say("a");
  const uint64_t second = Say("a");
  const uint64_t third = Say("a");
  const auto answer =
      history().Read({.topic = "realtime:a", .since = since, .limit = 2}, now_);
  EXPECT_THAT(OffsetsOf(answer), ElementsAre(second, third));
  EXPECT_FALSE(answer.recovered.has_value());
}

TEST_F(BroadcastHistoryTest, BusesOfOneNameAreSeparate) {
  history().Append({.topic = "realtime:a", .payload = "{}", .bus = Bus::kPrivate}, now_);
  EXPECT_THAT(history().Read({.topic = "realtime:a", .since = WallTime{}, .limit = 9}, now_)
                  .messages,
              IsEmpty());
}

}  // namespace
}  // namespace tw::router
