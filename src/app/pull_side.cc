#include "app/pull_side.h"

#include <algorithm>
#include <utility>

#include "telemetry/log.h"

namespace tw::app {

namespace {

Result<fetch::AddressGuard> MakeGuard(const OutboundConfig& config) {
  std::vector<fetch::AddressRange> allowed;
  for (const auto& text : config.allow_addresses) {
    auto range = fetch::ParseRange(*text);
    if (!range.ok()) {
      return Fail(range.error().code, ToString(text.where) + ": " + range.error().message);
    }
    allowed.push_back(*range);
  }
  return fetch::AddressGuard(std::move(allowed));
}

}  // namespace

template <typename T, typename Work>
void StoreThreadPull::Run(Work work, Function<void(Result<T>)> done) {
  auto shared = std::make_shared<Function<void(Result<T>)>>(std::move(done));
  const Status posted = thread_.Post([this, shared, work = std::move(work)]() mutable {
    auto result = work();
    worker_.NoteCommit();
    (*shared)(std::move(result));
  });
  if (!posted.ok()) (*shared)(std::unexpected(posted.error()));
}

void StoreThreadPull::Claim(ingest::ClaimRequest request,
                            Function<void(Result<ingest::Claimed>)> done) {
  Run<ingest::Claimed>([this, request = std::move(request)] { return applier_.Claim(request); },
                       std::move(done));
}

void StoreThreadPull::Apply(ingest::PullWork work,
                            Function<void(Result<ingest::PullResult>)> done) {
  Run<ingest::PullResult>([this, work = std::move(work)] { return applier_.Apply(work); },
                          std::move(done));
}

void StoreThreadPull::End(ingest::JobEnd end, Function<void(Status)> done) {
  Run<void>([this, end = std::move(end)] { return applier_.End(end); }, std::move(done));
}

void StoreThreadPull::Raise(ingest::Alert alert) {
  (void)thread_.Post([this, alert = std::move(alert)] {
    if (const Status raised = applier_.Raise(alert); !raised.ok()) {
      telemetry::Log(telemetry::Level::kError, "AlertNotKept", "an alert could not be written",
                     {{"rule", alert.rule}, {"error", raised.error().message}});
    }
    worker_.NoteCommit();
  });
}

void PullThread::Start(ingest::Puller& puller) {
  thread_ = std::thread([this, &puller] { Run(puller); });
}

void PullThread::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void PullThread::Wake() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(woken_, true)) return;
  }
  wake_.notify_one();
}

void PullThread::Run(ingest::Puller& puller) {
  for (;;) {
    const MonoTime due = puller.Turn();
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::max<std::chrono::nanoseconds>(due - clock_.Mono(), {}),
                   [this] { return woken_ || stopping_; });
    if (stopping_) return;
    woken_ = false;
  }
}

Status CheckOutbound(const OutboundConfig& config) {
  TW_RETURN_IF_ERROR(MakeGuard(config));
  return {};
}

Result<std::unique_ptr<fetch::CurlTransport>> StartTransport(const OutboundConfig& config,
                                                             const Clock& clock,
                                                             telemetry::Registry& metrics) {
  TW_ASSIGN_OR_RETURN(auto guard, MakeGuard(config));
  return fetch::CurlTransport::Start(
      {.guard = std::move(guard), .proxy = config.proxy, .ca_file = config.ca_file}, clock,
      metrics);
}

Result<std::unique_ptr<PullSide>> PullSide::Create(const Wiring& wiring) {
  const OutboundConfig& outbound = wiring.configuration.main.outbound;
  TW_RETURN_IF_ERROR(CheckOutbound(outbound));
  const bool pulls = std::ranges::any_of(
      wiring.sources, [](const auto& source) { return !source->streams.empty(); });
  if (!pulls) return std::unique_ptr<PullSide>();
  std::unique_ptr<PullSide> side(new PullSide(wiring));
  TW_ASSIGN_OR_RETURN(side->transport_, StartTransport(outbound, wiring.clock, wiring.metrics));
  TW_ASSIGN_OR_RETURN(
      side->puller_,
      ingest::Puller::Create(
          {.sources = wiring.sources,
           .transport = *side->transport_,
           .store = side->store_,
           .clock = wiring.clock,
           .random = wiring.random,
           .metrics = wiring.metrics,
           .applied_sequence = [&applier = wiring.applier] { return applier.applied_sequence(); },
           .wake = [thread = &side->thread_] { thread->Wake(); }},
          // The directory's lock allows one process; a lease of an earlier one is nobody's.
          {.download_directory = wiring.data_directory, .owner = "data-directory"}));
  if (const Status added = side->AddJobs(); !added.ok()) {
    if (wiring.configuration.main.store.kind == StoreKind::kSqlite) {
      return std::unexpected(added.error());
    }
    // A database that is away is asked again by Housekeep; nothing runs before.
    telemetry::Log(telemetry::Level::kWarning, "JobsLater", "the jobs wait for the database",
                   {{"error", added.error().message}});
  }
  return side;
}

Status PullSide::AddJobs() {
  if (jobs_added_) return {};
  TW_RETURN_IF_ERROR(wiring_.applier.pull().AddJobs(puller_->JobRows()));
  jobs_added_ = true;
  return {};
}

void PullSide::Stop() {
  thread_.Stop();
  transport_.reset();
}

Status PullSide::Housekeep() {
  TW_RETURN_IF_ERROR(AddJobs());
  TW_ASSIGN_OR_RETURN(auto view, wiring_.applier.pull().ReadView());
  puller_->OnView(std::move(view));
  return wiring_.applier.pull().Trim(wiring_.clock.Wall());
}

}  // namespace tw::app
