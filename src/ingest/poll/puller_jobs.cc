// Puller: jobs, from being due to their end.
#include <algorithm>
#include <limits>

#include "ingest/poll/puller_parts.h"
#include "telemetry/log.h"

namespace tw::ingest {
namespace {

// A tenant's place within the splay: always the same, so that intervals stay even.
std::chrono::milliseconds SplayOf(const std::string& tenant, std::chrono::milliseconds splay) {
  if (splay.count() == 0) return {};
  uint64_t hash = 1469598103934665603u;  // FNV-1a.
  for (const char c : tenant) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return std::chrono::milliseconds(hash % static_cast<uint64_t>(splay.count()));
}

}  // namespace

PullMetrics::PullMetrics(telemetry::Registry& all)
    : registry(all),
      requests(all.GetCounter("tidewire_pull_requests_total", "Requests of runs.")),
      records(all.GetCounter("tidewire_pull_records_total", "Records that runs have read.")),
      missed(all.GetCounter("tidewire_pull_missed_total",
                            "Facts that only polling found although a webhook reports them.")),
      reconciliations(all.GetCounter("tidewire_consistency_reconciliations_total",
                                     "Reconciliations that a difference has started.")),
      adjusted(all.GetCounter("tidewire_consistency_adjusted_days_total",
                              "Closed days that took over the source's total.")),
      skipped(all.GetCounter("tidewire_jobs_skipped_total",
                             "Times that a job was due while it still ran.")),
      active(all.GetGauge("tidewire_pull_runs", "Runs under way.")) {
  for (int i = 0; i <= static_cast<int>(RunStatus::kCancelled); ++i) {
    (void)Runs(static_cast<RunStatus>(i));
  }
}

telemetry::Counter& PullMetrics::Runs(RunStatus status) {
  return registry.GetCounter("tidewire_pull_runs_total", "Runs that ended, by outcome.",
                             {{"outcome", std::string(ToString(status))}});
}

void Puller::Parts::TurnJob(Job& job, WallTime now) {
  if (!job.known) return;
  CheckLate(job, now);
  if (job.run != nullptr) {
    const MonoTime mono = wiring.clock.Mono();
    if (mono >= job.run->ends_by && !job.run->stopped) {
      job.run->stopped = true;
      job.run->waiting.clear();
      job.run->first_error = "stopped after max_runtime";
      ++job.run->failed;
      for (const auto& [id, active] : runs) {
        if (active->job == &job) {
          active->run->Cancel("the job ran longer than max_runtime");
          WaitUntil(id, mono);
        }
      }
      Raise(AlertLevel::kWarning, "job_overrun", job.plan.name, "",
            "Job " + job.plan.name + " ran longer than it may and was stopped");
    }
    if (job.run->claimed) BeginTasks(job);
  }
  const bool due = job.next && now >= *job.next;
  if (due && !job.active) {
    job.next = job.plan.schedule.Next(now);  // Switched off: its times pass.
  } else if (due) {
    const WallTime was = *job.next;
    job.next = job.plan.schedule.Next(now);
    if (!job.late_at && job.plan.late_after.count() > 0) job.late_at = was + job.plan.late_after;
    if (job.run == nullptr) {
      Begin(job, now);
    } else if (job.plan.overlap == Overlap::kQueueOne) {
      job.queued = true;
    } else {
      metrics.skipped.Add();
    }
  }
  const bool asked = job.queued || !job.requests.empty();
  if (asked && job.run == nullptr) Begin(job, now);
}

void Puller::Parts::CheckLate(Job& job, WallTime now) {
  if (!job.late_at || job.late_told || now < *job.late_at) return;
  job.late_told = true;
  Raise(AlertLevel::kWarning, "job_late", job.plan.name, "",
        "Job " + job.plan.name + " was due and has not succeeded in time");
}

void Puller::Parts::Begin(Job& job, WallTime now) {
  const MonoTime mono = wiring.clock.Mono();
  job.queued = false;
  job.run = std::make_unique<JobRun>();
  JobRun& run = *job.run;
  run.id = wiring.random.Hex(8);
  run.started = now;
  run.ends_by = mono + job.plan.max_runtime;
  run.requests = std::exchange(job.requests, {});
  job.last_run = now;
  MakeTasks(job);
  ClaimRequest claim{.lease = {job.plan.name, owner, now + options.lease}, .now = now};
  for (const TenantTask& task : run.waiting) {
    for (const StreamRef& ref : task.streams) {
      claim.states.push_back(KeyOf(ref, task.tenant));
    }
  }
  wiring.store.Claim(std::move(claim), [box = mailbox, this, &job, id = run.id](
                                           Result<Claimed> claimed) mutable {
    box->Post([this, &job, id, claimed = std::move(claimed)]() mutable {
      OnClaimed(job, id, std::move(claimed));
    });
  });
}

void Puller::Parts::MakeTasks(Job& job) {
  const MonoTime mono = wiring.clock.Mono();
  std::map<std::string, TenantTask> tasks;
  for (const StreamRef& ref : job.streams) {
    for (const PulledTenant& tenant : view->tenants[ref.source]) {
      TenantTask& task = tasks[tenant.tenant.id];
      task.tenant = tenant.tenant.id;
      task.name = tenant.tenant.name;
      task.streams.push_back(ref);
    }
  }
  const StringSet chosen = Chosen(job);
  for (auto& [id, task] : tasks) {
    if (job.reconciles && !chosen.empty() && !chosen.contains(id)) continue;
    if (job.fallback != nullptr) {
      const PulledTenant* tenant = FindTenant(*job.fallback_source, id);
      const Fallback::Seen seen{tenant->last_webhook_at, tenant->deliveries};
      if (!job.fallback->Check(id, seen, wiring.clock.Wall())) continue;
    }
    // Who asks for it now does not want to wait for its place.
    const bool asked = !job.run->requests.empty();
    task.not_before =
        mono + SplayOf(id, asked ? std::chrono::milliseconds(0) : job.plan.schedule.splay);
    job.run->waiting.push_back(std::move(task));
  }
  std::ranges::stable_sort(job.run->waiting, {}, &TenantTask::not_before);
}

std::string Puller::Parts::KeyOf(const StreamRef& ref, std::string_view tenant) const {
  const Source& source = *wiring.sources[ref.source];
  return PlaceKey(source.name, source.streams[ref.stream].name, tenant, ref.place);
}

const PulledTenant* Puller::Parts::FindTenant(uint16_t source, std::string_view id) const {
  for (const PulledTenant& tenant : view->tenants[source]) {
    if (tenant.tenant.id == id) return &tenant;
  }
  return nullptr;
}

void Puller::Parts::OnClaimed(Job& job, const std::string& run_id, Result<Claimed> claimed) {
  if (job.run == nullptr || job.run->id != run_id) return;
  if (!claimed.ok() || !claimed->granted) {
    // Another process works on it, or the store cannot be used; the next time comes.
    job.run.reset();
    return;
  }
  if (claimed->lost_before) {
    Raise(AlertLevel::kWarning, "job_lost", job.plan.name, "",
          "The last run of job " + job.plan.name + " never ended; this one goes on from its place");
  }
  job.run->states = std::move(claimed->states);
  job.run->claimed = true;
  BeginTasks(job);
}

bool Puller::Parts::CanBegin(const Job& job) const {
  const JobRun& run = *job.run;
  return run.claimed && !run.stopped && !run.waiting.empty() &&
         run.active < job.plan.tenants_in_parallel;
}

void Puller::Parts::BeginTasks(Job& job) {
  const MonoTime mono = wiring.clock.Mono();
  while (CanBegin(job) && job.run->waiting.front().not_before <= mono) {
    TenantTask task = std::move(job.run->waiting.front());
    job.run->waiting.pop_front();
    ++job.run->active;
    BeginRun(job, std::move(task));
  }
  if (job.run != nullptr && job.run->active == 0 && job.run->waiting.empty()) EndJob(job);
}

void Puller::Parts::EndJob(Job& job) {
  if (std::exchange(job.run->ending, true)) return;
  JobRun& run = *job.run;
  job.last_status = run.failed == 0 ? "success" : run.done == 0 ? "failed" : "partial";
  job.last_error = run.first_error;
  if (run.failed == 0) {
    if (job.late_told) {
      Raise(AlertLevel::kInfo, "job_late", job.plan.name, "",
            "Job " + job.plan.name + " is in time again", true);
    }
    job.late_at.reset();
    job.late_told = false;
  }
  for (const auto& other : jobs) {
    if (!other->wanted.empty()) other->queued = true;
  }
  JobEnd end{.lease = {job.plan.name, owner, run.started},
             .row = job.Row(wiring.sources),
             .state = job.EncodeState(),
             .requests = run.requests};
  wiring.store.End(std::move(end), [box = mailbox, &job, id = run.id](Status done) {
    box->Post([&job, id, done = std::move(done)] {
      // Not written: the lease ends by itself.
      if (job.run != nullptr && job.run->id == id) job.run.reset();
    });
  });
}

}  // namespace tw::ingest
