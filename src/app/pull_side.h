// The pull side in a process: the thread that runs a Puller, its transport, and the way from it to
// the store thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "app/configuration.h"
#include "app/store_thread.h"
#include "app/store_worker.h"
#include "base/clock.h"
#include "base/random.h"
#include "fetch/curl_transport.h"
#include "ingest/apply/applier.h"
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

// Errors: kInvalidArgument with the place of what is no address range.
Status CheckOutbound(const OutboundConfig& config);

// A transport as the configuration allows. Errors: as CheckOutbound and CurlTransport::Start.
Result<std::unique_ptr<fetch::CurlTransport>> StartTransport(const OutboundConfig& config,
                                                             const Clock& clock,
                                                             telemetry::Registry& metrics);

class PullSide {
 public:
  // Everything given outlives the object.
  struct Wiring {
    const Configuration& configuration;
    std::string data_directory;
    const std::vector<std::shared_ptr<const ingest::Source>>& sources;
    ingest::Applier& applier;
    StoreThread& store_thread;
    StoreWorker& worker;
    Clock& clock;
    Random& random;
    telemetry::Registry& metrics;
  };
  // Null when no source has streams. Before the store thread starts: it writes the jobs' rows.
  static Result<std::unique_ptr<PullSide>> Create(const Wiring& wiring);
  ~PullSide() { Stop(); }

  void Start() { thread_.Start(*puller_); }
  void Stop();
  // On the store thread, about once a second: what it knows goes to the puller.
  Status Housekeep();

 private:
  Status AddJobs();

  explicit PullSide(const Wiring& wiring)
      : wiring_(wiring),
        store_(wiring.store_thread, wiring.worker, wiring.applier.pull()),
        thread_(wiring.clock) {}

  const Wiring wiring_;
  StoreThreadPull store_;
  PullThread thread_;
  std::unique_ptr<ingest::Puller> puller_;
  bool jobs_added_ = false;
  // Ends first: what it still calls is there.
  std::unique_ptr<fetch::CurlTransport> transport_;
};

}  // namespace tw::app
