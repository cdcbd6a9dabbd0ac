// The store's side of the pull side: views out, work in. Every call is one transaction.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "ingest/apply/ingest_state.h"
#include "ingest/apply/pull_effects.h"
#include "ingest/apply/replay.h"
#include "ingest/poll/pull_work.h"

namespace tw::ingest {

// What a source itself counts.
struct DayTotal {
  uint16_t source = 0;
  std::string tenant;  // Id.
  std::string metric;
  std::string day;  // "2025-10-30", in the tenant's zone.
  int64_t total = 0;
  // A day is closed so many days after its end: until then the source may still be counting.
  int64_t day_lag = 0;
};

// Errors of every call: those of Effects that are the database's fault; nothing was written.
// Thread: the store thread.
class PullApplier {
 public:
  // `log`: null where nothing can be replayed.
  PullApplier(IngestState& state, std::unique_ptr<PullEffects> effects,
              std::unique_ptr<ReplayEffects> log)
      : state_(state), effects_(std::move(effects)), replayer_(state, std::move(log)) {}

  // Makes the rows of jobs that the table does not have.
  Status AddJobs(std::span<const JobRow> jobs);
  Result<std::shared_ptr<const PullView>> ReadView();
  Result<Claimed> Claim(const ClaimRequest& request);
  // Records that the database refuses end as dead records; the others are applied. Errors: also
  // kNotFound when the tenant is gone.
  Result<PullResult> Apply(const PullWork& work);
  Status End(const JobEnd& end);
  Status Raise(const Alert& alert);
  // The source counts `total` on this closed day: the day follows that from now on, by an
  // adjustment that shrinks when missing facts are found. Gives the adjustment's change.
  // Errors: also kNotFound: no such tenant; kInvalidArgument: no such metric, no date;
  // kFailedPrecondition: the day is not closed yet, or sealed.
  Result<int64_t> AdjustDay(const DayTotal& counted);
  // Does what operators asked for beyond jobs: dead letters, tried again or discarded, and replays,
  // a piece at a time. `refused` does what is asked about refused deliveries, and says what came of
  // it; nullopt: it is not done yet.
  using RefusedWork = std::function<Result<std::optional<std::string>>(const OperatorRequest&)>;
  Status DoRequests(const RefusedWork& refused = {});
  // Removes old runs.
  Status Trim(WallTime now);

 private:
  template <typename Work>
  Status InTransaction(Work work);
  Status EndRequest(int64_t request, std::string_view said);
  Status DoReplay(const OperatorRequest& request);
  Result<std::string> RetryDead(const DeadFilter& filter);
  Result<std::string> DiscardDead(const DeadFilter& filter);

  IngestState& state_;
  std::unique_ptr<PullEffects> effects_;
  Replayer replayer_;
  std::vector<std::string> jobs_;  // Those of AddJobs.
  WallTime trim_due_{};
};

}  // namespace tw::ingest
