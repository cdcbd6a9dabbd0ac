// Jobs of the puller: what runs, when it is due, and the run that is under way. Private to
// ingest/poll.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ingest/poll/fallback.h"
#include "ingest/poll/pull_work.h"
#include "ingest/source.h"

namespace tw::ingest {

struct StreamRef {
  uint16_t source = 0;
  uint16_t stream = 0;
  std::optional<uint16_t> check = {};  // It is compared, by this one of ConsistencyPlan::checks.
  std::string place = {};              // See PlaceKey.
  bool operator==(const StreamRef&) const = default;
};

// What one tenant has to go through in one run of a job.
struct TenantTask {
  std::string tenant;  // Id.
  std::string name;
  std::vector<StreamRef> streams;
  size_t next = 0;        // Of `streams`.
  MonoTime not_before{};  // Splay.
};

// One run of a job, from its claim to its end.
struct JobRun {
  std::string id;
  WallTime started;
  MonoTime ends_by{};
  bool claimed = false;
  bool ending = false;
  bool stopped = false;  // No further tenant begins.
  StringMap<std::string> states;
  std::deque<TenantTask> waiting;
  size_t active = 0;
  uint64_t done = 0;
  uint64_t failed = 0;
  std::string first_error;
  std::vector<int64_t> requests;  // Of operators.
};

struct Job {
  JobPlan plan;
  std::string type;  // "job", "stream", "fallback", "consistency", "reconcile".
  std::vector<StreamRef> streams;
  std::unique_ptr<Fallback> fallback;
  std::optional<uint16_t> fallback_source;
  PullPurpose purpose = PullPurpose::kPoll;
  // A reconciliation runs for these tenants (ids), or for those that an operator must ask for.
  std::optional<uint16_t> reconciles;  // Index of the source.
  StringSet wanted;
  StringSet asked_for;

  bool known = false;  // Its stored state was read.
  bool active = true;
  std::optional<WallTime> next;
  std::optional<WallTime> late_at;  // An alert is due then.
  bool late_told = false;
  bool queued = false;
  std::vector<int64_t> requests;
  std::unique_ptr<JobRun> run;
  std::optional<WallTime> last_run;
  std::string last_status;
  std::string last_error;

  std::string Endpoint(const std::vector<std::shared_ptr<const Source>>& sources) const;
  JobRow Row(const std::vector<std::shared_ptr<const Source>>& sources) const;
  // What is kept between processes.
  std::string EncodeState() const;
  void DecodeState(std::string_view text);
};

// The jobs of all sources: their own, their streams' schedules, their fallbacks and checks.
// Errors: kInvalidArgument for a stream that is not there, or whose totals nothing compares.
Result<std::vector<std::unique_ptr<Job>>> MakeJobs(
    const std::vector<std::shared_ptr<const Source>>& sources);

}  // namespace tw::ingest
