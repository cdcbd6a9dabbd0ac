// Reads on threads of their own: all run, bounded, refused when full, dropped at the end.
#include "query/reader_pool.h"

#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <set>
#include <thread>

#include "query/query_fixture.h"

namespace tw::query {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsOk;

class ReaderPoolTest : public QueryFixture {
 protected:
  std::unique_ptr<ReaderPool> Start(const ReaderPoolOptions& options) {
    auto pool = ReaderPool::Start(Path(), store_->epoch(), options, metrics_);
    EXPECT_THAT(pool, IsOk());
    return pool.ok() ? std::move(*pool) : nullptr;
  }
};

constexpr std::chrono::seconds kWait{20};

TEST_F(ReaderPoolTest, ATaskReadsTablesAndTheLog) {
  Write("insert into notes(id, owner) values(1, 'alice')");
  const auto pool = Start({});
  std::promise<std::string> rows;
  std::promise<uint64_t> offset;
  const auto query = Parse("notes", {{"select", "id"}});
  ASSERT_THAT(pool->Submit([&](ReadConnection& reader) {
    const auto result = ReadTable(reader.database, store_->epoch(), *query, {});
    rows.set_value(result.ok() ? result->json : result.error().message);
    offset.set_value(reader.log.LastOffset().value_or(0));
  }),
              IsOk());
  auto future = rows.get_future();
  ASSERT_EQ(future.wait_for(kWait), std::future_status::ready);
  EXPECT_EQ(future.get(), R"([{"id":1}])");
  EXPECT_EQ(offset.get_future().get(), 1u);
}

TEST_F(ReaderPoolTest, ItsConnectionsCannotWrite) {
  const auto pool = Start({});
  std::promise<Status> written;
  ASSERT_THAT(pool->Submit([&](ReadConnection& reader) {
    written.set_value(reader.database.Execute("insert into numbers values(1, 1)"));
  }),
              IsOk());
  EXPECT_THAT(written.get_future().get(), FailsWith(ErrorCode::kUnavailable));
}

TEST_F(ReaderPoolTest, ThreadsRunAtTheSameTime) {
  const auto pool = Start({.threads = 3});
  std::latch together(3);
  std::promise<void> done;
  std::atomic<int> left = 3;
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(pool->Submit([&](ReadConnection&) {
      together.arrive_and_wait();  // Passes only when all three are here.
      if (--left == 0) done.set_value();
    }),
                IsOk());
  }
  EXPECT_EQ(done.get_future().wait_for(kWait), std::future_status::ready);
}

TEST_F(ReaderPoolTest, TasksOfManyThreadsEachRunOnce) {
  constexpr int kSubmitters = 4;
  constexpr int kTasks = 200;
  std::atomic<int> runs = 0;
  std::atomic<int> wrong = 0;
  const auto query = Parse("numbers", {});
  {
    const auto pool = Start({.threads = 2});
    std::vector<std::thread> submitters;
    for (int i = 0; i < kSubmitters; ++i) {
      submitters.emplace_back([&] {
        for (int task = 0; task < kTasks; ++task) {
          if (!pool->Submit([&](ReadConnection& reader) {
                     if (!ReadTable(reader.database, store_->epoch(), *query, {}).ok()) ++wrong;
                     ++runs;
                   })
                   .ok()) {
            ++wrong;
          }
        }
      });
    }
    for (auto& thread : submitters) thread.join();
    const auto until = std::chrono::steady_clock::now() + kWait;
    while (runs.load() < kSubmitters * kTasks && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(runs.load(), kSubmitters * kTasks);
  EXPECT_EQ(wrong.load(), 0);
}

TEST_F(ReaderPoolTest, AFullQueueRefusesAndTheEndDropsWhatWaits) {
  std::promise<void> started;
  std::promise<void> release;
  std::atomic<int> runs = 0;
  const auto held = std::make_shared<int>(0);
  auto pool = Start({.threads = 1, .queue_tasks_max = 2});
  ASSERT_THAT(pool->Submit([&](ReadConnection&) {
    started.set_value();
    release.get_future().wait();
    ++runs;
  }),
              IsOk());
  started.get_future().wait();
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(pool->Submit([&runs, held](ReadConnection&) { ++runs; }), IsOk());
  }
  EXPECT_THAT(pool->Submit([&runs, held](ReadConnection&) { ++runs; }),
              FailsWith(ErrorCode::kResourceExhausted, HasSubstr("too much is waiting")));
  EXPECT_EQ(held.use_count(), 3);  // The refused task is gone already.
  std::thread ender([&] { pool.reset(); });
  // The end has begun once it waits; the running task then finishes, the waiting ones do not run.
  std::this_thread::sleep_for(std::chrono::milliseconds{50});
  release.set_value();
  ender.join();
  EXPECT_EQ(runs.load(), 1);
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(ReaderPoolTest, ADatabaseThatIsMissingIsRefused) {
  EXPECT_FALSE(ReaderPool::Start(directory_ + "/missing.db", 1, {}, metrics_).ok());
}

}  // namespace
}  // namespace tw::query
