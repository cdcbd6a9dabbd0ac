#include "app/ingest_side.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "app/config_history.h"
#include "telemetry/log.h"

namespace tw::app {
namespace {

// One store for all sources: the longest keep, the sum of the bytes.
ingest::RefusedLimits RefusedLimitsOf(const Sources& sources) {
  ingest::RefusedLimits limits{.keep = std::chrono::seconds{0}, .bytes_max = 0};
  for (const auto& source : sources) {
    if (!source->webhook) continue;
    const auto& config = source->webhook->refused;
    limits.keep =
        std::max(limits.keep, std::chrono::duration_cast<std::chrono::seconds>(config.keep));
    limits.bytes_max += config.keep_bytes.bytes;
  }
  return limits;
}

}  // namespace

Result<std::unique_ptr<IngestSide>> IngestSide::Create(const Wiring& wiring, Sources sources) {
  std::unique_ptr<IngestSide> side(new IngestSide(wiring, std::move(sources)));
  TW_RETURN_IF_ERROR(side->MakeApplier());
  TW_RETURN_IF_ERROR(NoteConfiguration(wiring.database, wiring.configuration, side->sources_,
                                       wiring.clock.Wall()));
  TW_ASSIGN_OR_RETURN(side->refused_,
                      ingest::RefusedStore::Create(wiring.database, wiring.clock, wiring.metrics,
                                                   RefusedLimitsOf(side->sources_)));
  TW_ASSIGN_OR_RETURN(side->endpoints_, ingest::EndpointSet::Create(side->sources_));
  return side;
}

ingest::ApplierOptions IngestSide::ApplierOptionsNow() const {
  return {.jobs_table = *wiring_.configuration.main.jobs.table};
}

Status IngestSide::MakeApplier() {
  if (!on_postgres_) {
    TW_ASSIGN_OR_RETURN(applier_, ingest::Applier::Create(wiring_.database, sources_, wiring_.clock,
                                                          wiring_.metrics, ApplierOptionsNow()));
    return {};
  }
  applier_ = ingest::Applier::CreateOnPostgres(
      {.dsn = wiring_.configuration.main.store.dsn.Reveal()}, sources_, wiring_.clock,
      wiring_.metrics, ApplierOptionsNow());
  const Status recovered = applier_->Recover();
  if (recovered.ok()) return {};
  // A new inbox must begin behind what the database has; an old one knows where it is.
  if (!std::filesystem::exists(wiring_.data_directory + "/inbox")) {
    return Annotate(recovered.error(),
                    "the first start with this data directory needs the database");
  }
  telemetry::Log(telemetry::Level::kWarning, "ApplyingLater",
                 "deliveries are accepted and wait until the database can be used",
                 {{"error", recovered.error().message}});
  return {};
}

Status IngestSide::Attach(StoreThread& store_thread, StoreWorker& worker,
                          ingest::InboxWriter& inbox) {
  store_thread_ = &store_thread;
  worker_ = &worker;
  refused_desk_ = std::make_unique<RefusedDesk>(
      RefusedDesk::Wiring{.store = *refused_,
                          .endpoints = endpoints_,
                          .submit =
                              [&inbox](ingest::Delivery&& delivery, ingest::CompletionToken token) {
                                return inbox.Submit(std::move(delivery), token);
                              },
                          .ended = wiring_.released});
  TW_ASSIGN_OR_RETURN(pull_side_, MakePullSide());
  return {};
}

Result<std::unique_ptr<PullSide>> IngestSide::MakePullSide() {
  return PullSide::Create({.configuration = wiring_.configuration,
                           .data_directory = wiring_.data_directory,
                           .sources = sources_,
                           .applier = *applier_,
                           .store_thread = *store_thread_,
                           .worker = *worker_,
                           .clock = wiring_.clock,
                           .random = wiring_.random,
                           .metrics = wiring_.metrics});
}

void IngestSide::Start() {
  if (pull_side_ != nullptr) pull_side_->Start();
}

void IngestSide::Stop() {
  if (pull_side_ != nullptr) pull_side_->Stop();
}

Status IngestSide::Replace(Sources sources) {
  TW_ASSIGN_OR_RETURN(auto endpoints, ingest::EndpointSet::Create(sources));
  // It works for the sources that go, with an applier that is about to change.
  pull_side_.reset();
  const Status replaced = applier_->SetSources(sources, ApplierOptionsNow());
  if (replaced.ok()) {
    sources_ = std::move(sources);
    endpoints_ = std::move(endpoints);
    refused_->SetLimits(RefusedLimitsOf(sources_));
    refused_desk_->SetEndpoints(endpoints_);
    TW_RETURN_IF_ERROR(
        NoteConfiguration(wiring_.database, wiring_.configuration, sources_, wiring_.clock.Wall()));
  }
  TW_ASSIGN_OR_RETURN(pull_side_, MakePullSide());
  return replaced;
}

Status IngestSide::Housekeep() {
  TW_RETURN_IF_ERROR(refused_->Trim());
  TW_RETURN_IF_ERROR(applier_->pull().DoRequests(
      [this](const ingest::OperatorRequest& request) { return refused_desk_->Do(request); }));
  return pull_side_ == nullptr ? Status() : pull_side_->Housekeep();
}

}  // namespace tw::app
