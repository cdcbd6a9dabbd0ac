// What runs of the source files: the applier, the hooks, what was refused, the pull side. Sources
// can be replaced while the rest of the process goes on.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "app/configuration.h"
#include "app/pull_side.h"
#include "app/refused_desk.h"
#include "app/store_thread.h"
#include "app/store_worker.h"
#include "base/clock.h"
#include "base/random.h"
#include "ingest/apply/applier.h"
#include "ingest/inbox/inbox_writer.h"
#include "ingest/webhook/endpoint_set.h"
#include "ingest/webhook/refused_store.h"
#include "sqlite/sqlite.h"

namespace tw::app {

using Sources = std::vector<std::shared_ptr<const ingest::Source>>;

// Thread: the store thread, from Attach on, but for what says otherwise.
class IngestSide {
 public:
  // Everything given outlives the object.
  struct Wiring {
    const Configuration& configuration;  // In force; a replacement is written there by its owner.
    const std::string& data_directory;
    sqlite::Database& database;  // Our own, on either store.
    ReleasedIds& released;
    Clock& clock;
    Random& random;
    telemetry::Registry& metrics;
  };
  // Opens what `sources` need. Errors: kInvalidArgument (what the files say cannot be), the
  // store's.
  static Result<std::unique_ptr<IngestSide>> Create(const Wiring& wiring, Sources sources);
  ~IngestSide() { Stop(); }

  // Before the store thread starts. Errors: as PullSide::Create.
  Status Attach(StoreThread& store_thread, StoreWorker& worker, ingest::InboxWriter& inbox);
  // What streams and schedules say is done from now on. Any thread, one at a time with Stop.
  void Start();
  void Stop();

  // Goes on with `sources` under the configuration in force; deliveries that wait are applied by
  // the new ones. Between Stop and Start. Errors: the store's; the former sources stay.
  Status Replace(Sources sources);

  // About once a second.
  Status Housekeep();
  Status KeepRefused(const ingest::Delivery& delivery, std::string_view reason) {
    return refused_->Keep(delivery, reason);
  }

  const Sources& sources() const { return sources_; }
  ingest::Applier& applier() { return *applier_; }
  const ingest::EndpointSetPtr& endpoints() const { return endpoints_; }
  // Whether what is applied goes to PostgreSQL. Any thread.
  bool on_postgres() const { return on_postgres_; }

 private:
  IngestSide(const Wiring& wiring, Sources sources)
      : wiring_(wiring),
        on_postgres_(wiring.configuration.main.store.kind == StoreKind::kPostgres &&
                     !sources.empty()),
        sources_(std::move(sources)) {}
  Status MakeApplier();
  ingest::ApplierOptions ApplierOptionsNow() const;
  Result<std::unique_ptr<PullSide>> MakePullSide();

  const Wiring wiring_;
  const bool on_postgres_;
  Sources sources_;
  StoreThread* store_thread_ = nullptr;  // Set by Attach.
  StoreWorker* worker_ = nullptr;
  std::unique_ptr<ingest::Applier> applier_;
  ingest::EndpointSetPtr endpoints_;
  std::unique_ptr<ingest::RefusedStore> refused_;
  std::unique_ptr<RefusedDesk> refused_desk_;
  std::unique_ptr<PullSide> pull_side_;  // Null when no source has streams.
};

}  // namespace tw::app
