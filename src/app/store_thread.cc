#include "app/store_thread.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "telemetry/log.h"

namespace tw::app {
namespace {

// How soon a commit of another program is noticed.
constexpr std::chrono::milliseconds kIdleWait{20};
constexpr int kApplyNiceness = 5;
constexpr std::chrono::milliseconds kRetryWaitMin{100};
constexpr std::chrono::milliseconds kRetryWaitMax{30'000};

}  // namespace

StoreThread::StoreThread(StoreWorker& worker, telemetry::Registry& metrics)
    : worker_(worker),
      errors_(metrics.GetCounter("tidewire_store_errors_total",
                                 "Turns of the store thread that failed and were retried.")) {}

StoreThread::~StoreThread() { Stop(); }

void StoreThread::Start() {
  thread_ = std::thread([this] { Run(); });
}

void StoreThread::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void StoreThread::Wake() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(woken_, true)) return;
  }
  wake_.notify_one();
}

Status StoreThread::Post(Function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.size() >= kTasksMax) {
      return Fail(ErrorCode::kResourceExhausted, "the store thread is busy");
    }
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
  return {};
}

std::deque<Function<void()>> StoreThread::WaitForWork(std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, at_most, [this] { return stopping_ || woken_ || !tasks_.empty(); });
  woken_ = false;
  return std::exchange(tasks_, {});
}

void StoreThread::Run() {
  // Acknowledging comes before applying: when there is not enough processor for both, senders are
  // answered and the backlog waits in the inbox. Per thread on Linux, setpriority(2).
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kApplyNiceness);
  std::chrono::milliseconds wait{0};
  std::chrono::milliseconds retry = kRetryWaitMin;
  for (;;) {
    auto tasks = WaitForWork(wait);
    for (auto& task : tasks) task();
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ && tasks_.empty()) return;
    }
    const auto more = worker_.Turn();
    if (more.ok()) {
      healthy_.store(true, std::memory_order_relaxed);
      wait = *more ? std::chrono::milliseconds{0} : kIdleWait;
      retry = kRetryWaitMin;
      continue;
    }
    healthy_.store(false, std::memory_order_relaxed);
    errors_.Add();
    telemetry::Log(telemetry::Level::kError, "StoreTurnFailed",
                   "the store cannot be used; it is retried and nothing is lost",
                   {{"error", more.error().message}, {"retry_ms", retry.count()}});
    wait = retry;
    retry = std::min(retry * 2, kRetryWaitMax);
  }
}

}  // namespace tw::app
