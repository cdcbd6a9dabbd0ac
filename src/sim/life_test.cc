#include "sim/life.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/dev.h"
#include "sim/provider.h"
#include "telemetry/log.h"
#include "testing/matchers.h"

namespace tw::sim {
namespace {

using ::tw::testing::IsOk;

class LifeTest : public ::testing::Test, public Life::Observer {
 protected:
  LifeTest() {
    telemetry::SetLogSink([](std::string_view) {});
    auto loaded = app::LoadConfiguration(*app::EmbeddedExample(), "tidewire.yaml",
                                         app::ProcessEnvironment(app::DevEnvironment()));
    TW_CHECK(loaded.ok());
    configuration_ = std::move(*loaded);
    // Named queries read on connections of their own, which a database that is held alone does not
    // admit.
    configuration_.main.queries.items.clear();
  }
  ~LifeTest() override { telemetry::SetLogSink(nullptr); }

  void OnHookReply(uint64_t, int status, uint64_t) override { statuses_[status]++; }
  void OnCommitted(const Batch&) override {}

  void Start() {
    auto life = Life::Start(machine_, {}, seams_, *this);
    ASSERT_THAT(life, IsOk());
    life_ = std::move(*life);
  }
  void Kill() {
    machine_.storage.CutPowerAtCall(1);
    life_.reset();
    machine_.storage.Kill();
  }
  // One more delivery, through everything.
  void Deliver() {
    provider_.Happen();
    while (const auto attempt = provider_.NextAttempt()) {
      life_->Post(0, attempt->request, "dev", attempt->body);
    }
    life_->PumpInbox();
    machine_.clock.Advance(std::chrono::seconds{2});
    for (;;) {
      const auto more = life_->TurnStore();
      ASSERT_THAT(more, IsOk());
      if (!*more) break;
    }
    life_->RunLoop(0, SIZE_MAX);
  }

  app::Configuration configuration_;
  Machine machine_{7, configuration_};
  Seams seams_;
  Provider provider_{machine_.clock, machine_.random, "dev"};
  std::map<int, int> statuses_;
  std::unique_ptr<Life> life_;
};

TEST_F(LifeTest, DeliveriesAreAnsweredOnceAndApplied) {
  Start();
  for (int i = 0; i < 5; ++i) Deliver();
  EXPECT_EQ(life_->applied_sequence(), life_->durable_head());
  EXPECT_EQ(statuses_[200], static_cast<int>(life_->durable_head()));
}

TEST_F(LifeTest, AStoreThatWasRemovedGoesOnWithWhatTheInboxStillHolds) {
  Start();
  for (int i = 0; i < 200; ++i) Deliver();
  const uint64_t applied = life_->applied_sequence();
  ASSERT_GE(applied, 200u);
  Kill();
  for (const char* file : {"tidewire.db", "tidewire.db-wal"}) machine_.storage.Erase(file);
  Start();
  EXPECT_EQ(life_->applied_sequence(), 0u);
  for (int i = 0; i < 200; ++i) Deliver();
  EXPECT_GT(life_->applied_sequence(), applied);
  EXPECT_EQ(life_->applied_sequence(), life_->durable_head());
}

}  // namespace
}  // namespace tw::sim
