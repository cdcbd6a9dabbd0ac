#include "changelog/segment_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/sim_file_system.h"
#include "testing/matchers.h"

namespace tw::changelog {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FailsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::IsOkAndHolds;
using testing::SimStorage;
using OpenMode = io::FileSystem::OpenMode;

const SegmentLogOptions kSmall{.name = "test",
                               .segment_bytes = 4'096,
                               .allocation_step_bytes = 1'024,
                               .record_bytes_max = 2'000,
                               .bytes_max = 1 << 20,
                               .free_percent_min = 0};

class SegmentLogTest : public ::testing::Test {
 protected:
  void Open(const SegmentLogOptions& options = kSmall) {
    log_.reset();
    auto log = SegmentLog::Open(*files_, "log", random_, metrics_, options);
    ASSERT_THAT(log, IsOk());
    log_ = std::move(*log);
  }
  Result<uint64_t> Append(std::string_view text) {
    const Payload payload{text, 3, 9};
    return log_->Append({&payload, 1});
  }
  // Appends `count` records of 500 bytes: seven of them fill a segment.
  void Fill(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_THAT(Append(std::string(500, static_cast<char>('a' + i % 26))), IsOk());
    }
  }
  std::vector<uint64_t> Sequences(uint64_t from) {
    std::vector<uint64_t> sequences;
    while (from <= log_->head()) {
      const auto batch = log_->Read(from, 1'500);
      EXPECT_THAT(batch, IsOk());
      if (!batch.ok() || batch->empty()) break;
      for (size_t i = 0; i < batch->size(); ++i) sequences.push_back((*batch)[i].sequence);
      from = sequences.back() + 1;
    }
    return sequences;
  }
  std::vector<std::string> Files() { return files_->List("log").value(); }

  SeededRandom random_{1};
  SimStorage disk_{random_};
  std::unique_ptr<io::FileSystem> files_ = io::MakeSimFileSystem(disk_);
  telemetry::Registry metrics_;
  std::unique_ptr<SegmentLog> log_;
};

TEST_F(SegmentLogTest, AnEmptyLogHasNothingToRead) {
  Open();
  EXPECT_EQ(log_->head(), 0u);
  EXPECT_EQ(log_->tail(), 1u);
  const auto batch = log_->Read(1, 100);
  ASSERT_THAT(batch, IsOk());
  EXPECT_TRUE(batch->empty());
}

TEST_F(SegmentLogTest, AGroupIsReadBackWithItsKindsAndFlags) {
  Open();
  const Payload group[] = {{"one", 1, 2}, {"", 65'535, 0}, {std::string_view("\0x", 2), 0, 7}};
  EXPECT_THAT(log_->Append(group), IsOkAndHolds(3u));
  const auto batch = log_->Read(1, 1 << 20);
  ASSERT_THAT(batch, IsOk());
  ASSERT_EQ(batch->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*batch)[i].sequence, i + 1);
    EXPECT_EQ((*batch)[i].payload, group[i].bytes);
    EXPECT_EQ((*batch)[i].kind, group[i].kind);
    EXPECT_EQ((*batch)[i].flags, group[i].flags);
  }
}

TEST_F(SegmentLogTest, AGroupCostsOneWriteAndOneSync) {
  Open();
  const uint64_t writes = disk_.calls(SimStorage::Call::kWrite);
  const uint64_t syncs = disk_.calls(SimStorage::Call::kSync);
  const Payload group[] = {{"one"}, {"two"}, {"three"}};
  ASSERT_THAT(log_->Append(group), IsOk());
  EXPECT_EQ(disk_.calls(SimStorage::Call::kWrite), writes + 1);
  EXPECT_EQ(disk_.calls(SimStorage::Call::kSync), syncs + 1);
}

TEST_F(SegmentLogTest, ReadsAreBoundedAndGoAcrossSegments) {
  Open();
  Fill(30);
  EXPECT_GT(Files().size(), 4u);
  const auto one = log_->Read(11, 1);
  ASSERT_THAT(one, IsOk());
  EXPECT_EQ(one->size(), 1u);
  EXPECT_EQ(one->front().sequence, 11u);
  const auto few = log_->Read(1, 1'200);
  ASSERT_THAT(few, IsOk());
  EXPECT_EQ(few->size(), 2u);
  EXPECT_EQ(Sequences(1).size(), 30u);
  EXPECT_EQ(Sequences(23).size(), 8u);
}

TEST_F(SegmentLogTest, ReopeningGoesOnWhereItStopped) {
  Open();
  Fill(10);
  Open();
  EXPECT_EQ(log_->head(), 10u);
  EXPECT_EQ(log_->report().records, 10u);
  EXPECT_THAT(Append("x"), IsOkAndHolds(11u));
  EXPECT_EQ(Sequences(1).size(), 11u);
}

TEST_F(SegmentLogTest, ReclaimRecyclesWholeSegmentsOnly) {
  Open();
  Fill(30);
  const uint64_t before = log_->bytes();
  ASSERT_THAT(log_->Reclaim(16), IsOk());
  EXPECT_EQ(log_->tail(), 15u);
  EXPECT_LT(log_->bytes(), before);
  EXPECT_THAT(Files(), Contains(HasSubstr("spare-")).Times(2));
  EXPECT_THAT(log_->Read(1, 100), FailsWith(ErrorCode::kOutOfRange));
  EXPECT_EQ(Sequences(15).size(), 16u);
  Fill(20);
  EXPECT_THAT(Files(), ::testing::Not(Contains(HasSubstr("spare-"))));
  EXPECT_EQ(Sequences(15).size(), 36u);
  Open();
  EXPECT_EQ(Sequences(15).size(), 36u);
}

TEST_F(SegmentLogTest, ReclaimNeverTouchesTheSegmentInUse) {
  Open();
  Fill(10);
  ASSERT_THAT(log_->Reclaim(UINT64_MAX), IsOk());
  EXPECT_EQ(log_->head(), 10u);
  EXPECT_THAT(Append("x"), IsOkAndHolds(11u));
  ASSERT_THAT(log_->Reclaim(UINT64_MAX), IsOk());
  Open();
  EXPECT_EQ(log_->head(), 11u);
}

TEST_F(SegmentLogTest, SparesBeyondTheirLimitAreRemoved) {
  SegmentLogOptions options = kSmall;
  options.spare_segments_max = 1;
  Open(options);
  Fill(40);
  ASSERT_THAT(log_->Reclaim(40), IsOk());
  EXPECT_THAT(Files(), Contains(HasSubstr("spare-")).Times(1));
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(SegmentLogTest, ATornTailIsCutOff) {
  Open();
  ASSERT_THAT(Append("kept"), IsOk());
  disk_.CutPowerAtCall(2);  // Written, not synced.
  EXPECT_THAT(Append("unfinished"), FailsWith(ErrorCode::kDataLoss));
  disk_.Crash();
  // Whatever the crash left of it: damage it, as a tear would.
  disk_.FlipBit("log/" + SegmentName(1), kSegmentHeaderBytes + RecordBytes(4) + 2, 0);
  Open();
  EXPECT_EQ(log_->head(), 1u);
  EXPECT_THAT(log_->report().quarantined, IsEmpty());
  EXPECT_THAT(Append("next"), IsOkAndHolds(2u));
}

TEST_F(SegmentLogTest, RemainsOfACutGroupNeverComeBack) {
  Open();
  ASSERT_THAT(Append("kept"), IsOk());
  const Payload lost[] = {{"lost-2"}, {"lost-3"}};
  ASSERT_THAT(log_->Append(lost), IsOk());
  // As if only the group's second half had reached the disk.
  disk_.FlipBit("log/" + SegmentName(1), kSegmentHeaderBytes + RecordBytes(4) + 33, 0);
  Open();
  EXPECT_EQ(log_->head(), 1u);
  EXPECT_GT(log_->report().bytes_cut, 0u);
  ASSERT_THAT(Append("new--2"), IsOk());
  Open();
  EXPECT_EQ(log_->head(), 2u);
  EXPECT_EQ(log_->Read(2, 100)->front().payload, "new--2");
}

TEST_F(SegmentLogTest, ABitFlipInAnOldSegmentQuarantinesItAndTheRestIsRead) {
  Open();
  Fill(50);
  for (const uint64_t offset : {uint64_t{20}, kSegmentHeaderBytes + 40, uint64_t{3'000}}) {
    SCOPED_TRACE(offset);
    const uint64_t first = log_->tail() + 7;
    disk_.FlipBit("log/" + SegmentName(first), offset, 3);
    Open();
    EXPECT_THAT(log_->report().quarantined, ElementsAre(QuarantinedName(first)));
    ASSERT_EQ(log_->report().missing.size(), 1u);
    EXPECT_EQ(log_->report().missing[0], (OpenReport::Range{first, first + 6}));
    EXPECT_THAT(Files(), Contains(QuarantinedName(first)));
    const auto batch = log_->Read(first, 100);
    ASSERT_THAT(batch, IsOk());
    EXPECT_EQ(batch->missing(), 7u);
    EXPECT_EQ(batch->front().sequence, first + 7);
    EXPECT_EQ(log_->head(), 50u);
    ASSERT_THAT(log_->Reclaim(first + 6), IsOk());
  }
  EXPECT_THAT(metrics_.Render(),
              HasSubstr("tidewire_segment_log_quarantined_total{log=\"test\"} 3"));
}

TEST_F(SegmentLogTest, ABitFlipWhileRunningIsToldByTheReader) {
  Open();
  Fill(20);
  disk_.FlipBit("log/" + SegmentName(8), 1'500, 3);
  auto batch = log_->Read(8, 1 << 20);
  ASSERT_THAT(batch, IsOk());
  const uint64_t bad = batch->back().sequence + 1;
  EXPECT_LT(bad, 15u);
  batch = log_->Read(bad, 1 << 20);
  ASSERT_THAT(batch, IsOk());
  EXPECT_EQ(batch->missing(), 15 - bad);
  EXPECT_EQ(batch->front().sequence, 15u);
  disk_.FlipBit("log/" + SegmentName(15), 100, 3);
  EXPECT_THAT(log_->Read(15, 100), FailsWith(ErrorCode::kDataLoss));
}

TEST_F(SegmentLogTest, DamageInTheNewestSegmentBeforeSyncedGroupsIsNoTornTail) {
  Open();
  Fill(5);
  disk_.FlipBit("log/" + SegmentName(1), kSegmentHeaderBytes + RecordBytes(500) + 50, 3);
  Open();
  EXPECT_THAT(log_->report().quarantined, ElementsAre(QuarantinedName(1)));
  // No sequence is given out twice.
  const auto next = Append("x");
  ASSERT_THAT(next, IsOk());
  EXPECT_GT(*next, 5u);
  EXPECT_EQ(log_->tail(), *next);
}

TEST_F(SegmentLogTest, AMissingOldSegmentIsReportedAndTolerated) {
  Open();
  Fill(30);
  disk_.Erase("log/" + SegmentName(8));
  Open();
  EXPECT_THAT(log_->report().quarantined, IsEmpty());
  EXPECT_THAT(log_->report().missing, ElementsAre(OpenReport::Range{8, 14}));
  EXPECT_EQ(Sequences(1).size(), 23u);
  disk_.Erase("log/" + SegmentName(1));
  Open();
  EXPECT_EQ(log_->tail(), 15u);
}

TEST_F(SegmentLogTest, AWipedDirectoryDoesNotReuseSequences) {
  SegmentLogOptions options = kSmall;
  options.next_sequence_min = 1'000;
  Open(options);
  EXPECT_EQ(log_->head(), 999u);
  EXPECT_THAT(Append("x"), IsOkAndHolds(1'000u));
  options.next_sequence_min = 2'000;
  Open(options);
  EXPECT_THAT(Append("y"), IsOkAndHolds(2'000u));
  EXPECT_THAT(Sequences(1'000), ElementsAre(1'000u, 2'000u));
  EXPECT_THAT(log_->report().missing, ElementsAre(OpenReport::Range{1'001, 1'999}));
  Open();
  EXPECT_EQ(log_->head(), 2'000u);
}

TEST_F(SegmentLogTest, AFailedSyncPoisonsTheLog) {
  Open();
  ASSERT_THAT(Append("a"), IsOk());
  disk_.FailCall(1, ErrorCode::kInternal, SimStorage::Call::kSync);
  EXPECT_THAT(Append("b"), FailsWith(ErrorCode::kDataLoss, HasSubstr("injected")));
  EXPECT_TRUE(log_->poisoned());
  EXPECT_THAT(Append("c"), FailsWith(ErrorCode::kDataLoss, HasSubstr("restart")));
  EXPECT_THAT(log_->Reclaim(1), FailsWith(ErrorCode::kDataLoss));
  EXPECT_EQ(log_->head(), 1u);
  EXPECT_THAT(metrics_.Render(), HasSubstr("tidewire_segment_log_poisoned{log=\"test\"} 1"));
  disk_.Crash();
  Open();
  EXPECT_EQ(Sequences(1).front(), 1u);
}

TEST_F(SegmentLogTest, AFullDiskIsSurvivedAndLeavesNoTrace) {
  Open();
  Fill(3);
  disk_.SetCapacity(disk_.used_bytes());
  bool refused = false;
  for (int i = 0; i < 10 && !refused; ++i) {
    const auto appended = Append(std::string(500, 'z'));
    refused = !appended.ok();
    if (refused) {
      EXPECT_EQ(appended.error().code, ErrorCode::kResourceExhausted);
    }
  }
  ASSERT_TRUE(refused);
  EXPECT_FALSE(log_->poisoned());
  const uint64_t head = log_->head();
  disk_.SetCapacity(UINT64_MAX);
  EXPECT_THAT(Append("again"), IsOkAndHolds(head + 1));
  Open();
  EXPECT_EQ(log_->head(), head + 1);
}

TEST_F(SegmentLogTest, WhatAFailedWriteLeftIsNeverReadAsARecord) {
  Open();
  SegmentReader reader(*files_, "log", kSmall.record_bytes_max);
  Fill(6);
  ASSERT_THAT(reader.Read(1, 6, 1 << 20), IsOk());
  // The whole group reaches the file, yet the call fails; the next group goes into a new segment.
  const std::string small(100, 's');
  const std::string large(1'900, 'l');
  bool whole = false;
  for (int i = 0; i < 200 && !whole; ++i) {
    disk_.FailCall(1, ErrorCode::kResourceExhausted, SimStorage::Call::kWrite);
    ASSERT_THAT(Append(small), FailsWith(ErrorCode::kResourceExhausted));
    auto file = files_->Open("log/" + SegmentName(1), OpenMode::kRead);
    const std::string bytes = (*file)->ReadAt(0, 4'096).value();
    const uint64_t end = kSegmentHeaderBytes + 6 * RecordBytes(500);
    whole = bytes.substr(end + kRecordHeaderBytes, 100) == small;
  }
  ASSERT_TRUE(whole);
  ASSERT_THAT(Append(large), IsOkAndHolds(7u));
  EXPECT_EQ(reader.Read(7, 7, 1 << 20)->front().payload, large);
  Open();
  EXPECT_THAT(log_->report().missing, IsEmpty());
  EXPECT_EQ(log_->Read(7, 1 << 20)->front().payload, large);
}

TEST_F(SegmentLogTest, TheBacklogAndTheFreeSpaceAreBounded) {
  SegmentLogOptions options = kSmall;
  options.bytes_max = 3 * options.segment_bytes;
  Open(options);
  Fill(21);
  EXPECT_THAT(Append(std::string(500, 'z')),
              FailsWith(ErrorCode::kResourceExhausted, HasSubstr("bytes_max")));
  ASSERT_THAT(log_->Reclaim(14), IsOk());
  Fill(14);
  options.free_percent_min = 50;
  disk_.SetCapacity(2 * disk_.used_bytes());
  Open(options);
  ASSERT_THAT(log_->Reclaim(28), IsOk());
  disk_.Erase("log/spare-1.free");
  disk_.SetCapacity(disk_.used_bytes() * 2);
  Open(options);
  bool refused = false;
  for (int i = 0; i < 40 && !refused; ++i) {
    const auto appended = Append(std::string(500, 'z'));
    refused = !appended.ok();
    if (refused) {
      EXPECT_THAT(appended,
                  FailsWith(ErrorCode::kResourceExhausted, HasSubstr("free_percent_min")));
    }
  }
  EXPECT_TRUE(refused);
}

TEST_F(SegmentLogTest, TooLargeIsRefusedWithoutHarm) {
  Open();
  EXPECT_THAT(Append(std::string(2'001, 'x')), FailsWith(ErrorCode::kInvalidArgument));
  const std::string large(2'000, 'x');
  const Payload group[] = {{large}, {large}};
  EXPECT_THAT(log_->Append(group), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(Append(large), IsOkAndHolds(1u));
  EXPECT_EQ(log_->Read(1, 1)->front().payload, large);
}

TEST_F(SegmentLogTest, AReaderFollowsTheWriterThroughRolls) {
  Open();
  SegmentReader reader(*files_, "log", kSmall.record_bytes_max);
  uint64_t next = 1;
  for (int round = 0; round < 40; ++round) {
    Fill(1 + round % 3);
    while (next <= log_->head()) {
      const auto batch = reader.Read(next, log_->head(), 700);
      ASSERT_THAT(batch, IsOk());
      ASSERT_FALSE(batch->empty());
      ASSERT_EQ(batch->front().sequence, next);
      ASSERT_EQ(batch->missing(), 0u);
      next = batch->back().sequence + 1;
    }
    ASSERT_THAT(log_->Reclaim(next - 1), IsOk());
  }
  EXPECT_EQ(next, log_->head() + 1);
}

}  // namespace
}  // namespace tw::changelog
