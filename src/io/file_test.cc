#include "io/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "testing/matchers.h"

namespace tw::io {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::Field;
using testing::IsOk;
using testing::IsOkAndHolds;
using OpenMode = FileSystem::OpenMode;

class PosixFileTest : public ::testing::Test {
 protected:
  PosixFileTest() {
    std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
    root_ = mkdtemp(pattern.data());
    files_ = MakePosixFileSystem(root_);
  }
  ~PosixFileTest() override { std::filesystem::remove_all(root_); }

  std::string root_;
  std::unique_ptr<FileSystem> files_;
};

TEST_F(PosixFileTest, WhatIsWrittenIsRead) {
  auto file = files_->Open("a", OpenMode::kCreate);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->WriteAt(3, std::string_view("defg")), IsOk());
  const std::string_view parts[] = {"a", "", "bc"};
  ASSERT_THAT((*file)->WriteAt(0, parts), IsOk());
  ASSERT_THAT((*file)->Sync(), IsOk());
  EXPECT_THAT((*file)->ReadAt(0, 100), IsOkAndHolds("abcdefg"));
  EXPECT_THAT((*file)->ReadAt(5, 1), IsOkAndHolds("f"));
  EXPECT_THAT((*file)->ReadAt(7, 1), IsOkAndHolds(""));
  EXPECT_THAT((*file)->Size(), IsOkAndHolds(7u));
  ASSERT_THAT((*file)->Truncate(2), IsOk());
  EXPECT_THAT((*file)->ReadAt(0, 100), IsOkAndHolds("ab"));
}

TEST_F(PosixFileTest, MorePartsThanOneCallTakesAreWritten) {
  auto file = files_->Open("a", OpenMode::kCreate);
  ASSERT_THAT(file, IsOk());
  const std::vector<std::string_view> parts(3'000, "xyz");
  ASSERT_THAT((*file)->WriteAt(1, parts), IsOk());
  EXPECT_THAT((*file)->Size(), IsOkAndHolds(9'001u));
  EXPECT_THAT((*file)->ReadAt(8'995, 10), IsOkAndHolds("xyzxyz"));
}

TEST_F(PosixFileTest, AllocateAppendsZerosAndKeepsContents) {
  auto file = files_->Open("a", OpenMode::kCreate);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->WriteAt(0, std::string_view("abc")), IsOk());
  ASSERT_THAT((*file)->Allocate(1 << 20), IsOk());
  EXPECT_THAT((*file)->Size(), IsOkAndHolds(1u << 20));
  EXPECT_THAT((*file)->ReadAt(0, 5), IsOkAndHolds(std::string("abc\0\0", 5)));
  ASSERT_THAT((*file)->Allocate(10), IsOk());
  EXPECT_THAT((*file)->Size(), IsOkAndHolds(1u << 20));
  // Written, not only reserved.
  EXPECT_GE(std::filesystem::file_size(root_ + "/a"), 1u << 20);
}

TEST_F(PosixFileTest, ErrorsHaveTheirCodes) {
  EXPECT_THAT(files_->Open("absent", OpenMode::kRead), FailsWith(ErrorCode::kNotFound));
  ASSERT_THAT(files_->Open("a", OpenMode::kCreate), IsOk());
  EXPECT_THAT(files_->Open("a", OpenMode::kCreate), FailsWith(ErrorCode::kAlreadyExists));
  EXPECT_THAT(files_->Remove("absent"), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(files_->Rename("absent", "b"), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(files_->List("absent"), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(files_->SyncDirectory("absent"), FailsWith(ErrorCode::kNotFound));
  auto file = files_->Open("a", OpenMode::kRead);
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT((*file)->WriteAt(0, std::string_view("x")),
              FailsWith(ErrorCode::kInternal, ::testing::HasSubstr("write")));
}

TEST_F(PosixFileTest, AFullDeviceIsResourceExhausted) {
  const auto devices = MakePosixFileSystem("/dev");
  auto full = devices->Open("full", OpenMode::kReadWrite);
  if (!full.ok()) GTEST_SKIP() << "no /dev/full";
  EXPECT_THAT((*full)->WriteAt(0, std::string_view("x")), FailsWith(ErrorCode::kResourceExhausted));
}

TEST_F(PosixFileTest, DirectoriesAreMadeListedAndSynced) {
  ASSERT_THAT(files_->CreateDirectory("x/y"), IsOk());
  ASSERT_THAT(files_->CreateDirectory("x/y"), IsOk());
  ASSERT_THAT(files_->Open("x/y/2", OpenMode::kCreate), IsOk());
  ASSERT_THAT(files_->Open("x/y/1", OpenMode::kCreate), IsOk());
  ASSERT_THAT(files_->Rename("x/y/2", "x/y/3"), IsOk());
  ASSERT_THAT(files_->SyncDirectory("x/y"), IsOk());
  EXPECT_THAT(files_->List("x/y"), IsOkAndHolds(ElementsAre("1", "3")));
  ASSERT_THAT(files_->Remove("x/y/1"), IsOk());
  EXPECT_THAT(files_->List("x/y"), IsOkAndHolds(ElementsAre("3")));
  EXPECT_THAT(files_->Space(), IsOkAndHolds(Field(&DiskSpace::total_bytes, ::testing::Gt(0u))));
}

TEST_F(PosixFileTest, SlowSyncDelaysOnlyTheSync) {
  const auto slow =
      MakeSlowSyncFileSystem(MakePosixFileSystem(root_), std::chrono::milliseconds{30});
  auto file = slow->Open("a", OpenMode::kCreate);
  ASSERT_THAT(file, IsOk());
  ASSERT_THAT((*file)->WriteAt(0, std::string_view("abc")), IsOk());
  const auto start = std::chrono::steady_clock::now();
  ASSERT_THAT((*file)->Sync(), IsOk());
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds{30});
  EXPECT_THAT((*file)->ReadAt(0, 3), IsOkAndHolds("abc"));
}

}  // namespace
}  // namespace tw::io
