// The thread that asks outside systems: runs a Puller, and the way from it to the store thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "app/store_thread.h"
#include "app/store_worker.h"
#include "base/clock.h"
#include "ingest/apply/pull_applier.h"
#include "ingest/poll/puller.h"

namespace tw::app {

// Hands the puller's work to the store thread, through its bounded queue.
class StoreThreadPull final : public ingest::PullStore {
 public:
  // All outlive the object.
  StoreThreadPull(StoreThread& thread, StoreWorker& worker, ingest::PullApplier& applier)
      : thread_(thread), worker_(worker), applier_(applier) {}

  void Claim(ingest::ClaimRequest request,
             Function<void(Result<ingest::Claimed>)> done) override;
  void Apply(ingest::PullWork work, Function<void(Result<ingest::PullResult>)> done) override;
  void End(ingest::JobEnd end, Function<void(Status)> done) override;
  void Raise(ingest::Alert alert) override;

 private:
  template <typename T, typename Work>
  void Run(Work work, Function<void(Result<T>)> done);

  StoreThread& thread_;
  StoreWorker& worker_;
  ingest::PullApplier& applier_;
};

class PullThread {
 public:
  explicit PullThread(const Clock& clock) : clock_(clock) {}
  // Stops.
  ~PullThread() { Stop(); }

  // `puller` is used by the thread alone from now on, but for what it allows to any thread.
  void Start(ingest::Puller& puller);
  // What is under way is left; it goes on at the next start. Idempotent.
  void Stop();
  // Any thread.
  void Wake();

 private:
  void Run(ingest::Puller& puller);

  const Clock& clock_;
  std::mutex mutex_;  // Guards woken_ and stopping_.
  std::condition_variable wake_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tw::app
