// sim: test only. A seeded world around the product's real parts: no thread, no socket, no disk,
// no wall clock, and the same run for the same seed.
//
//   provider ──▶ Life [ Endpoint → InboxWriter → StoreWorker → LiveFeed ×2 → Session ] ──▶ clients
//                   └── SimStorage: what survives a kill or a power cut ──┘
//                 world: chooses what happens next       journal: what should have happened
//
// Start here   world.h (the steps) → life.h (one process) → provider.h, client.h (the actors) →
//              journal.h, final_checks.h (the oracles) → sim_test.cc (seeds, broken variants).
// Promises     Everything random comes from one SeededRandom; a failing seed fails again.
// Not here     Sockets, HTTP and the outbox limit (gateway, tests/).
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/configuration.h"
#include "app/prepared_store.h"
#include "app/store_worker.h"
#include "auth/token_verifier.h"
#include "base/function.h"
#include "base/random.h"
#include "ingest/apply/applier.h"
#include "ingest/inbox/durable_tail.h"
#include "ingest/inbox/inbox.h"
#include "ingest/inbox/inbox_writer.h"
#include "ingest/webhook/endpoint.h"
#include "ingest/webhook/refused_store.h"
#include "io/sim_file_system.h"
#include "io/timer_wheel.h"
#include "query/table_reader.h"
#include "session/session.h"
#include "sim/seams.h"
#include "sqlite/sim_vfs.h"
#include "testing/fake_clock.h"
#include "testing/sim_storage.h"

namespace tw::sim {

inline constexpr size_t kLoops = 2;

// Small, so that every limit is met.
struct LifeOptions {
  capture::RetentionLimits retention;
  session::TailLimits tail;
  session::SessionLimits session;
};

// What every life of one world shares and what outlives a kill.
struct Machine {
  Machine(uint64_t seed, const app::Configuration& config)
      : random(seed), storage_random(seed ^ 0x5eed), configuration(config) {}
  testing::FakeClock clock;
  SeededRandom random;
  SeededRandom storage_random;
  const app::Configuration& configuration;
  testing::SimStorage storage{storage_random};
};

// One event loop: what was posted to it and has not run yet.
struct SimLoop {
  explicit SimLoop(MonoTime now) : timers(now) {}
  io::TimerWheel timers;
  std::deque<Function<void()>> posted;
  std::unique_ptr<session::LiveFeed> feed;
  std::unique_ptr<session::History> history;
  std::unique_ptr<session::ChannelBus> bus;
  std::unique_ptr<auth::TokenVerifier> verifier;
  std::unique_ptr<session::SessionServices> services;
};

// One process, from its start to its kill: the same parts as app::Server, driven by hand.
class Life {
 public:
  // Who answers senders and hears of commits. Outlives the life.
  class Observer {
   public:
    virtual ~Observer() = default;
    // On the loop that took the request, once its delivery is durable or has failed.
    virtual void OnHookReply(uint64_t request, int status, uint64_t sequence) = 0;
    // Before the loops hear of it.
    virtual void OnCommitted(const Batch& batch) = 0;
  };

  // Opens what survived. Errors: those of the parts (a full disk, power that is off).
  static Result<std::unique_ptr<Life>> Start(Machine& machine, const LifeOptions& options,
                                             Seams& seams, Observer& observer);
  ~Life();

  // A webhook request on `loop`. A status at once, or nullopt: OnHookReply comes later.
  std::optional<int> Post(size_t loop, uint64_t request, std::string_view token,
                          std::string_view body);

  bool PumpInbox() { return inbox_->Pump(); }
  Result<bool> TurnStore() { return worker_->Turn(); }
  // Fires due timers, then runs at most `tasks` of what was posted.
  void RunLoop(size_t loop, size_t tasks);
  // Runs one waiting read, not necessarily the oldest.
  bool RunReader();
  // Queues a table read; its result is posted to `loop`.
  void ReadTable(size_t loop, query::TableQuery query,
                 Function<void(Result<query::TableResult>)> done);
  // Another program's transaction. `commit` false: it gives up.
  enum class EditEnd : uint8_t { kCommit, kRollback };
  Status Edit(const std::string& sql, EditEnd end);
  // To both loops, as the store thread does.
  void Publish(const BatchPtr& batch);

  // Every change after `after`; null when there is none.
  Result<BatchPtr> ReadLog(uint64_t after) { return log_reader_.Read(after, 1'000'000); }

  const LifeOptions& options() const { return options_; }
  bool fatal() const { return fatal_; }
  bool idle() const;
  uint64_t durable_head() const { return inbox_->durable_head(); }
  uint64_t applied_sequence() const { return applier_->applied_sequence(); }
  uint64_t epoch() const { return prepared_.store->epoch(); }
  SimLoop& loop(size_t index) { return *loops_[index]; }
  sqlite::Database& database() { return prepared_.store->database(); }
  capture::Capture& capture() { return *prepared_.capture; }
  const policy::Catalog& catalog() const { return *prepared_.catalog; }

 private:
  class Sink;
  class History;

  Life(Machine& machine, const LifeOptions& options, Seams& seams, Observer& observer);
  Status Open();
  Status OpenInbox();
  Status OpenLoops();

  Machine& machine_;
  const LifeOptions options_;
  Seams& seams_;
  Observer& observer_;
  telemetry::Registry metrics_;
  sqlite::SimVfs vfs_;
  std::unique_ptr<io::FileSystem> files_;
  app::PreparedStore prepared_;
  std::unique_ptr<ingest::Applier> applier_;
  std::unique_ptr<ingest::RefusedStore> refused_;
  std::unique_ptr<ingest::Endpoint> endpoint_;
  capture::LogReader log_reader_;
  std::unique_ptr<session::SessionMetrics> session_metrics_;
  session::Rates rates_{session::RateLimits{}};
  std::array<std::unique_ptr<SimLoop>, kLoops> loops_;
  std::deque<Function<void()>> reads_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<ingest::InboxReader> inbox_reader_;
  std::unique_ptr<ingest::DurableTail> tail_;
  std::unique_ptr<ingest::InboxWriter> inbox_;
  std::unique_ptr<app::StoreWorker> worker_;
  bool fatal_ = false;
};

}  // namespace tw::sim
