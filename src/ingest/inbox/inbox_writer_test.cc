#include "ingest/inbox/inbox_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "ingest/inbox/durable_tail.h"
#include "io/sim_file_system.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using ::testing::ElementsAre;
using testing::FailsWith;
using testing::FakeClock;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::SimStorage;

const changelog::SegmentLogOptions kSmallLog{.name = "inbox",
                                             .segment_bytes = 32'768,
                                             .allocation_step_bytes = 4'096,
                                             .record_bytes_max = 20'000,
                                             .free_percent_min = 0};
constexpr InboxWriterOptions kSmallWriter{.queue_bytes_max = 40'000, .group_bytes_max = 10'000};

Delivery Make(std::string body) {
  Delivery delivery;
  delivery.source = "test";
  delivery.method = "POST";
  delivery.body = std::move(body);
  return delivery;
}

class RecordingSink final : public CompletionSink {
 public:
  void OnDurable(std::span<const Completion> group) override {
    durable.insert(durable.end(), group.begin(), group.end());
    group_sizes.push_back(group.size());
  }
  void OnFailed(std::span<const Completion> group, const Error& error) override {
    failed.insert(failed.end(), group.begin(), group.end());
    errors.push_back(error.code);
  }
  std::vector<Completion> durable;
  std::vector<Completion> failed;
  std::vector<size_t> group_sizes;
  std::vector<ErrorCode> errors;
};

class InboxWriterTest : public ::testing::Test {
 protected:
  InboxWriterTest() : tail_(20'000, [this] { ++groups_; }) { Open(kSmallWriter); }

  void Open(const InboxWriterOptions& options) {
    writer_.reset();
    auto inbox = Inbox::Open(*files_, "inbox", random_, metrics_, kSmallLog);
    ASSERT_THAT(inbox, IsOk());
    writer_ = std::make_unique<InboxWriter>(
        std::move(*inbox), options, clock_, metrics_, sink_, &tail_,
        [this](const Error& error) { fatal_.push_back(error.code); }, InboxWriter::Drive::kManual);
  }
  Status Submit(uint64_t id, std::string body = "body") {
    return writer_->Submit(Make(std::move(body)), {1, id});
  }

  SeededRandom random_{1};
  SimStorage disk_{random_};
  std::unique_ptr<io::FileSystem> files_ = io::MakeSimFileSystem(disk_);
  FakeClock clock_;
  telemetry::Registry metrics_;
  RecordingSink sink_;
  int groups_ = 0;
  DurableTail tail_;
  std::vector<ErrorCode> fatal_;
  std::unique_ptr<InboxWriter> writer_;
};

TEST_F(InboxWriterTest, WhatWaitedIsOneGroupWithOneSync) {
  for (uint64_t id = 1; id <= 5; ++id) ASSERT_THAT(Submit(id), IsOk());
  EXPECT_THAT(sink_.durable, IsEmpty());
  const uint64_t syncs = disk_.calls(SimStorage::Call::kSync);
  EXPECT_TRUE(writer_->Pump());
  EXPECT_FALSE(writer_->Pump());
  EXPECT_EQ(disk_.calls(SimStorage::Call::kSync), syncs + 1);
  EXPECT_THAT(sink_.group_sizes, ElementsAre(5));
  for (uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(sink_.durable[i].token, (CompletionToken{1, i + 1}));
    EXPECT_EQ(sink_.durable[i].sequence, i + 1);
  }
  EXPECT_EQ(writer_->durable_head(), 5u);
  EXPECT_THAT(metrics_.Render(), HasSubstr("tidewire_inbox_durable_total 5"));
}

TEST_F(InboxWriterTest, ALargeQueueIsWrittenInBoundedGroups) {
  for (uint64_t id = 1; id <= 9; ++id) ASSERT_THAT(Submit(id, std::string(4'000, 'x')), IsOk());
  ASSERT_TRUE(writer_->Pump());
  EXPECT_THAT(sink_.group_sizes, ElementsAre(2, 2, 2, 2, 1));
  EXPECT_EQ(writer_->durable_head(), 9u);
}

TEST_F(InboxWriterTest, OverTheQueueLimitIsRefusedAtOnce) {
  uint64_t accepted = 0;
  while (Submit(accepted + 1, std::string(4'000, 'x')).ok()) ++accepted;
  EXPECT_EQ(accepted, 9u);
  EXPECT_THAT(Submit(99, std::string(4'000, 'x')), FailsWith(ErrorCode::kResourceExhausted));
  writer_->Pump();
  EXPECT_EQ(sink_.durable.size(), accepted);
  EXPECT_THAT(Submit(100), IsOk());
  EXPECT_THAT(metrics_.Render(),
              HasSubstr("tidewire_inbox_refused_total{limit=\"queue_bytes_max\"} 2"));
}

TEST_F(InboxWriterTest, TooLargeOrTooManyHeadersIsTheSendersFault) {
  EXPECT_THAT(Submit(1, std::string(20'000, 'x')), FailsWith(ErrorCode::kInvalidArgument));
  Delivery delivery = Make("x");
  delivery.headers.resize(kDeliveryListMax + 1);
  EXPECT_THAT(writer_->Submit(std::move(delivery), {}), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_FALSE(writer_->Pump());
}

TEST_F(InboxWriterTest, AFullDiskFailsGroupsUntilItIsFreed) {
  ASSERT_THAT(Submit(1), IsOk());
  writer_->Pump();
  disk_.SetCapacity(disk_.used_bytes());
  ASSERT_THAT(Submit(2, std::string(9'000, 'x')), IsOk());
  writer_->Pump();
  EXPECT_THAT(sink_.errors, ElementsAre(ErrorCode::kResourceExhausted));
  EXPECT_EQ(sink_.failed[0].token.id, 2u);
  EXPECT_THAT(fatal_, IsEmpty());
  disk_.SetCapacity(UINT64_MAX);
  ASSERT_THAT(Submit(3), IsOk());
  writer_->Pump();
  EXPECT_EQ(sink_.durable.back().token.id, 3u);
  EXPECT_EQ(writer_->durable_head(), 2u);
}

TEST_F(InboxWriterTest, AFailedSyncFailsEverythingAndIsFatalOnce) {
  ASSERT_THAT(Submit(1), IsOk());
  writer_->Pump();
  disk_.FailCall(1, ErrorCode::kInternal, SimStorage::Call::kSync);
  for (uint64_t id = 2; id <= 9; ++id) ASSERT_THAT(Submit(id, std::string(4'000, 'x')), IsOk());
  writer_->Pump();
  EXPECT_EQ(sink_.failed.size(), 8u);
  EXPECT_THAT(sink_.errors, ::testing::Each(ErrorCode::kDataLoss));
  EXPECT_THAT(fatal_, ElementsAre(ErrorCode::kDataLoss));
  EXPECT_THAT(Submit(10), FailsWith(ErrorCode::kDataLoss));
  writer_.reset();
  disk_.Crash();
  Open(kSmallWriter);
  const auto batch = writer_->inbox().Read(1, 1 << 20);
  ASSERT_THAT(batch, IsOk());
  EXPECT_EQ(batch->Get(0)->body, "body");
}

TEST_F(InboxWriterTest, StopMakesTheQueueDurableAndRefusesMore) {
  ASSERT_THAT(Submit(1), IsOk());
  writer_->Stop();
  EXPECT_EQ(sink_.durable.size(), 1u);
  EXPECT_THAT(Submit(2), FailsWith(ErrorCode::kUnavailable));
  writer_->Stop();
}

TEST_F(InboxWriterTest, ReclaimHappensBetweenGroups) {
  for (uint64_t id = 1; id <= 40; ++id) {
    ASSERT_THAT(Submit(id, std::string(3'000, 'x')), IsOk());
    writer_->Pump();
  }
  EXPECT_EQ(writer_->inbox().tail(), 1u);
  writer_->RequestReclaim(25);
  EXPECT_TRUE(writer_->Pump());
  EXPECT_GT(writer_->inbox().tail(), 1u);
  EXPECT_LE(writer_->inbox().tail(), 26u);
}

TEST_F(InboxWriterTest, TheTailHandsGroupsOverAndForgetsUnderItsLimit) {
  EXPECT_EQ(tail_.Take(1), nullptr);
  for (uint64_t id = 1; id <= 3; ++id) ASSERT_THAT(Submit(id), IsOk());
  writer_->Pump();
  ASSERT_THAT(Submit(4, "four"), IsOk());
  writer_->Pump();
  EXPECT_EQ(groups_, 2);
  const auto first = tail_.Take(2);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->deliveries.size(), 3u);
  const auto second = tail_.Take(4);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->deliveries[0].sequence, 4u);
  EXPECT_EQ(second->deliveries[0].body, "four");
  EXPECT_EQ(tail_.Take(5), nullptr);
  // Behind by more than the limit: the disk has what the tail forgot.
  for (uint64_t id = 5; id <= 14; ++id) {
    ASSERT_THAT(Submit(id, std::string(4'000, 'x')), IsOk());
    writer_->Pump();
  }
  EXPECT_EQ(tail_.Take(5), nullptr);
  InboxReader reader(*files_, writer_->inbox());
  const auto batch = reader.Read(5, writer_->durable_head(), 1 << 20);
  ASSERT_THAT(batch, IsOk());
  EXPECT_EQ(batch->first_sequence(), 5u);
  EXPECT_EQ(batch->last_sequence(), 11u);
  EXPECT_EQ(batch->Get(0)->body.size(), 4'000u);
  EXPECT_NE(tail_.Take(13), nullptr);
}

// Submits are made durable exactly once each, whatever the interleaving.
class CountingSink final : public CompletionSink {
 public:
  void OnDurable(std::span<const Completion> group) override {
    for (const Completion& completion : group) {
      sequences.insert(completion.sequence);
      tokens[completion.token.owner].push_back(completion.token.id);
    }
  }
  void OnFailed(std::span<const Completion>, const Error&) override { failed = true; }
  std::set<uint64_t> sequences;
  std::map<uint64_t, std::vector<uint64_t>> tokens;
  bool failed = false;
};

TEST(InboxWriterThreadTest, ManyProducersEachGetEveryCompletionInOrder) {
  std::string root = ::testing::TempDir() + "tidewire-XXXXXX";
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  constexpr uint64_t kProducers = 8;
  constexpr uint64_t kEach = 500;
  const auto files = io::MakePosixFileSystem(root);
  changelog::SegmentLogOptions log;
  log.segment_bytes = 256 << 10;
  log.allocation_step_bytes = 64 << 10;
  log.record_bytes_max = 64 << 10;
  log.free_percent_min = 0;
  telemetry::Registry metrics;
  CountingSink sink;
  std::atomic<uint64_t> applied{0};
  {
    auto inbox = Inbox::Open(*files, "inbox", SystemRandom(), metrics, log);
    ASSERT_THAT(inbox, IsOk());
    InboxReader reader(*files, **inbox);
    DurableTail tail(64 << 10, {});
    InboxWriterOptions options{.queue_bytes_max = 1 << 20, .group_bytes_max = 64 << 10};
    options.wait_max = std::chrono::minutes{1};
    InboxWriter writer(std::move(*inbox), options, SystemClock(), metrics, sink, &tail, {});
    // The applier: from memory where it can, else from disk; reclaims what it has seen.
    std::thread applier([&] {
      uint64_t next = 1;
      while (next <= kProducers * kEach) {
        if (const auto group = tail.Take(next)) {
          next = group->deliveries.back().sequence + 1;
        } else if (next <= writer.durable_head()) {
          const auto batch = reader.Read(next, writer.durable_head(), 64 << 10);
          ASSERT_THAT(batch, IsOk());
          ASSERT_EQ(batch->first_sequence(), next);
          ASSERT_EQ(batch->missing(), 0u);
          next = batch->last_sequence() + 1;
        } else {
          std::this_thread::yield();
        }
        if (next % 64 == 0) writer.RequestReclaim(next - 1);
        applied = next - 1;
      }
    });
    std::vector<std::thread> producers;
    for (uint64_t owner = 0; owner < kProducers; ++owner) {
      producers.emplace_back([&, owner] {
        for (uint64_t id = 0; id < kEach;) {
          if (writer.Submit(Make(std::string(200 + id, 'x')), {owner, id}).ok()) ++id;
        }
      });
    }
    for (std::thread& producer : producers) producer.join();
    applier.join();
    writer.Stop();
  }
  EXPECT_FALSE(sink.failed);
  EXPECT_EQ(applied, kProducers * kEach);
  EXPECT_EQ(sink.sequences.size(), kProducers * kEach);
  EXPECT_EQ(*sink.sequences.rbegin(), kProducers * kEach);
  for (uint64_t owner = 0; owner < kProducers; ++owner) {
    ASSERT_EQ(sink.tokens[owner].size(), kEach);
    EXPECT_TRUE(std::ranges::is_sorted(sink.tokens[owner]));
  }
  std::filesystem::remove_all(root);
}

TEST(InboxWriterThreadTest, AHangingSyncMakesSubmitRefuse) {
  std::string root = ::testing::TempDir() + "tidewire-XXXXXX";
  ASSERT_NE(mkdtemp(root.data()), nullptr);
  const auto files =
      io::MakeSlowSyncFileSystem(io::MakePosixFileSystem(root), std::chrono::milliseconds{100});
  telemetry::Registry metrics;
  CountingSink sink;
  {
    changelog::SegmentLogOptions log;
    log.free_percent_min = 0;
    auto inbox = Inbox::Open(*files, "inbox", SystemRandom(), metrics, log);
    ASSERT_THAT(inbox, IsOk());
    InboxWriterOptions options;
    options.wait_max = std::chrono::milliseconds{20};
    InboxWriter writer(std::move(*inbox), options, SystemClock(), metrics, sink, nullptr, {});
    ASSERT_THAT(writer.Submit(Make("x"), {}), IsOk());
    Status status;
    for (int i = 0; i < 400 && status.ok(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
      status = writer.Submit(Make("x"), {});
    }
    EXPECT_THAT(status, FailsWith(ErrorCode::kResourceExhausted, HasSubstr("wait_max")));
    EXPECT_GT(writer.ExpectedWait(), std::chrono::milliseconds{20});
  }
  EXPECT_FALSE(sink.failed);
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace tw::ingest
