// ingest/apply: durable deliveries become facts, counters and rows, each effect exactly once.
//
//   inbox ──Apply(batch)──▶ parse → split → type → tenant → fact → counters, rows, stage ─┐
//                                                 one transaction, with log, health and ◀┘
//                                                 the inbox sequence that it reached
//
// Start here   applier.h (a batch) → event_applier.h (one event) → fact_book.h (once each) →
//              counter_book.h (deltas) → row_writer.h (versions, stages) → effects.h (the SQL).
// Promises     What Apply returns ok for is committed with the sequence it reached: after a restart
//              the applier continues at applied_sequence() + 1, and a delivery that is handed in
//              again is skipped. A poison event never stops the others.
// Owns         The tables tidewire_… of schema.h, or the schema tidewire of postgres_schema.h, and
//              what the source files name.
// Thread       The store thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "ingest/apply/postgres_session.h"
#include "ingest/inbox/delivery.h"
#include "ingest/source.h"
#include "sqlite/sqlite.h"
#include "telemetry/metrics.h"

namespace tw::ingest {

struct ApplierOptions {
  // A batch that is handed in is cut into transactions of at most so many deliveries.
  size_t batch_deliveries_max = 500;
  // How much later than the event a delivery may arrive, for events without a time of their own.
  std::chrono::microseconds delivery_delay_max = std::chrono::minutes{10};
  // Rows of the log and of parked and dead events removed by one OnTimer.
  int trimmed_rows_max = 2'000;
  // Table of the jobs that people see and switch; tidewire_job is made when it is missing.
  std::string jobs_table = "tidewire_job";
};

// What one Apply did, in deliveries, except where said.
struct ApplyOutcome {
  uint64_t applied_sequence = 0;
  uint64_t deliveries = 0;
  uint64_t events = 0;  // Events in them.
  uint64_t ok = 0;
  uint64_t duplicate = 0;
  uint64_t ignored = 0;
  uint64_t parked = 0;
  uint64_t dead = 0;
  uint64_t released = 0;  // Parked events that were applied because their tenant appeared.
  uint64_t transactions = 0;
};

class PullApplier;

class Applier {
 public:
  // Creates the internal tables. `database`, `sources` and `clock` must outlive the applier; the
  // database must be the one that the sources were checked against.
  // Errors: those of sqlite::Database; kInvalidArgument when a source does not fit the schema.
  static Result<std::unique_ptr<Applier>> Create(sqlite::Database& database,
                                                 std::vector<std::shared_ptr<const Source>> sources,
                                                 Clock& clock, telemetry::Registry& metrics,
                                                 const ApplierOptions& options = {});
  // The same on a PostgreSQL database, whose tables the sources were checked against. Does not
  // connect: what cannot be done while nobody answers is done by the next call.
  static std::unique_ptr<Applier> CreateOnPostgres(
      const PostgresSessionOptions& database, std::vector<std::shared_ptr<const Source>> sources,
      Clock& clock, telemetry::Registry& metrics, const ApplierOptions& options = {});
  ~Applier();

  // Goes on with other sources and options, where it is; the database has what they need. The store
  // thread only, while no other thread asks for anything. Errors: as Create; the former sources stay.
  Status SetSources(std::vector<std::shared_ptr<const Source>> sources,
                    const ApplierOptions& options);

  // Reads how far the store is, if that is not known: after CreateOnPostgres, and after an error.
  // Apply does it by itself. Errors: as Apply.
  Status Recover();
  // The last inbox sequence whose effects are committed; 0 before the first and before Recover.
  // After an error it may be behind. Any thread.
  uint64_t applied_sequence() const;

  // Whether applied_sequence() is what is committed. The store thread only.
  bool known() const;

  // Applies deliveries in inbox order; sequences must rise. Those up to applied_sequence() are
  // skipped. Every delivery ends with a row in its source's log table.
  // Errors: kUnavailable, kResourceExhausted, kInternal, kDataLoss: nothing after
  // applied_sequence() is committed; hand the rest in again later. An event's own faults are no
  // error: they end as dead letters.
  Result<ApplyOutcome> Apply(std::span<const DeliveryView> deliveries);
  Result<ApplyOutcome> Apply(std::span<const Delivery> deliveries);

  // What time alone makes due at `now`: zero rows at month rollover in each tenant's zone, health
  // status, parked events whose tenant appeared, removal of old log rows. Cheap when nothing is
  // due; call it about once a second. Errors: as Apply.
  Status OnTimer(WallTime now);

  // What runs of the pull side do to the store.
  PullApplier& pull();

  // Observes one event on a channel other than the webhook, such as a poll's stream: the same path
  // as a webhook's event, in a transaction of its own. `private_id` is the row's id in that
  // channel. `received_at` is the request's start. Errors: as Apply; kInvalidArgument for the
  // event's faults.
  Status Observe(std::string_view source, std::string_view channel, std::string_view private_id,
                 std::string_view event_json, WallTime received_at);

 private:
  struct Parts;
  using MakeParts = std::function<Result<std::unique_ptr<Parts>>(
      std::vector<std::shared_ptr<const Source>>, const ApplierOptions&)>;
  Applier(MakeParts make, std::unique_ptr<Parts> parts);
  const MakeParts make_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tw::ingest
