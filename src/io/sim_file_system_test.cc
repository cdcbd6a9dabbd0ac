#include "io/sim_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "testing/matchers.h"

namespace tw::io {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using testing::IsOk;
using testing::IsOkAndHolds;
using testing::SimStorage;
using OpenMode = FileSystem::OpenMode;

// The contents of "f" after a crash with "old" durable and "NEW" written over it.
std::string AfterCrash(uint64_t seed, bool synced) {
  SeededRandom random(seed);
  SimStorage disk(random);
  const auto files = MakeSimFileSystem(disk);
  auto file = files->Open("f", OpenMode::kCreate);
  EXPECT_THAT(file, IsOk());
  EXPECT_THAT((*file)->WriteAt(0, std::string_view("old")), IsOk());
  EXPECT_THAT((*file)->Sync(), IsOk());
  EXPECT_THAT(files->SyncDirectory(""), IsOk());
  EXPECT_THAT((*file)->WriteAt(0, std::string_view("NEW")), IsOk());
  if (synced) {
    EXPECT_THAT((*file)->Sync(), IsOk());
  }
  disk.Crash();
  EXPECT_THAT((*file)->ReadAt(0, 3), FailsWith(ErrorCode::kInternal));
  auto again = files->Open("f", OpenMode::kRead);
  EXPECT_THAT(again, IsOk());
  return (*again)->ReadAt(0, 3).value_or("");
}

TEST(SimFileSystemTest, UnsyncedWritesAreKeptDroppedOrTorn) {
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    EXPECT_EQ(AfterCrash(seed, true), "NEW");
    seen.insert(AfterCrash(seed, false));
    EXPECT_EQ(AfterCrash(seed, false), AfterCrash(seed, false)) << "not repeatable: " << seed;
  }
  EXPECT_THAT(seen, ElementsAre("NEW", "NEd", "Nld", "old"));
}

TEST(SimFileSystemTest, UnsyncedEntriesMayVanish) {
  std::set<std::vector<std::string>> seen;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SeededRandom random(seed);
    SimStorage disk(random);
    const auto files = MakeSimFileSystem(disk);
    ASSERT_THAT(files->CreateDirectory("d"), IsOk());
    ASSERT_THAT(files->Open("d/a", OpenMode::kCreate), IsOk());
    ASSERT_THAT(files->SyncDirectory("d"), IsOk());
    ASSERT_THAT(files->Rename("d/a", "d/b"), IsOk());
    ASSERT_THAT(files->Open("d/c", OpenMode::kCreate), IsOk());
    disk.Crash();
    seen.insert(files->List("d").value_or(std::vector<std::string>{}));
  }
  EXPECT_THAT(seen, ElementsAre(ElementsAre("a"), ElementsAre("b"), ElementsAre("b", "c")));
}

TEST(SimFileSystemTest, AKillKeepsWhatWasWrittenButMakesNothingDurable) {
  bool lost = false;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom random(seed);
    SimStorage disk(random);
    const auto files = MakeSimFileSystem(disk);
    {
      auto file = files->Open("f", OpenMode::kCreate);
      ASSERT_THAT(file, IsOk());
      ASSERT_THAT((*file)->WriteAt(0, std::string_view("abc")), IsOk());
    }
    disk.Kill();
    auto file = files->Open("f", OpenMode::kRead);
    ASSERT_THAT(file, IsOk());
    EXPECT_THAT((*file)->ReadAt(0, 3), IsOkAndHolds("abc"));
    disk.Crash();
    lost = lost || !files->Open("f", OpenMode::kRead).ok();
  }
  EXPECT_TRUE(lost);
}

TEST(SimFileSystemTest, AfterAFailedSyncALaterSyncSavesNothing) {
  bool lost = false;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom random(seed);
    SimStorage disk(random);
    const auto files = MakeSimFileSystem(disk);
    auto file = files->Open("f", OpenMode::kCreate);
    ASSERT_THAT(file, IsOk());
    ASSERT_THAT(files->SyncDirectory(""), IsOk());
    ASSERT_THAT((*file)->WriteAt(0, std::string_view("abc")), IsOk());
    disk.FailCall(1, ErrorCode::kInternal, SimStorage::Call::kSync);
    EXPECT_THAT((*file)->Sync(), FailsWith(ErrorCode::kInternal));
    EXPECT_THAT((*file)->Sync(), IsOk());
    EXPECT_THAT((*file)->ReadAt(0, 3), IsOkAndHolds("abc"));
    disk.Crash();
    auto again = files->Open("f", OpenMode::kRead);
    ASSERT_THAT(again, IsOk());
    lost = lost || (*again)->Size().value_or(0) == 0;
  }
  EXPECT_TRUE(lost);
}

TEST(SimFileSystemTest, AFullDiskRefusesGrowthOnly) {
  SeededRandom random(1);
  SimStorage disk(random);
  disk.SetCapacity(10);
  const auto files = MakeSimFileSystem(disk);
  auto file = files->Open("f", OpenMode::kCreate);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->Allocate(10), IsOk());
  EXPECT_THAT((*file)->Allocate(11), FailsWith(ErrorCode::kResourceExhausted));
  EXPECT_THAT((*file)->WriteAt(9, std::string_view("xy")),
              FailsWith(ErrorCode::kResourceExhausted));
  EXPECT_THAT((*file)->WriteAt(9, std::string_view("x")), IsOk());
  ASSERT_THAT(files->Space(), IsOk());
  EXPECT_EQ(files->Space()->free_bytes, 0u);
}

TEST(SimFileSystemTest, EveryCallFailsOnce) {
  std::vector<uint64_t> failed;
  const uint64_t runs =
      FailEveryCallInTurn(1, ErrorCode::kInternal, [&](SimStorage& disk, uint64_t nth) {
        const auto files = MakeSimFileSystem(disk);
        auto file = files->Open("f", OpenMode::kCreate);
        if (!file.ok() || !(*file)->WriteAt(0, std::string_view("abc")).ok() ||
            !(*file)->Sync().ok()) {
          failed.push_back(nth);
        }
      });
  EXPECT_EQ(runs, 4u);
  EXPECT_THAT(failed, ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace tw::io
