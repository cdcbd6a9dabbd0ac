#include "sqlite/sim_vfs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "sqlite/sqlite.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"

namespace tw::sqlite {
namespace {

using testing::FailsWith;
using testing::FakeClock;
using testing::IsOk;
using testing::IsOkAndHolds;
using testing::SimStorage;

using Rows = std::map<int64_t, std::string>;

struct World {
  explicit World(uint64_t seed) : random(seed), disk(random), vfs(disk, clock, random) {}
  Result<Database> Open() {
    return Database::Open("store.db", {.vfs = vfs.name(), .exclusive = true});
  }

  SeededRandom random;
  FakeClock clock;
  SimStorage disk;
  SimVfs vfs;
};

Status Prepare(Database& database) {
  TW_RETURN_IF_ERROR(database.Execute("pragma wal_autocheckpoint=12"));
  return database.Execute("create table if not exists t(k integer primary key, v text)");
}

// One transaction of random changes to `rows` and to the database. `committing` tells whether
// COMMIT was reached: from there on a failure leaves either state.
Status RandomTransaction(Random& random, Database& database, Rows& rows, bool& committing) {
  TW_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(database));
  for (uint64_t i = 0, changes = 1 + random.Below(12); i < changes; ++i) {
    const auto key = static_cast<int64_t>(random.Below(40));
    const bool insert = random.Percent(70);
    TW_ASSIGN_OR_RETURN(Statement statement,
                        database.Prepare(insert ? "insert or replace into t values (?, ?)"
                                                : "delete from t where k = ?"));
    std::string value;
    statement.BindInt(1, key);
    if (insert) {
      value = random.Hex(1 + random.Below(1500));
      statement.BindText(2, value);
    }
    TW_RETURN_IF_ERROR(statement.Run());
    if (insert) {
      rows[key] = value;
    } else {
      rows.erase(key);
    }
  }
  committing = true;
  return transaction.Commit();
}

Result<Rows> ReadAll(Database& database) {
  TW_ASSIGN_OR_RETURN(Statement statement, database.Prepare("select k, v from t"));
  Rows rows;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, statement.Step());
    if (!row) return rows;
    rows[statement.ColumnInt(0)] = std::string(statement.ColumnText(1));
  }
}

// Works until the power goes; returns what the next life may find.
std::vector<Rows> LiveUntilPowerCut(World& world, Rows rows) {
  world.disk.CutPowerAtCall(1 + world.random.Below(160));
  auto database = world.Open();
  if (!database.ok() || !Prepare(*database).ok()) return {rows};
  for (;;) {
    Rows after = rows;
    bool committing = false;
    const bool rolls_back = world.random.Percent(10);
    const Status done = rolls_back ? database->Execute("begin immediate; delete from t; rollback")
                                   : RandomTransaction(world.random, *database, after, committing);
    if (!done.ok()) return committing ? std::vector{rows, after} : std::vector{rows};
    if (!rolls_back) rows = after;
    if (world.random.Percent(5) && !database->Execute("pragma wal_checkpoint(truncate)").ok()) {
      return {rows};
    }
  }
}

TEST(SimVfsTest, CommittedDataSurvivesPowerCutsAndUncommittedNever) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    Rows rows;
    for (int life = 0; life < 4; ++life) {
      const std::vector<Rows> possible = LiveUntilPowerCut(world, rows);
      world.disk.Crash();
      auto database = world.Open();
      ASSERT_THAT(database, IsOk());
      ASSERT_THAT(database->QueryText("pragma integrity_check"), IsOkAndHolds("ok"));
      ASSERT_THAT(Prepare(*database), IsOk());
      const auto found = ReadAll(*database);
      ASSERT_THAT(found, IsOk());
      ASSERT_THAT(possible, ::testing::Contains(*found));
      rows = *found;
    }
  }
}

TEST(SimVfsTest, KilledProcessLosesNothingCommitted) {
  World world(7);
  {
    auto database = world.Open();
    ASSERT_THAT(database, IsOk());
    ASSERT_THAT(Prepare(*database), IsOk());
    ASSERT_THAT(database->Execute("insert into t values (1, 'x')"), IsOk());
    world.disk.Kill();
  }
  auto database = world.Open();
  ASSERT_THAT(database, IsOk());
  EXPECT_THAT(database->QueryText("select v from t"), IsOkAndHolds("x"));
}

TEST(SimVfsTest, WithoutFullSynchronousAPowerCutLosesCommits) {
  // The model must be able to hurt: otherwise the tests above prove nothing.
  int lost = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    World world(seed);
    const OpenOptions careless{
        .durability = Durability::kOff, .vfs = world.vfs.name(), .exclusive = true};
    {
      auto database = Database::Open("store.db", careless);
      ASSERT_THAT(database, IsOk());
      ASSERT_THAT(Prepare(*database), IsOk());
      ASSERT_THAT(database->Execute("insert into t values (1, 'x')"), IsOk());
      world.disk.Crash();
    }
    auto database = world.Open();
    if (!database.ok() || !database->QueryText("select v from t").ok()) ++lost;
  }
  EXPECT_GT(lost, 0);
}

TEST(SimVfsTest, FaultAtEveryCallInTurnLeavesASoundDatabase) {
  for (const ErrorCode code : {ErrorCode::kInternal, ErrorCode::kResourceExhausted}) {
    for (uint64_t nth = 1;; ++nth) {
      SCOPED_TRACE("call " + std::to_string(nth));
      World world(nth);
      world.disk.FailCall(nth, code);
      std::vector<Rows> possible = {{}};
      if (auto database = world.Open(); database.ok() && Prepare(*database).ok()) {
        for (int i = 0; i < 4; ++i) {
          Rows after = possible.back();
          bool committing = false;
          const Status done = RandomTransaction(world.random, *database, after, committing);
          if (done.ok()) possible = {after};
          if (!done.ok() && committing) possible.push_back(after);
          if (!done.ok()) break;
        }
      }
      const bool hit = world.disk.fault_hit();
      world.disk.Crash();
      auto database = world.Open();
      ASSERT_THAT(database, IsOk());
      ASSERT_THAT(database->QueryText("pragma integrity_check"), IsOkAndHolds("ok"));
      ASSERT_THAT(Prepare(*database), IsOk());
      const auto found = ReadAll(*database);
      ASSERT_THAT(found, IsOk());
      ASSERT_THAT(possible, ::testing::Contains(*found));
      if (!hit) break;
    }
  }
}

TEST(SimVfsTest, ErrorsOfTheDiskHaveTheirCodes) {
  World world(1);
  auto database = world.Open();
  ASSERT_THAT(database, IsOk());
  ASSERT_THAT(Prepare(*database), IsOk());
  world.disk.SetCapacity(world.disk.used_bytes());
  EXPECT_THAT(database->Execute("insert into t values (1, hex(randomblob(9000)))"),
              FailsWith(ErrorCode::kResourceExhausted));
  world.disk.SetCapacity(UINT64_MAX);
  EXPECT_THAT(database->Execute("insert into t values (1, 'x')"), IsOk());
  world.disk.FailCall(1, ErrorCode::kInternal, SimStorage::Call::kSync);
  EXPECT_THAT(database->Execute("insert into t values (2, 'x')"), FailsWith(ErrorCode::kInternal));
}

TEST(SimVfsTest, ASecondConnectionIsRefused) {
  World world(1);
  auto first = world.Open();
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(Prepare(*first), IsOk());
  auto second = Database::Open("store.db",
                               {.vfs = world.vfs.name(), .exclusive = true, .busy_timeout_ms = 1});
  EXPECT_THAT(second, FailsWith(ErrorCode::kUnavailable));
}

TEST(SimVfsTest, TimeAndRandomnessAreTheCallers) {
  World world(1);
  auto database = world.Open();
  ASSERT_THAT(database, IsOk());
  EXPECT_THAT(database->QueryText("select strftime('%Y-%m-%dT%H:%M:%S', 'now')"),
              IsOkAndHolds("2026-01-02T03:04:05"));
  world.clock.Advance(std::chrono::seconds{2});
  EXPECT_THAT(database->QueryText("select strftime('%S', 'now')"), IsOkAndHolds("07"));
}

}  // namespace
}  // namespace tw::sqlite
