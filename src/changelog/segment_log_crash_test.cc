// The segment log against a model, with the power cut, the process killed or a call failing at
// every possible place. A failure prints its seed; the same seed repeats it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "changelog/segment_log.h"
#include "io/sim_file_system.h"
#include "testing/matchers.h"

namespace tw::changelog {
namespace {

using ::testing::IsEmpty;
using testing::IsOk;
using testing::SimStorage;

using Group = std::vector<std::string>;

// The log, what it acknowledged, and what it may have kept without saying so.
class Model {
 public:
  Model(Random& random, SimStorage& disk)
      : random_(random), disk_(disk), files_(io::MakeSimFileSystem(disk)) {
    options_.name = "test";
    options_.segment_bytes = 2'048 + random.Below(3) * 1'024;
    options_.allocation_step_bytes = 512 + random.Below(4) * 512;
    options_.record_bytes_max = 600;
    options_.bytes_max = options_.segment_bytes * (2 + random.Below(6));
    options_.free_percent_min = 0;
    options_.spare_segments_max = static_cast<uint32_t>(random.Below(3));
  }

  bool Open() {
    log_.reset();
    auto log = SegmentLog::Open(*files_, "log", random_, metrics_, options_);
    if (!log.ok()) return false;
    log_ = std::move(*log);
    return true;
  }
  void Close() { log_.reset(); }
  bool poisoned() const { return log_->poisoned(); }

  // One random operation; its failure is no failure of the test.
  void Step() {
    const uint64_t choice = random_.Below(100);
    if (choice < 75) return Append();
    if (choice < 90) {
      const uint64_t up_to = random_.Below(log_->head() + 1);
      // Also when it fails: a part of it may have been done.
      reclaimed_ = std::max(reclaimed_, up_to);
      (void)log_->Reclaim(up_to);
      return;
    }
    const uint64_t from = log_->tail() + random_.Below(log_->head() + 2 - log_->tail());
    const auto batch = log_->Read(from, 1 + random_.Below(3'000));
    if (!batch.ok()) {
      ASSERT_TRUE(disk_.power_is_off() || disk_.fault_hit()) << batch.error();
      return;
    }
    ASSERT_EQ(batch->missing(), 0u);
    ASSERT_EQ(batch->empty(), from > log_->head());
    for (size_t i = 0; i < batch->size(); ++i) Expect((*batch)[i], from + i);
  }

  // After Open: everything acknowledged is there, once and in order; more only as whole records of
  // one group that was never acknowledged. What is there now must stay.
  void Verify() {
    ASSERT_THAT(log_->report().quarantined, IsEmpty());
    ASSERT_THAT(log_->report().missing, IsEmpty());
    ASSERT_GE(log_->head(), head());
    ASSERT_LE(log_->tail(), std::min(reclaimed_, head()) + 1);
    const uint64_t extra_count = log_->head() - head();
    Group extra;
    for (uint64_t from = log_->tail(); from <= log_->head();) {
      const auto batch = log_->Read(from, 1'000);
      if (!batch.ok() && disk_.power_is_off()) return;  // The next life sees the same.
      ASSERT_THAT(batch, IsOk());
      ASSERT_FALSE(batch->empty());
      for (size_t i = 0; i < batch->size(); ++i, ++from) {
        ASSERT_EQ((*batch)[i].sequence, from);
        if (from <= head()) {
          Expect((*batch)[i], from);
        } else {
          extra.emplace_back((*batch)[i].payload);
        }
      }
    }
    ASSERT_EQ(extra.size(), extra_count);
    const bool known =
        extra.empty() || std::ranges::any_of(unacknowledged_, [&](const Group& group) {
          return extra.size() <= group.size() &&
                 std::equal(extra.begin(), extra.end(), group.begin());
        });
    ASSERT_TRUE(known) << "records that nobody wrote in this place";
    for (std::string& payload : extra) acknowledged_.push_back(std::move(payload));
    unacknowledged_.clear();
  }

 private:
  uint64_t head() const { return acknowledged_.size(); }

  void Expect(const RecordView& record, uint64_t sequence) {
    ASSERT_EQ(record.sequence, sequence);
    ASSERT_LE(sequence, head());
    ASSERT_EQ(record.payload, acknowledged_[sequence - 1]) << "sequence " << sequence;
    ASSERT_EQ(record.kind, record.payload.size());
  }

  void Append() {
    Group group;
    std::vector<Payload> payloads;
    // Few distinct sizes, so that remains of lost groups lie where new records end.
    for (uint64_t i = 0, count = 1 + random_.Below(4); i < count; ++i) {
      group.push_back(random_.Hex(random_.Below(3) * 100));
    }
    for (const std::string& text : group) {
      payloads.push_back({text, static_cast<uint16_t>(text.size())});
    }
    const auto last = log_->Append(payloads);
    if (!last.ok()) {
      unacknowledged_.push_back(std::move(group));
      return;
    }
    ASSERT_EQ(*last, head() + group.size());
    for (std::string& text : group) acknowledged_.push_back(std::move(text));
    unacknowledged_.clear();
  }

  Random& random_;
  SimStorage& disk_;
  std::unique_ptr<io::FileSystem> files_;
  telemetry::Registry metrics_;
  SegmentLogOptions options_;
  std::unique_ptr<SegmentLog> log_;
  std::vector<std::string> acknowledged_;  // [sequence - 1]
  std::vector<Group> unacknowledged_;      // Tried since the last that was acknowledged.
  uint64_t reclaimed_ = 0;
};

void EndOfLife(Random& random, SimStorage& disk) {
  if (random.Percent(25)) {
    disk.Kill();
  } else {
    disk.Crash();
  }
}

TEST(SegmentLogCrashTest, AcknowledgedRecordsSurvivePowerCutsAtRandomPoints) {
  for (uint64_t seed = 1; seed <= 1'500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    SimStorage disk(random);
    Model model(random, disk);
    for (int life = 0; life < 8; ++life) {
      // Some lives end while the log is still opening.
      disk.CutPowerAtCall(1 + random.Below(life % 2 == 0 ? 15 : 150));
      if (model.Open()) {
        ASSERT_NO_FATAL_FAILURE(model.Verify());
        while (!model.poisoned() && !disk.power_is_off()) {
          ASSERT_NO_FATAL_FAILURE(model.Step());
        }
      }
      model.Close();
      EndOfLife(random, disk);
    }
    ASSERT_TRUE(model.Open());
    ASSERT_NO_FATAL_FAILURE(model.Verify());
  }
}

void FaultsInTurn(ErrorCode code) {
  const uint64_t runs = io::FailEveryCallInTurn(1'000, code, [](SimStorage& disk, uint64_t nth) {
    SCOPED_TRACE("call " + std::to_string(nth));
    SeededRandom random(42);
    Model model(random, disk);
    if (model.Open()) {
      for (int i = 0; i < 60 && !model.poisoned(); ++i) {
        ASSERT_NO_FATAL_FAILURE(model.Step());
      }
    }
    model.Close();
    EndOfLife(random, disk);
    ASSERT_TRUE(model.Open());
    ASSERT_NO_FATAL_FAILURE(model.Verify());
  });
  EXPECT_GT(runs, 100u);
}

TEST(SegmentLogCrashTest, AnInputOutputErrorAtEachCallInTurnLosesNothing) {
  FaultsInTurn(ErrorCode::kInternal);
}

TEST(SegmentLogCrashTest, NoSpaceAtEachCallInTurnLosesNothing) {
  FaultsInTurn(ErrorCode::kResourceExhausted);
}

// After a failed sync the disk shows what it does not hold, until the power goes.
TEST(SegmentLogCrashTest, FailedSyncsKillsAndPowerCutsTogetherLoseNothing) {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    SimStorage disk(random);
    Model model(random, disk);
    for (int life = 0; life < 8; ++life) {
      ASSERT_TRUE(model.Open());
      ASSERT_NO_FATAL_FAILURE(model.Verify());
      const uint64_t failing = 1 + random.Below(12);
      disk.FailCall(failing, ErrorCode::kInternal, SimStorage::Call::kSync);
      for (int i = 0; i < 12 && !model.poisoned(); ++i) ASSERT_NO_FATAL_FAILURE(model.Step());
      model.Close();
      random.Percent(60) ? disk.Kill() : disk.Crash();
    }
    ASSERT_TRUE(model.Open());
    ASSERT_NO_FATAL_FAILURE(model.Verify());
  }
}

TEST(SegmentLogCrashTest, AFullDiskAndPowerCutsTogetherLoseNothing) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    SimStorage disk(random);
    Model model(random, disk);
    for (int life = 0; life < 6; ++life) {
      disk.SetCapacity(UINT64_MAX);
      ASSERT_TRUE(model.Open());
      ASSERT_NO_FATAL_FAILURE(model.Verify());
      for (int i = 0; i < 40; ++i) {
        disk.SetCapacity(random.Percent(50) ? UINT64_MAX : disk.used_bytes() + random.Below(300));
        if (random.Percent(10)) {
          disk.FailCall(1, ErrorCode::kResourceExhausted, SimStorage::Call::kWrite);
        }
        ASSERT_NO_FATAL_FAILURE(model.Step());
        ASSERT_FALSE(model.poisoned());
      }
      model.Close();
      EndOfLife(random, disk);
    }
  }
}

}  // namespace
}  // namespace tw::changelog
