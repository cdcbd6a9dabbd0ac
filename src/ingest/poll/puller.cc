#include "ingest/poll/puller.h"

#include <algorithm>
#include <limits>
#include <map>

#include "ingest/poll/puller_parts.h"
#include "telemetry/log.h"

namespace tw::ingest {

Result<std::unique_ptr<Puller>> Puller::Create(Wiring wiring, PullerOptions options) {
  TW_ASSIGN_OR_RETURN(auto jobs, MakeJobs(wiring.sources));
  return std::unique_ptr<Puller>(
      new Puller(std::make_unique<Parts>(std::move(wiring), std::move(options), std::move(jobs))));
}

Status CheckJobs(const std::vector<std::shared_ptr<const Source>>& sources) {
  TW_RETURN_IF_ERROR(MakeJobs(sources));
  return {};
}

Puller::Puller(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Puller::~Puller() = default;

std::vector<JobRow> Puller::JobRows() const {
  std::vector<JobRow> rows;
  for (const auto& job : parts_->jobs) rows.push_back(job->Row(parts_->wiring.sources));
  return rows;
}

void Puller::OnView(std::shared_ptr<const PullView> view) {
  parts_->mailbox->Post([parts = parts_.get(), view = std::move(view)] { parts->TakeView(view); });
}

MonoTime Puller::Turn() { return parts_->Turn(); }
bool Puller::idle() const { return parts_->idle(); }

void Mailbox::Post(Function<void()> event) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    events_.push_back(std::move(event));
  }
  if (wake_) wake_();
}

std::vector<Function<void()>> Mailbox::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

void Mailbox::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  events_.clear();
}

bool Mailbox::empty() const {
  const std::lock_guard lock(mutex_);
  return events_.empty();
}

Puller::Parts::Parts(Wiring w, PullerOptions o, std::vector<std::unique_ptr<Job>> all)
    : wiring(std::move(w)),
      options(std::move(o)),
      jobs(std::move(all)),
      owner(options.owner.empty() ? wiring.random.Hex(8) : options.owner),
      mailbox(std::make_shared<Mailbox>(wiring.wake)),
      metrics(wiring.metrics) {}

Puller::Parts::~Parts() { mailbox->Close(); }

bool Puller::Parts::idle() const {
  const bool quiet = std::ranges::all_of(jobs, [](const auto& job) { return job->run == nullptr; });
  return runs.empty() && quiet && mailbox->empty();
}

MonoTime Puller::Parts::Turn() {
  // Answers may lead to further requests that are answered at once; a bound keeps the turn short.
  constexpr int kRoundsMax = 10'000;
  for (int round = 0; round < kRoundsMax; ++round) {
    auto events = mailbox->Take();
    for (auto& event : events) event();
    const WallTime now = wiring.clock.Wall();
    for (const auto& job : jobs) TurnJob(*job, now);
    AdvanceWaiting();
    if (events.empty() && mailbox->empty()) break;
  }
  return NextDue();
}

MonoTime Puller::Parts::NextDue() const {
  const WallTime now = wiring.clock.Wall();
  const MonoTime mono = wiring.clock.Mono();
  // A step of the wall clock is noticed within this time.
  MonoTime due = mono + std::chrono::seconds(60);
  const auto at = [&](const std::optional<WallTime>& wall) {
    if (wall) due = std::min<MonoTime>(due, mono + std::max<std::chrono::microseconds>(*wall - now, {}));
  };
  for (const auto& job : jobs) {
    if (!job->known) continue;
    at(job->next);
    if (!job->late_told) at(job->late_at);
    if (job->run == nullptr) continue;
    if (!job->run->stopped) due = std::min(due, job->run->ends_by);
    if (CanBegin(*job)) due = std::min(due, job->run->waiting.front().not_before);
  }
  for (const auto& [time, id] : waiting) due = std::min(due, time);
  return due;
}

void Puller::Parts::TakeView(std::shared_ptr<const PullView> next) {
  view = std::move(next);
  for (const auto& job : jobs) {
    const auto active = view->job_active.find(job->plan.name);
    job->active = active == view->job_active.end() || active->second;
    if (job->known) continue;
    const auto state = view->job_states.find(job->plan.name);
    if (state != view->job_states.end()) job->DecodeState(state->second);
    job->known = true;
    const WallTime now = wiring.clock.Wall();
    const bool missed = job->next && *job->next <= now;
    // After a time of being down: once for all that was missed, or not at all.
    if (!job->next || (missed && job->plan.misfire == Misfire::kSkip)) {
      job->next = job->plan.schedule.Next(now);
    }
  }
  for (const OperatorRequest& request : view->requests) TakeRequest(request);
}

void Puller::Parts::TakeRequest(const OperatorRequest& request) {
  if (request.verb != "run" || !taken.insert(request.id).second) return;
  for (const auto& job : jobs) {
    if (job->plan.name == request.argument) {
      job->requests.push_back(request.id);
      return;
    }
  }
}

void Puller::Parts::Raise(AlertLevel level, std::string rule, std::string source,
                          std::string tenant, std::string text, bool resolved) {
  const auto grade = level == AlertLevel::kInfo      ? telemetry::Level::kInfo
                     : level == AlertLevel::kWarning ? telemetry::Level::kWarning
                                                     : telemetry::Level::kError;
  // What never fired need not be resolved again and again.
  const std::string key = rule + "\x1f" + source + "\x1f" + tenant;
  const auto known = alerts.find(key);
  if (resolved && known != alerts.end() && !known->second) return;
  alerts[key] = !resolved;
  if (!resolved) {
    telemetry::Log(grade, "Alert", text,
                   {{"rule", rule}, {"source", source}, {"tenant", tenant}});
  }
  wiring.store.Raise({.level = level,
                      .rule = std::move(rule),
                      .source = std::move(source),
                      .tenant = std::move(tenant),
                      .text = std::move(text),
                      .resolved = resolved,
                      .at = wiring.clock.Wall()});
}

}  // namespace tw::ingest
