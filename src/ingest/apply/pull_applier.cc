#include "ingest/apply/pull_applier.h"

#include <algorithm>

#include "ingest/apply/batch.h"
#include "ingest/apply/local_day.h"
#include "ingest/apply/pull_batch.h"
#include "json/json.h"

namespace tw::ingest {
namespace {

constexpr std::chrono::days kRunsKept{30};
constexpr int kTrimmedMax = 5'000;

constexpr int kDeadMax = 10'000;    // Of one request.
constexpr size_t kDeadBatch = 500;  // Of one transaction.

Result<DeadFilter> FilterOf(std::string_view text) {
  TW_ASSIGN_OR_RETURN(const json::Document document, json::Parse(text));
  const auto part = [&](std::string_view name) {
    return std::string(document.root()[name].AsString().value_or(""));
  };
  return DeadFilter{part("source"), part("type"), part("reason"), part("id")};
}

std::string LeaseKey(std::string_view job) {
  return "lease\x1f" + std::string(job);
}

}  // namespace

template <typename Work>
Status PullApplier::InTransaction(Work work) {
  TW_RETURN_IF_ERROR(state_.Begin());
  Status done = work();
  if (done.ok()) done = state_.Commit();
  if (!done.ok()) state_.Abandon();
  return done;
}

Status PullApplier::AddJobs(std::span<const JobRow> jobs) {
  return InTransaction([&]() -> Status {
    // For the command line, which has no configuration at hand.
    TW_RETURN_IF_ERROR(effects_->WriteState("jobs_table", state_.options.jobs_table));
    jobs_.clear();
    for (const JobRow& job : jobs) {
      jobs_.push_back(job.name);
      TW_RETURN_IF_ERROR(effects_->WriteJob(job));
    }
    return {};
  });
}

Result<std::shared_ptr<const PullView>> PullApplier::ReadView() {
  auto view = std::make_shared<PullView>();
  for (uint16_t source = 0; source < state_.sources.size(); ++source) {
    auto& tenants = view->tenants.emplace_back();
    if (state_.sources[source]->streams.empty()) continue;
    TW_ASSIGN_OR_RETURN(tenants, effects_->PulledTenants(source));
    if (!state_.sources[source]->fallback) continue;
    for (PulledTenant& tenant : tenants) {
      TW_ASSIGN_OR_RETURN(tenant.last_webhook_at,
                          state_.effects->LastDelivery(source, tenant.tenant.id));
      const auto seen = state_.delivered.find({source, tenant.tenant.id});
      if (seen != state_.delivered.end()) tenant.deliveries = seen->second;
    }
  }
  TW_ASSIGN_OR_RETURN(const auto jobs, effects_->ReadJobs());
  for (const JobRow& job : jobs) view->job_active.emplace(job.name, job.active);
  for (const std::string& job : jobs_) {
    TW_ASSIGN_OR_RETURN(view->job_states[job], effects_->ReadState(JobStateKey(job)));
  }
  TW_ASSIGN_OR_RETURN(view->requests, effects_->PendingRequests());
  return std::shared_ptr<const PullView>(std::move(view));
}

Result<Claimed> PullApplier::Claim(const ClaimRequest& request) {
  Claimed claimed;
  const auto work = [&]() -> Status {
    const std::string key = LeaseKey(request.lease.job);
    TW_ASSIGN_OR_RETURN(const std::string stored, effects_->ReadState(key));
    const auto document = json::Parse(stored);
    if (document.ok()) {
      const auto until = document->root()["until"].AsInt().value_or(0);
      const bool ours = document->root()["owner"].AsString() == request.lease.owner;
      const bool expired = WallTime(std::chrono::microseconds(until)) <= request.now;
      if (!ours && !expired) return {};
      claimed.lost_before = true;  // One that ends gives its lease back.
    }
    json::Writer writer;
    writer.Object()
        .Key("owner")
        .String(request.lease.owner)
        .Key("until")
        .Int(request.lease.until.time_since_epoch().count());
    writer.End();
    TW_RETURN_IF_ERROR(effects_->WriteState(key, writer.Take()));
    for (const std::string& state : request.states) {
      TW_ASSIGN_OR_RETURN(claimed.states[state], effects_->ReadState(state));
    }
    claimed.granted = true;
    return {};
  };
  TW_RETURN_IF_ERROR(InTransaction(work));
  return claimed;
}

Result<PullResult> PullApplier::Apply(const PullWork& work) {
  PullResult result;
  const auto attempt = [&](Isolation isolation) {
    return InTransaction([&]() -> Status {
      PullBatch batch(state_, *effects_, work, isolation);
      TW_ASSIGN_OR_RETURN(result, batch.Run());
      return {};
    });
  };
  const Status whole = attempt(Isolation::kWhole);
  if (!whole.ok() && whole.error().code == ErrorCode::kInvalidArgument) {
    TW_RETURN_IF_ERROR(attempt(Isolation::kIsolated));
  } else {
    TW_RETURN_IF_ERROR(whole);
  }
  return result;
}

Status PullApplier::End(const JobEnd& end) {
  return InTransaction([&]() -> Status {
    const std::string key = LeaseKey(end.lease.job);
    TW_ASSIGN_OR_RETURN(const std::string stored, effects_->ReadState(key));
    const auto document = json::Parse(stored);
    // Someone else has it by now: what they do is not ours to end.
    const bool ours = document.ok() && document->root()["owner"].AsString() == end.lease.owner;
    if (ours) {
      TW_RETURN_IF_ERROR(effects_->WriteState(key, ""));
      TW_RETURN_IF_ERROR(effects_->WriteState(JobStateKey(end.lease.job), end.state));
      TW_RETURN_IF_ERROR(effects_->WriteJob(end.row));
    }
    for (const int64_t request : end.requests) {
      TW_RETURN_IF_ERROR(effects_->EndRequest(request, end.row.last_status, state_.clock.Wall()));
    }
    return {};
  });
}

Status PullApplier::Raise(const Alert& alert) {
  return InTransaction([&] { return effects_->WriteAlert(alert); });
}

Result<int64_t> PullApplier::AdjustDay(const DayTotal& counted) {
  int64_t change = 0;
  const Status done = InTransaction([&]() -> Status {
    const WallTime now = state_.clock.Wall();
    TW_ASSIGN_OR_RETURN(const TenantContext* tenant,
                        state_.tenants.Resolve(counted.source, counted.tenant));
    if (tenant == nullptr) return Fail(ErrorCode::kNotFound, "no tenant " + counted.tenant);
    TW_ASSIGN_OR_RETURN(const std::string closed_on, AddDays(counted.day, counted.day_lag + 1));
    if (LocalDay(*tenant->zone, now) < closed_on) {
      return Fail(ErrorCode::kFailedPrecondition, counted.day + " is not closed yet");
    }
    if (state_.days.IsSealed(counted.source, tenant->tenant.id, counted.day)) {
      return Fail(ErrorCode::kFailedPrecondition, counted.day + " is sealed");
    }
    TW_ASSIGN_OR_RETURN(change, state_.counters.Follow(counted.source, *tenant, counted.metric,
                                                       counted.day, counted.total, now));
    return {};
  });
  TW_RETURN_IF_ERROR(done);
  return change;
}

Status PullApplier::EndRequest(int64_t request, std::string_view said) {
  return InTransaction([&] { return effects_->EndRequest(request, said, state_.clock.Wall()); });
}

// One at a time: another one waits until it is done.
Status PullApplier::DoReplay(const OperatorRequest& request) {
  if (replayer_.request() == 0) {
    if (const Status begun = replayer_.Begin(request.id, request.argument); !begun.ok()) {
      json::Writer writer;
      writer.Object().Key("error").String(begun.error().message).End();
      return EndRequest(request.id, writer.Take());
    }
  }
  if (replayer_.request() != request.id) return {};
  TW_ASSIGN_OR_RETURN(const auto said, replayer_.Turn());
  return said ? EndRequest(request.id, *said) : Status();
}

Status PullApplier::DoRequests(const RefusedWork& refused) {
  TW_ASSIGN_OR_RETURN(const auto requests, effects_->PendingRequests());
  for (const OperatorRequest& request : requests) {
    if (request.verb == "replay") {
      TW_RETURN_IF_ERROR(DoReplay(request));
      continue;
    }
    if (refused && request.verb.starts_with("refused_")) {
      TW_ASSIGN_OR_RETURN(const auto said, refused(request));
      if (said) TW_RETURN_IF_ERROR(EndRequest(request.id, *said));
      continue;
    }
    const bool retry = request.verb == "dead_retry";
    if (!retry && request.verb != "dead_discard") continue;
    std::string said = "not understood";
    if (const auto filter = FilterOf(request.argument); filter.ok()) {
      TW_ASSIGN_OR_RETURN(said, retry ? RetryDead(*filter) : DiscardDead(*filter));
    }
    TW_RETURN_IF_ERROR(EndRequest(request.id, said));
  }
  return {};
}

Result<std::string> PullApplier::RetryDead(const DeadFilter& filter) {
  uint64_t applied = 0;
  uint64_t dead = 0;
  // A letter that dies again comes back under a new id: only those of now are tried.
  TW_ASSIGN_OR_RETURN(const auto all, effects_->DeadLetters(filter, kDeadMax));
  for (size_t at = 0; at < all.size(); at += kDeadBatch) {
    const size_t end = std::min(all.size(), at + kDeadBatch);
    TW_RETURN_IF_ERROR(InTransaction([&]() -> Status {
      Batch batch(state_, Isolation::kIsolated);
      for (size_t i = at; i < end; ++i) {
        const auto source = state_.source_by_name.find(all[i].source);
        if (source == state_.source_by_name.end()) {
          ++dead;
          continue;
        }
        TW_RETURN_IF_ERROR(effects_->RemoveDeadLetter(all[i].id));
        TW_ASSIGN_OR_RETURN(const EventStatus status, batch.Retry(source->second, all[i]));
        ++(status == EventStatus::kDead ? dead : applied);
      }
      return batch.Finish();
    }));
  }
  return std::to_string(applied) + " applied, " + std::to_string(dead) + " still dead";
}

Result<std::string> PullApplier::DiscardDead(const DeadFilter& filter) {
  TW_ASSIGN_OR_RETURN(const auto all, effects_->DeadLetters(filter, kDeadMax));
  TW_RETURN_IF_ERROR(InTransaction([&]() -> Status {
    for (const KeptEvent& letter : all) {
      TW_RETURN_IF_ERROR(effects_->RemoveDeadLetter(letter.id));
    }
    return {};
  }));
  return std::to_string(all.size()) + " discarded";
}

Status PullApplier::Trim(WallTime now) {
  if (now < trim_due_) return {};
  trim_due_ = now + std::chrono::minutes(10);
  return InTransaction([&] { return effects_->TrimRuns(now - kRunsKept, kTrimmedMax); });
}

}  // namespace tw::ingest
