#include "store/store.h"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sqlite/sim_vfs.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "testing/sim_storage.h"

namespace tw::store {
namespace {

using ::tw::testing::IsOk;
using ::tw::testing::IsOkAndHolds;

// kill -9 after a failed sync, then a commit, then a power cut.
TEST(StoreDurabilityTest, AFailedSyncBeforeAKillTakesNoLaterCommitWithIt) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    testing::FakeClock clock;
    testing::SimStorage disk(random);
    const auto in_life = [&](const std::function<void(Store&)>& live) {
      sqlite::SimVfs vfs(disk, clock, random);
      auto store = Store::Open("store.db", {.vfs = vfs.name(), .exclusive = true}, random);
      ASSERT_THAT(store, IsOk());
      live(**store);
      disk.CutPowerAtCall(1);
    };
    in_life([&](Store& store) {
      EXPECT_THAT(store.ApplySchema("create table t(a)", "test"), IsOk());
      disk.FailCall(1, ErrorCode::kInternal, testing::SimStorage::Call::kSync);
      EXPECT_FALSE(store.database().Execute("insert into t values(1)").ok());
    });
    disk.Kill();
    in_life([&](Store& store) {
      // In the life of the server schema and triggers are written at each start.
      EXPECT_THAT(store.database().Execute("insert into t values(2)"), IsOk());
      EXPECT_THAT(store.database().Execute("insert into t values(3)"), IsOk());
    });
    disk.Crash();
    in_life([&](Store& store) {
      EXPECT_THAT(store.database().QueryInt("select count(*) from t where a > 1"), IsOkAndHolds(2));
    });
  }
}

}  // namespace
}  // namespace tw::store
