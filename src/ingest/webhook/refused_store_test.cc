#include "ingest/webhook/refused_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_clock.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using testing::IsOk;
using testing::IsOkAndHolds;

class RefusedStoreTest : public ::testing::Test {
 protected:
  RefusedStoreTest() : database_(std::move(*sqlite::Database::Open(":memory:"))) {}

  std::unique_ptr<RefusedStore> Make(const RefusedLimits& limits) {
    auto made = RefusedStore::Create(database_, clock_, metrics_, limits);
    EXPECT_THAT(made, IsOk());
    return std::move(*made);
  }
  Delivery Make(std::string body) {
    Delivery delivery;
    delivery.source = "outreach";
    delivery.received_at = clock_.Wall();
    delivery.headers = {{"content-type", "application/json"}};
    delivery.body = std::move(body);
    return delivery;
  }
  int64_t Count() { return *database_.QueryInt("select count(*) from tidewire_refused"); }

  testing::FakeClock clock_;
  telemetry::Registry metrics_;
  sqlite::Database database_;
};

TEST_F(RefusedStoreTest, KeepsWhatWasRefusedAcrossRestarts) {
  const auto store = Make(RefusedLimits{});
  ASSERT_THAT(store->Keep(Make("{\"a\":1}"), "mismatch"), IsOk());
  EXPECT_THAT(database_.QueryText("select body from tidewire_refused"),
              IsOkAndHolds("{\"a\":1}"));
  EXPECT_THAT(database_.QueryText("select reason from tidewire_refused"),
              IsOkAndHolds("mismatch"));
  EXPECT_EQ(Make(RefusedLimits{})->bytes(), store->bytes());
}

TEST_F(RefusedStoreTest, OldestGoWhenBytesRunOut) {
  const uint64_t one = DeliveryBytes(Make(std::string(1'000, 'x')));
  const auto store = Make(RefusedLimits{.bytes_max = 3 * one});
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(store->Keep(Make(std::string(1'000, static_cast<char>('a' + i))), "mismatch"),
                IsOk());
  }
  EXPECT_EQ(Count(), 3);
  EXPECT_LE(store->bytes(), 3 * one);
  EXPECT_THAT(database_.QueryText("select substr(body, 1, 1) from tidewire_refused order by id"),
              IsOkAndHolds("c"));
}

TEST_F(RefusedStoreTest, FloodIsCountedOnly) {
  const auto store = Make(RefusedLimits{.per_second_max = 2});
  for (int i = 0; i < 10; ++i) ASSERT_THAT(store->Keep(Make("x"), "missing"), IsOk());
  EXPECT_EQ(Count(), 2);
  clock_.Advance(std::chrono::seconds{1});
  ASSERT_THAT(store->Keep(Make("x"), "missing"), IsOk());
  EXPECT_EQ(Count(), 3);
}

TEST_F(RefusedStoreTest, TrimRemovesTheOld) {
  const auto store = Make(RefusedLimits{.keep = std::chrono::hours{1}});
  ASSERT_THAT(store->Keep(Make("old"), "missing"), IsOk());
  clock_.Advance(std::chrono::hours{2});
  ASSERT_THAT(store->Keep(Make("new"), "missing"), IsOk());
  ASSERT_THAT(store->Trim(), IsOk());
  EXPECT_THAT(database_.QueryText("select body from tidewire_refused"), IsOkAndHolds("new"));
}

}  // namespace
}  // namespace tw::ingest
