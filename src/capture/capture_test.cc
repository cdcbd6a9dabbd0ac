#include "capture/capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/random.h"
#include "capture/log_image.h"
#include "testing/matchers.h"

namespace tw::capture {
namespace {

using testing::FailsWith;
using testing::IsOk;

class CaptureTest : public ::testing::Test {
 protected:
  CaptureTest() : random_(1) {
    std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    Reopen();
    EXPECT_THAT(store_->ApplySchema("create table if not exists t(id integer primary key, name text,"
                                    " done bool, score real, raw blob);"
                                    "create table if not exists bare(a)",
                                    "schema.sql"),
                IsOk());
  }
  ~CaptureTest() override {
    capture_.reset();
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  std::string Path() const { return directory_ + "/tidewire.db"; }

  void Reopen() {
    capture_.reset();
    store_.reset();
    auto opened = store::Store::Open(Path(), {.durability = sqlite::Durability::kOff}, random_);
    ASSERT_THAT(opened, IsOk());
    store_ = std::move(*opened);
  }

  void Install(const std::vector<std::string>& tables = {"t"}) {
    auto installed = Capture::Install(*store_, tables, metrics_);
    ASSERT_THAT(installed, IsOk());
    capture_ = std::move(*installed);
  }

  void Write(std::string_view sql) { ASSERT_THAT(store_->database().Execute(sql), IsOk()); }

  BatchPtr Poll() {
    auto batch = capture_->Poll();
    EXPECT_THAT(batch, IsOk());
    return batch.value_or(nullptr);
  }

  std::string directory_;
  SeededRandom random_;
  telemetry::Registry metrics_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Capture> capture_;
};

TEST_F(CaptureTest, EveryOperationArrivesWithExactImages) {
  Install();
  Write("begin; insert into t values(1, 'it''s, \"ok\"', true, 0.1, x'00ff');"
        "update t set done = false where id = 1; delete from t; commit");
  const BatchPtr batch = Poll();
  ASSERT_NE(batch, nullptr);
  ASSERT_EQ(batch->changes.size(), 3u);
  const Row inserted = {int64_t{1}, "it's, \"ok\"", true, 0.1, Bytes{std::string("\0\xff", 2)}};
  Row updated = inserted;
  updated[2] = Value(false);
  EXPECT_EQ(batch->changes[0].op, ChangeOp::kInsert);
  EXPECT_EQ(batch->changes[0].new_row, inserted);
  EXPECT_EQ(batch->changes[1].old_row, inserted);
  EXPECT_EQ(batch->changes[1].new_row, updated);
  EXPECT_EQ(batch->changes[2].op, ChangeOp::kDelete);
  EXPECT_EQ(batch->changes[2].old_row, updated);
  EXPECT_TRUE(batch->changes[2].new_row.empty());
  EXPECT_EQ(batch->position, (Position{store_->epoch(), 3}));
  EXPECT_EQ(Poll(), nullptr);
}

TEST_F(CaptureTest, RolledBackAndEmptyChangesAreNoChanges) {
  Install();
  Write("insert into t(id, name) values(1, 'a')");
  ASSERT_NE(Poll(), nullptr);
  Write("begin; delete from t; rollback");
  Write("update t set name = 'a'");
  EXPECT_EQ(Poll(), nullptr);
  Write("update t set name = null");
  EXPECT_NE(Poll(), nullptr);
}

TEST_F(CaptureTest, ChangesOfOtherProgramsCount) {
  Install();
  EXPECT_EQ(capture_->OthersCommitted().value(), false);
  auto other = sqlite::Database::Open(Path());
  ASSERT_THAT(other, IsOk());
  ASSERT_THAT(other->Execute("insert into t(id, name) values(7, 'shell')"), IsOk());
  EXPECT_EQ(capture_->OthersCommitted().value(), true);
  EXPECT_EQ(capture_->OthersCommitted().value(), false);
  const BatchPtr batch = Poll();
  ASSERT_NE(batch, nullptr);
  EXPECT_EQ(batch->changes[0].new_row[1], Value("shell"));
}

TEST_F(CaptureTest, RestartKeepsEpochOffsetsAndUnseenChanges) {
  Install();
  Write("insert into t(id) values(1)");
  ASSERT_NE(Poll(), nullptr);
  const uint64_t epoch = store_->epoch();
  Reopen();
  Write("insert into t(id) values(2)");  // While nobody captures: the trigger still does.
  Install();
  EXPECT_EQ(capture_->head(), (Position{epoch, 2}));
  auto reader = LogReader::Create(store_->database(), epoch);
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ(reader->Read(0, 10).value()->changes.size(), 2u);
}

TEST_F(CaptureTest, ChangedShapeGetsANewRelation) {
  Install();
  const uint32_t first = capture_->relations()[0]->id;
  Write("insert into t(id) values(1)");
  Write("alter table t add column extra text default 'x'");
  Install();
  EXPECT_NE(capture_->relations()[0]->id, first);
  Write("insert into t(id, extra) values(2, 'y')");
  auto reader = LogReader::Create(store_->database(), store_->epoch());
  ASSERT_THAT(reader, IsOk());
  const BatchPtr batch = reader->Read(0, 10).value();
  EXPECT_EQ(batch->changes[0].new_row.size(), 5u);
  EXPECT_EQ(batch->changes[1].new_row[5], Value("y"));
}

TEST_F(CaptureTest, RefusesTablesThatCannotBeFollowed) {
  EXPECT_THAT(Capture::Install(*store_, {"tt"}, metrics_),
              FailsWith(ErrorCode::kNotFound, ::testing::HasSubstr("did you mean 't'")));
  EXPECT_THAT(Capture::Install(*store_, {"bare"}, metrics_),
              FailsWith(ErrorCode::kFailedPrecondition, ::testing::HasSubstr("primary key")));
}

TEST_F(CaptureTest, OneReadTakesNoMoreMemoryThanItsLimit) {
  Install();
  Write("with recursive n(i) as (select 1 union all select i + 1 from n where i < 20)"
        " insert into t(id, name) select i, hex(zeroblob(500000)) from n");
  uint64_t seen = 0;
  int batches = 0;
  while (const BatchPtr batch = Poll()) {
    EXPECT_LT(batch->bytes, LogReader::kReadBytesMax + 1'100'000);
    EXPECT_EQ(batch->changes.front().offset, seen + 1);
    seen = batch->position.offset;
    ++batches;
  }
  EXPECT_EQ(seen, 20u);
  EXPECT_GT(batches, 1);
}

TEST_F(CaptureTest, TablesNoLongerNamedAreNoLongerCaptured) {
  Install();
  Install({});
  Write("insert into t(id) values(1)");
  EXPECT_EQ(Poll(), nullptr);
}

TEST_F(CaptureTest, TrimKeepsTheNewestAndTellsWhatIsGone) {
  Install();
  for (int i = 0; i < 20; ++i) Write("insert into t(name) values('x')");
  while (Poll() != nullptr) {
  }
  EXPECT_THAT(capture_->Trim({.changes_max = 5}, WallTime{}), IsOk());
  auto reader = LogReader::Create(store_->database(), store_->epoch());
  ASSERT_THAT(reader, IsOk());
  EXPECT_EQ(reader->FirstOffset().value(), 16u);
  EXPECT_EQ(reader->LastOffset().value(), 20u);
  EXPECT_EQ(reader->Read(15, 100).value()->changes.size(), 5u);
  EXPECT_THAT(reader->Read(14, 100), FailsWith(ErrorCode::kOutOfRange));
  EXPECT_THAT(capture_->Trim({.age_max = std::chrono::seconds{0}},
                             SystemClock().Wall() + std::chrono::hours{1}),
              IsOk());
  EXPECT_EQ(reader->LastOffset().value(), 20u);
  EXPECT_EQ(reader->FirstOffset().value(), 20u);
}

TEST_F(CaptureTest, ImagesAreExactForRandomValues) {
  Install();
  auto insert = store_->database().Prepare("insert into t(name, score, raw) values(?, ?, ?)");
  ASSERT_THAT(insert, IsOk());
  std::vector<Row> expected;
  SeededRandom random(42);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (uint64_t n = random.Below(12); n-- > 0;) text.push_back("a',\"\\X\n\t;%"[random.Below(10)]);
    uint64_t bits = random.Next();
    double real;
    std::memcpy(&real, &bits, sizeof real);
    if (std::isnan(real)) real = std::numeric_limits<double>::infinity();
    const std::string raw = random.Hex(random.Below(5));
    insert->BindText(1, text);
    insert->BindDouble(2, real);
    insert->BindBlob(3, raw);
    ASSERT_THAT(insert->Run(), IsOk());
    expected.push_back({int64_t{i + 1}, text, Value(), real, Bytes{raw}});
  }
  const BatchPtr batch = Poll();
  ASSERT_EQ(batch->changes.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(batch->changes[i].new_row, expected[i]) << i;
  }
}

TEST(LogImageTest, RefusesDamagedImages) {
  Relation relation;
  relation.table = "t";
  relation.columns = {{"a", ColumnType::kInt8, "int8"}, {"b", ColumnType::kText, "text"}};
  EXPECT_THAT(ParseImage("1,'x'", relation), IsOk());
  for (const char* image : {"", "1", "1,", "1,'x", "1,'x',2", "1;'x'", "X'0',NULL", "X'zz',1",
                            "nope,'x'", "1,'x' "}) {
    EXPECT_THAT(ParseImage(image, relation), FailsWith(ErrorCode::kDataLoss)) << image;
  }
}

}  // namespace
}  // namespace tw::capture
