// Puller: runs, one per tenant and stream.
#include <algorithm>

#include "base/check.h"
#include "ingest/poll/consistency.h"
#include "ingest/poll/puller_parts.h"
#include "telemetry/log.h"

namespace tw::ingest {

// Requests share their fate by client, and by tenant where each has a key of its own.
std::string Puller::Parts::CredentialOf(const StreamRun& run) const {
  std::string credential = run.source().name + "\x1f" + run.http().name;
  if (run.http().concurrency.per_credential == 0) {
    credential += "\x1f" + run.setup().tenant.tenant.id;
  }
  return credential;
}

void Puller::Parts::BeginRun(Job& job, TenantTask task) {
  const StreamRef ref = task.streams[task.next];
  const Source& source = *wiring.sources[ref.source];
  const PulledTenant* tenant = FindTenant(ref.source, task.tenant);
  const date::time_zone* zone = nullptr;
  if (tenant != nullptr && !tenant->tenant.timezone.empty()) {
    zone = zones.Find(tenant->tenant.timezone);
  }
  if (zone == nullptr) zone = zones.Find(source.tenants.timezone_default);
  auto active = std::make_unique<ActiveRun>();
  const uint64_t id = next_id++;
  active->id = id;
  active->job = &job;
  const std::string run_id = wiring.random.Uuid();
  StreamRun::Setup setup{.source = wiring.sources[ref.source],
                         .source_index = ref.source,
                         .stream_index = ref.stream,
                         .tenant = tenant == nullptr ? PulledTenant{} : *tenant,
                         .zone = zone,
                         .run_id = run_id,
                         .job = job.plan.name,
                         .purpose = job.purpose,
                         .next_due = job.next,
                         .download_path = options.download_directory + "/download-" + run_id};
  setup.tenant.tenant.id = task.tenant;
  setup.place = ref.place;
  setup.check = ref.check;
  if (job.purpose == PullPurpose::kReconcile && !ref.check && !ref.place.empty()) {
    setup.since = ReconcileSince(source, *zone, wiring.clock.Wall());
  }
  const auto state = job.run->states.find(KeyOf(ref, task.tenant));
  if (state != job.run->states.end()) setup.state = state->second;
  active->run = std::make_unique<StreamRun>(std::move(setup), wiring.clock.Wall(), wiring.random);
  if (tenant == nullptr) active->run->Cancel("the tenant is not active any more");
  active->credential = CredentialOf(*active->run);
  if (active->run->http().concurrency.per_credential > 0) active->exclusive = active->credential;
  active->task = std::move(task);
  runs.emplace(id, std::move(active));
  metrics.active.Set(static_cast<int64_t>(runs.size()));
  Advance(id);
}

void Puller::Parts::WaitUntil(uint64_t id, MonoTime time) { waiting.emplace(time, id); }

void Puller::Parts::AdvanceWaiting() {
  const MonoTime now = wiring.clock.Mono();
  while (!waiting.empty() && waiting.begin()->first <= now) {
    const uint64_t id = waiting.begin()->second;
    waiting.erase(waiting.begin());
    Advance(id);
  }
}

void Puller::Parts::Advance(uint64_t id) {
  const auto found = runs.find(id);
  if (found == runs.end()) return;
  ActiveRun& active = *found->second;
  const MonoTime now = wiring.clock.Mono();
  if (active.ready) return SendReady(active);
  // A key whose active tenant the server keeps belongs to one run from its first request on.
  if (!active.exclusive.empty() && !held.contains(active.exclusive + "\x1f" + std::to_string(id))) {
    const bool taken_by_other = std::ranges::any_of(held, [&](const std::string& name) {
      return name.starts_with(active.exclusive + "\x1f");
    });
    constexpr std::chrono::milliseconds kAskAgain{200};
    if (taken_by_other) return WaitUntil(id, now + kAskAgain);
    held.insert(active.exclusive + "\x1f" + std::to_string(id));
  }
  if (const auto until = paused.find(active.credential); until != paused.end()) {
    if (now < until->second) {
      active.run->Cancel("its credentials were refused; they are tried once an hour",
                         RunStatus::kUnauthorized);
    }
    if (now >= until->second) paused.erase(until);
  }
  auto step = active.run->Next(wiring.clock.Wall(), wiring.applied_sequence());
  if (auto* send = std::get_if<StreamRun::Send>(&step)) {
    active.ready = std::move(send->request);
    return SendReady(active);
  }
  if (const auto* wait = std::get_if<StreamRun::Wait>(&step)) return WaitUntil(id, now + wait->time);
  if (auto* store = std::get_if<StreamRun::Store>(&step)) {
    store->work.lease = Lease{active.job->plan.name, owner, wiring.clock.Wall() + options.lease};
    return wiring.store.Apply(std::move(store->work), [box = mailbox, this, id](
                                                          Result<PullResult> result) mutable {
      box->Post([this, id, result = std::move(result)]() mutable {
        OnStored(id, std::move(result));
      });
    });
  }
  const auto& finished = std::get<StreamRun::Finished>(step);
  Finish(id, finished.status, finished.error);
}

void Puller::Parts::SendReady(ActiveRun& active) {
  const MonoTime now = wiring.clock.Mono();
  const MonoTime at = gate.Admit(active.credential, active.run->http(), now);
  if (at > now) return WaitUntil(active.id, at);
  metrics.requests.Add();
  fetch::Request request = *std::move(active.ready);
  active.ready.reset();
  wiring.transport.Send(std::move(request),
                        [box = mailbox, this, id = active.id](Result<fetch::Response> answer) {
                          box->Post([this, id, answer = std::move(answer)]() mutable {
                            OnAnswer(id, std::move(answer));
                          });
                        });
}

void Puller::Parts::OnAnswer(uint64_t id, Result<fetch::Response> answer) {
  const auto found = runs.find(id);
  if (found == runs.end()) return;
  ActiveRun& active = *found->second;
  const MonoTime now = wiring.clock.Mono();
  active.run->OnAnswer(std::move(answer), wiring.clock.Wall());
  const bool opened = gate.OnAnswer(active.credential, active.run->http(),
                                    active.run->healthy() ? Gate::Answer::kHealthy
                                                          : Gate::Answer::kFailed,
                                    now);
  if (opened) {
    Raise(AlertLevel::kCritical, "source_api_down", active.run->source().name, "",
          "The API of " + active.run->source().title + " does not work; it is left alone for a while");
  }
  if (const auto pause = active.run->TakePause()) gate.PauseUntil(active.credential, now + *pause);
  Advance(id);
}

void Puller::Parts::OnStored(uint64_t id, Result<PullResult> result) {
  const auto found = runs.find(id);
  if (found == runs.end()) return;
  if (result.ok()) metrics.records.Add(result->records);
  found->second->run->OnStored(result);
  Advance(id);
}

void Puller::Parts::Finish(uint64_t id, RunStatus status, const std::string& error) {
  const auto found = runs.find(id);
  const std::unique_ptr<ActiveRun> active = std::move(found->second);
  runs.erase(found);
  metrics.active.Set(static_cast<int64_t>(runs.size()));
  metrics.Runs(status).Add();
  if (!active->exclusive.empty()) held.erase(active->exclusive + "\x1f" + std::to_string(id));
  if (status == RunStatus::kUnauthorized && !paused.contains(active->credential)) {
    paused[active->credential] = wiring.clock.Mono() + options.unauthorized_pause;
  }
  if (active->run->setup().check) {
    TellChecked(*active, status, error);
  } else {
    AlertOf(*active, status, error);
    TellMissed(*active);
  }
  Job& job = *active->job;
  JobRun& run = *job.run;
  if (!IsSuccess(status)) {
    ++run.failed;
    if (run.first_error.empty()) {
      run.first_error = active->task.name + ": " + active->run->source().name + ": " +
                        std::string(ToString(status)) + ": " + error;
    }
    if (job.plan.on_tenant_error == OnTenantError::kStop) {
      run.stopped = true;
      run.waiting.clear();
    }
  } else {
    ++run.done;
  }
  // A tenant's other streams go on: they are other sources, or other parts of the same.
  TenantTask task = std::move(active->task);
  if (++task.next < task.streams.size() && !run.stopped) return BeginRun(job, std::move(task));
  --run.active;
  BeginTasks(job);
}

void Puller::Parts::AlertOf(const ActiveRun& active, RunStatus status, const std::string& error) {
  const std::string& source = active.run->source().name;
  const std::string& tenant = active.task.name;
  const std::string stream =
      active.run->source().streams[active.run->setup().stream_index].name;
  const std::string rule = "poll_failed." + stream;
  const std::string text = "Polling " + source + "." + stream + " for " + tenant + ": " +
                           std::string(ToString(status)) + ": " + error;
  if (active.run->total().sweep_refused) {
    Raise(AlertLevel::kCritical, "sweep_refused." + stream, source, tenant,
          "Too many rows of " + source + "." + stream + " would be gone for " + tenant +
              "; none was marked");
  }
  switch (status) {
    case RunStatus::kSuccess:
    case RunStatus::kUnchanged:
      return Raise(AlertLevel::kInfo, rule, source, tenant, "", true);
    case RunStatus::kDeferred:
    case RunStatus::kCancelled:
      return;
    case RunStatus::kRefused:
    case RunStatus::kLoop:
      return Raise(AlertLevel::kCritical, rule, source, tenant, text);
    case RunStatus::kPartial:
    case RunStatus::kUnauthorized:
    case RunStatus::kFailed:
      return Raise(AlertLevel::kWarning, rule, source, tenant, text);
  }
}

void Puller::Parts::TellMissed(const ActiveRun& active) {
  const auto& fallback = active.run->source().fallback;
  if (!fallback) return;
  for (const auto& [kind, count] : active.run->total().missed) {
    metrics.missed.Add(count);
    std::string text = fallback->missed_text.Fill(
        {{"n", std::to_string(count)}, {"fact", kind}, {"tenant.name", active.task.name}});
    const bool critical = count > fallback->missed_critical_above;
    Raise(critical ? AlertLevel::kCritical : fallback->missed_level, "webhook_missed." + kind,
          active.run->source().name, active.task.name, std::move(text));
  }
}

}  // namespace tw::ingest
