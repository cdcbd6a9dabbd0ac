// ingest/poll: asks outside systems on schedules, and when their webhooks stay away.
//
//   view ─┐                                 ┌─▶ Transport ──answer──┐
//         ▼                                 │                       ▼
//   Puller::Turn: what is due ──▶ job ──▶ runs (one per tenant and stream) ──work──▶ PullStore
//                                           ▲────────────────── result ───────────────┘
//
// Start here   puller.h → stream_run.h (one run) → pull_work.h (what the store is told) →
//              gate.h (limits) → fallback.h; schedule/cron.h (when).
// Promises     What is fetched is applied in one transaction with the place that it reached; a run
//              that is cut off goes on from its last page. A tenant's failure stops no other.
// Thread       Turn and all it calls: one thread at a time. OnView and the done-functions that are
//              handed out: any thread; they only queue.
// Not here     SQL (apply/pull_effects.h), sockets (fetch).
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "base/random.h"
#include "fetch/transport.h"
#include "ingest/poll/pull_work.h"
#include "ingest/source.h"
#include "telemetry/metrics.h"

namespace tw::ingest {

// The store as the pull side reaches it. `done` may be called on any thread, once.
class PullStore {
 public:
  virtual ~PullStore() = default;
  virtual void Claim(ClaimRequest request, Function<void(Result<Claimed>)> done) = 0;
  virtual void Apply(PullWork work, Function<void(Result<PullResult>)> done) = 0;
  virtual void End(JobEnd end, Function<void(Status)> done) = 0;
  virtual void Raise(Alert alert) = 0;
};

// Whether every job's streams exist and no two jobs share a name. Errors: kInvalidArgument.
Status CheckJobs(const std::vector<std::shared_ptr<const Source>>& sources);

struct PullerOptions {
  // How long a job stays ours without a sign of life; more than a run may wait for a source.
  std::chrono::milliseconds lease = std::chrono::minutes{20};
  // A tenant whose credentials were refused is tried again after this.
  std::chrono::milliseconds unauthorized_pause = std::chrono::hours{1};
  std::string download_directory = "/tmp";
  // Who we are in leases; empty: nobody else is this process. Where only one process can use the
  // database, a fixed name lets the next one take up at once what a killed one has left.
  std::string owner;
};

class Puller {
 public:
  // Everything given outlives the puller. `wake` is called when something was queued.
  struct Wiring {
    std::vector<std::shared_ptr<const Source>> sources;
    fetch::Transport& transport;
    PullStore& store;
    const Clock& clock;
    Random& random;
    telemetry::Registry& metrics;
    std::function<uint64_t()> applied_sequence;
    std::function<void()> wake;
  };
  // Errors: kInvalidArgument when a job names a stream that no source has.
  static Result<std::unique_ptr<Puller>> Create(Wiring wiring, PullerOptions options = {});
  ~Puller();

  // The rows that the jobs table must have.
  std::vector<JobRow> JobRows() const;
  void OnView(std::shared_ptr<const PullView> view);
  // Does what is due. Gives when it is to be called again, unless woken before.
  MonoTime Turn();
  // Nothing runs and nothing is queued. For tests.
  bool idle() const;

  struct Parts;

 private:
  explicit Puller(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace tw::ingest
