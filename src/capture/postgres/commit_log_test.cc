#include "capture/postgres/commit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capture/postgres/position.h"
#include "capture/postgres/recent_commits.h"
#include "io/sim_file_system.h"
#include "testing/matchers.h"
#include "testing/sim_storage.h"

namespace tw::capture {
namespace {

using testing::FailsWith;
using testing::IsOk;
using testing::IsOkAndHolds;

constexpr uint64_t kEpoch = 7;

class CommitLogTest : public ::testing::Test {
 protected:
  CommitLogTest() { Open(); }

  void Open() {
    log_.reset();
    files_ = io::MakeSimFileSystem(storage_);
    auto log = CommitLog::Open(*files_, "changes", random_, metrics_, 1u << 30);
    ASSERT_THAT(log, IsOk());
    log_ = std::move(*log);
    Relation shape;
    shape.table = "jobs";
    shape.columns = {{"id", ColumnType::kInt8, "int8"}, {"note", ColumnType::kText, "text"}};
    shape.key = {0};
    auto registered = log_->shapes().Register(shape);
    ASSERT_THAT(registered, IsOk());
    relation_ = *registered;
  }

  void Begin(uint64_t lsn) {
    ASSERT_THAT(log_->StartHistory({kEpoch, postgres::Lsn{lsn}, "server"}), IsOk());
    after_ = OffsetBefore({lsn});
  }

  // One commit at `lsn` of inserts with these ids, or `from` … of its `count` changes.
  LoggedBatch Commit(uint64_t lsn, std::vector<int64_t> ids, uint64_t from = 1, uint64_t count = 0,
                     bool last = true) {
    auto batch = std::make_shared<Batch>();
    batch->after = after_;
    if (count == 0) count = ids.size();
    for (const int64_t id : ids) {
      Change change;
      change.offset = OffsetOf({lsn}, from++, count);
      change.committed_at = now_;
      change.relation = relation_;
      change.new_row = {Value(id), Value(std::string(20, 'x'))};
      batch->changes.push_back(std::move(change));
      batch->bytes += 100;
    }
    after_ = batch->changes.back().offset;
    batch->position = {kEpoch, after_};
    return {batch, {postgres::Lsn{lsn}, postgres::Lsn{lsn + 40}, 1, last}};
  }
  void Append(const LoggedBatch& logged) {
    const LoggedBatch group[] = {logged};
    ASSERT_THAT(log_->Append(group), IsOk());
  }
  // The ids above `after`, in order.
  Result<std::vector<int64_t>> Ids(uint64_t after, uint64_t changes_max = 1'000) {
    std::vector<int64_t> ids;
    TW_ASSIGN_OR_RETURN(const BatchPtr batch, log_->Read(after, changes_max));
    if (batch == nullptr) return ids;
    EXPECT_EQ(batch->after, after);
    EXPECT_EQ(batch->position, (Position{kEpoch, batch->changes.back().offset}));
    for (const Change& change : batch->changes) ids.push_back(*change.new_row[0].AsInt());
    return ids;
  }

  SeededRandom random_{1};
  testing::SimStorage storage_{random_};
  telemetry::Registry metrics_;
  std::unique_ptr<io::FileSystem> files_;
  std::unique_ptr<CommitLog> log_;
  RelationPtr relation_;
  uint64_t after_ = 0;
  WallTime now_{std::chrono::hours{24 * 365 * 50}};
};

using List = std::vector<int64_t>;

TEST_F(CommitLogTest, WhatIsAppendedIsReadFromAnyPlace) {
  Begin(1'000);
  const uint64_t start = after_;
  Append(Commit(2'000, {1, 2, 3}));
  const uint64_t middle = OffsetOf({2'000}, 2, 3);
  Append(Commit(3'000, {4}));
  EXPECT_THAT(Ids(start), IsOkAndHolds(List{1, 2, 3, 4}));
  EXPECT_THAT(Ids(middle), IsOkAndHolds(List{3, 4}));
  EXPECT_THAT(Ids(middle, 1), IsOkAndHolds(List{3}));
  EXPECT_THAT(Ids(after_), IsOkAndHolds(List{}));
  EXPECT_THAT(Ids(start - 1), FailsWith(ErrorCode::kOutOfRange));
  EXPECT_EQ(log_->durable(), postgres::Lsn{3'040});
  EXPECT_EQ(log_->head(), (Position{kEpoch, after_}));
}

TEST_F(CommitLogTest, EverythingIsThereAfterAPowerCut) {
  Begin(1'000);
  const uint64_t start = after_;
  for (int64_t i = 1; i <= 100; ++i) Append(Commit(1'000 + i * 50, {i, i}));
  ASSERT_THAT(log_->Mark({99'999}), IsOk());
  const Position head = log_->head();
  storage_.Crash();
  Open();
  ASSERT_TRUE(log_->history());
  EXPECT_EQ(log_->history()->identity, "server");
  EXPECT_EQ(log_->head(), head);
  EXPECT_EQ(log_->durable(), postgres::Lsn{99'999});
  const auto ids = Ids(start);
  ASSERT_THAT(ids, IsOk());
  EXPECT_EQ(ids->size(), 200u);
}

TEST_F(CommitLogTest, AnUnfinishedCommitIsKnownAfterARestart) {
  Begin(1'000);
  Append(Commit(2'000, {1, 2}, 1, 5, false));
  Append(Commit(2'000, {3}, 3, 5, false));
  Open();
  ASSERT_TRUE(log_->unfinished());
  EXPECT_EQ(log_->unfinished()->commit_lsn, postgres::Lsn{2'000});
  EXPECT_EQ(log_->unfinished()->changes, 3u);
  EXPECT_EQ(log_->durable(), postgres::Lsn{1'000}) << "a part is nothing to confirm";
  Append(Commit(2'000, {4, 5}, 4, 5));
  EXPECT_FALSE(log_->unfinished());
  EXPECT_EQ(log_->durable(), postgres::Lsn{2'040});
}

TEST_F(CommitLogTest, ANewHistoryForgetsTheOldOne) {
  Begin(1'000);
  const uint64_t old = after_;
  Append(Commit(2'000, {1}));
  Begin(5'000);
  EXPECT_THAT(Ids(old), FailsWith(ErrorCode::kOutOfRange));
  EXPECT_EQ(log_->head(), (Position{kEpoch, OffsetBefore({5'000})}));
  Append(Commit(6'000, {2}));
  Open();
  EXPECT_THAT(Ids(OffsetBefore({5'000})), IsOkAndHolds(List{2}));
  EXPECT_THAT(Ids(old), FailsWith(ErrorCode::kOutOfRange));
}

TEST_F(CommitLogTest, OldChangesAreForgottenByAgeNumberAndSize) {
  Begin(1'000);
  const uint64_t start = after_;
  for (int64_t i = 1; i <= 200; ++i) Append(Commit(1'000 + i * 50, {i}));
  ASSERT_THAT(log_->Trim({.changes_max = 1'000}, now_), IsOk());
  EXPECT_THAT(Ids(start), IsOk());
  ASSERT_THAT(log_->Trim({.changes_max = 50}, now_), IsOk());
  EXPECT_THAT(Ids(start), FailsWith(ErrorCode::kOutOfRange));
  // At least so many stay, and not many more: the index has steps.
  const auto kept = Ids(OffsetOf({1'000 + 150 * 50}, 1, 1));
  EXPECT_THAT(kept, IsOk());
  EXPECT_EQ(kept->size(), 50u);
  now_ += std::chrono::hours{48};
  for (int64_t i = 201; i <= 240; ++i) Append(Commit(1'000 + i * 50, {i}));
  ASSERT_THAT(log_->Trim({.age_max = std::chrono::hours{24}}, now_), IsOk());
  EXPECT_THAT(Ids(OffsetOf({1'000 + 150 * 50}, 1, 1)), FailsWith(ErrorCode::kOutOfRange));
  EXPECT_THAT(Ids(OffsetOf({1'000 + 200 * 50}, 1, 1)), IsOk());
}

TEST(RecentCommitsTest, ASnapshotIsPlacedBehindTheLastCommitThatItSees) {
  RecentCommits recent;
  recent.Reset(100, postgres::Lsn{1});
  recent.Add(10, 110);
  recent.Add(12, 120);
  recent.Add(11, 130);  // Began before 12, committed after it.
  const auto locate = [&](const char* text) { return recent.Locate(*ParseSnapshot(text)); };
  EXPECT_THAT(locate("10:10:"), IsOkAndHolds(std::optional<uint64_t>(100)));
  EXPECT_THAT(locate("11:13:11,12"), IsOkAndHolds(std::optional<uint64_t>(110)));
  EXPECT_THAT(locate("11:13:11"), IsOkAndHolds(std::optional<uint64_t>(120)));
  EXPECT_THAT(locate("13:13:"), IsOkAndHolds(std::optional<uint64_t>(130)));
  // 11 is visible and 12, before it in the log, is not yet: no such place.
  EXPECT_THAT(locate("12:13:12"), IsOkAndHolds(std::optional<uint64_t>()));
}

TEST(RecentCommitsTest, ACommitIsFoundByItsTransactionId) {
  RecentCommits recent;
  recent.Reset(10, postgres::Lsn{100});
  recent.Add(7, 20);
  const uint64_t after = recent.count();
  recent.Add(8, 30);
  recent.Add(9, 40);
  recent.Pass(postgres::Lsn{200});
  constexpr std::chrono::milliseconds kSoon{1};
  EXPECT_THAT(recent.WaitForCommit(8, after, postgres::Lsn{300}, kSoon),
              IsOkAndHolds(std::optional<uint64_t>(30)));
  // Passed and not there: it changed nothing. An older transaction of that id is not meant.
  EXPECT_THAT(recent.WaitForCommit(5, after, postgres::Lsn{200}, kSoon),
              IsOkAndHolds(std::optional<uint64_t>()));
  EXPECT_THAT(recent.WaitForCommit(7, after, postgres::Lsn{200}, kSoon),
              IsOkAndHolds(std::optional<uint64_t>()));
  EXPECT_THAT(recent.WaitForCommit(5, after, postgres::Lsn{300}, kSoon),
              FailsWith(ErrorCode::kUnavailable));
  EXPECT_EQ(recent.newest_offset(), 40u);
}

TEST(RecentCommitsTest, TransactionIdsWrapAround) {
  const auto snapshot = ParseSnapshot("4294967290:4294967300:4294967295");
  ASSERT_THAT(snapshot, IsOk());
  EXPECT_TRUE(snapshot->Sees(4294967289u));
  EXPECT_FALSE(snapshot->Sees(4294967295u));
  EXPECT_TRUE(snapshot->Sees(0));    // 4294967296.
  EXPECT_TRUE(snapshot->Sees(3));    // 4294967299.
  EXPECT_FALSE(snapshot->Sees(4));   // xmax.
}

TEST(RecentCommitsTest, WhatIsForgottenIsNotGuessed) {
  RecentCommits recent;
  recent.Reset(0, postgres::Lsn{1});
  for (uint32_t xid = 100; xid < 100 + RecentCommits::kCommitsMax + 10; ++xid) recent.Add(xid, xid);
  EXPECT_THAT(recent.Locate(*ParseSnapshot("100:100:")), FailsWith(ErrorCode::kUnavailable));
  for (const char* text : {"", "1:2", "a:b:c", "1:2:x", "1:2:3:4"}) {
    EXPECT_THAT(ParseSnapshot(text), FailsWith(ErrorCode::kInvalidArgument)) << text;
  }
}

}  // namespace
}  // namespace tw::capture
