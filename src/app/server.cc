#include "app/server.h"

#include <algorithm>
#include <optional>
#include <thread>

#include "app/auth_keys.h"
#include "app/channels.h"
#include "app/directory_lock.h"
#include "app/ingest_side.h"
#include "app/inner_loader.h"
#include "app/key_ring.h"
#include "app/loop_parts.h"
#include "app/postgres_store.h"
#include "app/prepared_store.h"
#include "app/pull_side.h"
#include "app/reload.h"
#include "app/query_service.h"
#include "app/revocation_book.h"
#include "app/snapshots.h"
#include "app/store_thread.h"
#include "app/store_writes.h"
#include "base/check.h"
#include "capture/postgres/position.h"
#include "ingest/apply/applier.h"
#include "ingest/apply/pull_applier.h"
#include "ingest/inbox/durable_tail.h"
#include "ingest/inbox/inbox.h"
#include "ingest/webhook/refused_store.h"
#include "query/live/reasons.h"
#include "query/log_tables.h"
#include "session/live_queries.h"
#include "telemetry/log.h"

namespace tw::app {
namespace {

constexpr size_t kTailBytesMax = 64u << 20;

gateway::GatewayLimits GatewayLimitsOf(const ServerConfig& config, size_t loops,
                                       gateway::Hosts hosts) {
  gateway::GatewayLimits limits;
  limits.request_timeout = config.request_timeout;
  limits.ping_interval = config.ping_interval;
  limits.pong_timeout = config.pong_timeout;
  limits.outbox_bytes_max = config.outbox_max.bytes;
  limits.outbox_age_max = config.outbox_age_max;
  limits.slow_clients = config.slow_clients == SlowClients::kCut ? gateway::SlowClients::kCut
                                                                : gateway::SlowClients::kResync;
  limits.message_time_max = config.message_timeout;
  limits.message_bytes_max = static_cast<uint32_t>(config.message_max.bytes);
  limits.connections_max = std::max<uint32_t>(1, config.connections_max / uint32_t(loops));
  limits.allowed_origins = config.allowed_origins;
  limits.hosts = hosts;
  limits.connection_age_max = config.connection_age_max;
  limits.accepts_per_second =
      std::max(1.0, double(config.accepts_per_second) / double(loops));
  limits.compression = {
      .enabled = config.compression.enabled,
      .options = {.level = static_cast<int>(config.compression.level),
                  .bytes_min = static_cast<uint32_t>(config.compression.bytes_min.bytes)},
      .inflated_bytes_max = static_cast<uint32_t>(config.compression.expanded_max.bytes)};
  return limits;
}

}  // namespace

// In the order of making; destroyed in reverse.
struct Server::Parts final : gateway::Readiness {
  Parts(const Configuration& c, const ServerOptions& o, Clock& k, Random& r,
        telemetry::Registry& m, DirectoryLock l)
      : configuration(c), options(o), clock(k), random(r), metrics(m), lock(std::move(l)) {}

  std::string NotReadyReason() const override {
    if (draining.load()) return "draining";
    if (fatal.load()) return "inbox";
    if (postgres != nullptr && postgres->failed()) return "change log";
    if (!ingest->on_postgres() && store_thread != nullptr && !store_thread->healthy()) {
      return "store";
    }
    return {};
  }

  std::string DegradedReason() const override {
    // Why is in the log: it names hosts and roles, and this is open to everybody.
    if (postgres == nullptr) return {};
    // Deliveries are accepted and wait in the inbox.
    const bool applies = store_thread == nullptr || store_thread->healthy();
    return postgres->degraded().empty() && applies ? "" : "postgres";
  }

  Status MakeStore();
  Status MakePostgres();
  Status MakeInbox();
  Status Housekeep();
  Status SpreadRevocations();
  Status MakeKeyRing();
  Status MakeLoops();
  Status MakeQueries(size_t loop_count);
  Status MakeLoop(size_t index, const auth::JwtKey& key, const auth::ApiKeys& api_keys,
                  const InnerSnapshot& inner);
  Status Listen();
  void StartThreads();
  void Publish(BatchPtr batch);
  void Drain(std::chrono::milliseconds window);
  Result<ReloadReport> Reload(const Configuration& next);
  Status ReplaceSources(const Configuration& next, Sources sources);
  void Stop();

  Configuration configuration;  // In force.
  const ServerOptions options;
  Clock& clock;
  Random& random;
  telemetry::Registry& metrics;
  DirectoryLock lock;
  gateway::Assets assets{std::vector<gateway::Asset>(options.assets)};
  std::atomic<bool> draining{false};
  std::atomic<bool> fatal{false};
  std::atomic<bool> stopped{false};

  PreparedStore prepared;
  ReleasedIds released;
  std::unique_ptr<IngestSide> ingest;
  std::unique_ptr<RevocationBook> revocations;
  std::unique_ptr<query::ReaderPool> readers;
  std::unique_ptr<QueryService> queries;
  std::unique_ptr<query::LogWriter> query_log;
  std::unique_ptr<io::FileSystem> files;

  gateway::GatewayLimits gateway_limits;
  session::SessionLimits session_limits;
  std::unique_ptr<session::Rates> rates;
  uint64_t bus_epoch = 0;  // Of broadcasts' positions; new with each process.
  std::unique_ptr<gateway::GatewayMetrics> gateway_metrics;
  std::unique_ptr<session::SessionMetrics> session_metrics;
  Loops loops;
  CompletionRouter completions{loops, released};
  // After the loops: its thread posts to them until it is destroyed.
  std::unique_ptr<PostgresStore> postgres;

  std::unique_ptr<ingest::DurableTail> tail;
  std::unique_ptr<ingest::InboxReader> inbox_reader;
  std::unique_ptr<ingest::InboxWriter> inbox;
  std::unique_ptr<StoreWorker> worker;
  std::unique_ptr<StoreThread> store_thread;
  std::unique_ptr<StoreWrites> writes;  // Null with PostgreSQL.

  // Its answers may come until the transport has ended.
  std::unique_ptr<KeyRing> key_ring;
  std::unique_ptr<fetch::CurlTransport> key_transport;  // Null without issuers.
};

Status Server::Parts::MakeStore() {
  const std::string path = options.data_directory + "/tidewire.db";
  TW_ASSIGN_OR_RETURN(prepared, PrepareStore(configuration, path, {}, random, metrics));
  TW_ASSIGN_OR_RETURN(ingest, IngestSide::Create({.configuration = configuration,
                                                  .data_directory = options.data_directory,
                                                  .database = prepared.store->database(),
                                                  .released = released,
                                                  .clock = clock,
                                                  .random = random,
                                                  .metrics = metrics},
                                                 std::move(prepared.sources)));
  TW_ASSIGN_OR_RETURN(revocations,
                      RevocationBook::Open(prepared.store->database(), clock, metrics));
  TW_ASSIGN_OR_RETURN(
      readers, query::ReaderPool::Start(path, prepared.store->epoch(),
                                        {.threads = configuration.main.store.reader_threads},
                                        metrics));
  return {};
}

Status Server::Parts::MakePostgres() {
  files = io::MakePosixFileSystem(options.data_directory);
  if (configuration.main.store.kind != StoreKind::kPostgres) return {};
  TW_ASSIGN_OR_RETURN(postgres,
                      PostgresStore::Open(configuration.main, *files, clock, random, metrics));
  postgres->Attach(loops);
  return {};
}

Status Server::Parts::MakeInbox() {
  changelog::SegmentLogOptions log;
  log.name = "inbox";
  log.next_sequence_min = ingest->applier().applied_sequence() + 1;
  TW_ASSIGN_OR_RETURN(auto opened, ingest::Inbox::Open(*files, "inbox", random, metrics, log));
  inbox_reader = std::make_unique<ingest::InboxReader>(*files, *opened);
  const uint64_t oldest = opened->tail();
  if (ingest->applier().known() && oldest > log.next_sequence_min) {
    telemetry::Log(telemetry::Level::kError, "InboxIncomplete",
                   "the inbox no longer holds deliveries that this database has not applied; was"
                   " the database removed?",
                   {{"first_missing", log.next_sequence_min}, {"oldest_kept", oldest}});
  }
  tail = std::make_unique<ingest::DurableTail>(kTailBytesMax, [this] { store_thread->Wake(); });
  capture::RetentionLimits retention{.age_max = configuration.main.history.age_max,
                                     .changes_max = configuration.main.history.changes_max};
  worker = std::make_unique<StoreWorker>(
      StoreWorker::Wiring{.capture = *prepared.capture,
                          .applier = ingest->applier(),
                          .tail = *tail,
                          .reader = *inbox_reader,
                          .durable_head = [this] { return inbox->durable_head(); },
                          .oldest_sequence = oldest,
                          .publish = [this](BatchPtr batch) { Publish(std::move(batch)); },
                          .housekeeping = [this] { return Housekeep(); },
                          .reclaim = [this](uint64_t up_to) { inbox->RequestReclaim(up_to); },
                          .clock = clock,
                          .metrics = metrics},
      StoreWorkerOptions{.retention = retention});
  store_thread = std::make_unique<StoreThread>(*worker, metrics);
  if (postgres == nullptr) {
    writes = std::make_unique<StoreWrites>(
        *store_thread, *worker,
        query::TableWriter(prepared.store->database(), options.data_directory + "/tidewire.db", {},
                           prepared.store->epoch()),
        metrics);
  }
  inbox = std::make_unique<ingest::InboxWriter>(
      std::move(opened), ingest::InboxWriterOptions{}, clock, metrics, completions, tail.get(),
      [this](const Error& error) {
        telemetry::Log(telemetry::Level::kError, "InboxSyncFailed",
                       "deliveries can no longer be made durable; the process ends",
                       {{"error", error.message}});
        fatal.store(true);
      });
  return ingest->Attach(*store_thread, *worker, *inbox);
}

// About once a second, on the store thread.
Status Server::Parts::Housekeep() {
  TW_RETURN_IF_ERROR(SpreadRevocations());
  return ingest->Housekeep();
}

Status Server::Parts::MakeKeyRing() {
  const AuthConfig& auth = configuration.main.auth;
  if (!auth.issuers.empty()) {
    TW_ASSIGN_OR_RETURN(key_transport,
                        StartTransport(configuration.main.outbound, clock, metrics));
  }
  TW_ASSIGN_OR_RETURN(key_ring, KeyRing::Create(auth, key_transport.get(), clock, metrics,
                                                {.refresh = auth.jwks_refresh}));
  key_ring->Start();
  return {};
}

// On the store thread.
Status Server::Parts::SpreadRevocations() {
  TW_ASSIGN_OR_RETURN(const auth::RevocationsPtr revoked, revocations->Poll());
  if (revoked != nullptr) TellRevocations(loops, revoked);
  return {};
}

Status Server::Parts::MakeLoops() {
  const ServerConfig& config = configuration.main.server;
  const size_t count =
      config.loops > 0 ? config.loops : std::max(1u, std::thread::hardware_concurrency());
  gateway_limits = GatewayLimitsOf(config, count, options.hosts);
  session_limits = SessionLimitsOf(configuration.main);
  rates = std::make_unique<session::Rates>(RateLimitsOf(configuration.main.limits));
  bus_epoch = random.Next() | 1;
  if (postgres != nullptr) {
    session_limits.replay_changes_max =
        std::min(session_limits.replay_changes_max, capture::kReplayChangesMax);
  }
  gateway_metrics = std::make_unique<gateway::GatewayMetrics>(metrics);
  session_metrics = std::make_unique<session::SessionMetrics>(metrics);
  TW_RETURN_IF_ERROR(MakeKeyRing());
  const auth::JwtKey key = key_ring->keys();
  TW_ASSIGN_OR_RETURN(const auth::ApiKeys api_keys, MakeApiKeys(configuration.main.auth));
  InnerSnapshot inner;
  if (postgres == nullptr) {
    TW_ASSIGN_OR_RETURN(inner, ReadInnerTables(prepared.catalog->inner(), *prepared.store,
                                               *prepared.capture));
  }
  if (postgres == nullptr) TW_RETURN_IF_ERROR(MakeQueries(count));
  for (size_t i = 0; i < count; ++i) {
    loops.push_back(std::make_unique<LoopParts>(clock));
    TW_RETURN_IF_ERROR(MakeLoop(i, key, api_keys, inner));
  }
  ConnectBuses(loops);
  TW_ASSIGN_OR_RETURN(const auth::RevocationsPtr revoked, revocations->Poll());
  for (const auto& parts : loops) {
    parts->verifier->SetRevocations(revoked);
    parts->verifier->OnUnknownKey([ring = key_ring.get()] { ring->WantUnknown(); });
  }
  key_ring->OnChange([this](const auth::JwtKey& keys) {
    for (const auto& parts : loops) {
      parts->loop.Post([&verifier = *parts->verifier, keys] { verifier.SetKeys(keys); });
    }
  });
  return {};
}

Status Server::Parts::MakeQueries(size_t loop_count) {
  query_log = std::make_unique<query::LogWriter>(prepared.store->database());
  query::HubLimits limits;
  limits.cache_bytes_max = configuration.main.query.cache_max.bytes;
  TW_ASSIGN_OR_RETURN(
      queries,
      QueryService::Create({.catalogue = prepared.queries,
                            .database_path = options.data_directory + "/tidewire.db",
                            .head = prepared.capture->head(),
                            .loops = loop_count,
                            .threads = configuration.main.query.threads,
                            .limits = limits,
                            .write_logs =
                                [this](auto calls, auto rows) {
                                  // What the store thread is too busy for is not written.
                                  (void)store_thread->Post([this, calls = std::move(calls),
                                                            rows = std::move(rows)] {
                                    query_log->Write(calls, rows, clock.Wall());
                                  });
                                },
                            .clock = clock,
                            .random = random,
                            .metrics = metrics}));
  return {};
}

Status Server::Parts::MakeLoop(size_t index, const auth::JwtKey& key,
                               const auth::ApiKeys& api_keys, const InnerSnapshot& inner) {
  LoopParts& parts = *loops[index];
  parts.feed = std::make_unique<session::LiveFeed>(
      postgres != nullptr ? postgres->head() : prepared.capture->head(),
      session::TailLimits{.bytes_max = configuration.main.history.memory_max.bytes}, metrics);
  if (postgres == nullptr) {
    parts.feed->router().SetInnerTables(MakeInnerTables(inner));
    parts.history = std::make_unique<PoolHistory>(*readers, parts.loop);
    parts.invalidations = std::make_unique<session::Invalidations>(
        prepared.invalidation, prepared.catalog, parts.feed->router(), parts.loop.timers(),
        metrics);
    parts.queries = std::make_unique<session::LiveQueries>(queries->MakeFront(index, parts.loop),
                                                           session::QueryLimits{}, metrics);
  } else {
    parts.history = std::make_unique<PostgresHistory>(*readers, parts.loop, postgres->log());
  }
  parts.bus = std::make_unique<session::ChannelBus>(
      bus_epoch, static_cast<uint16_t>(index), ChannelBusOptionsOf(configuration.main.channels),
      parts.feed->broadcasts(), parts.loop.timers(), clock, random, metrics);
  parts.verifier = std::make_unique<auth::TokenVerifier>(key, api_keys, clock, metrics);
  parts.services = std::make_unique<session::SessionServices>(
      session::SessionServices{.feed = *parts.feed,
                               .history = *parts.history,
                               .bus = *parts.bus,
                               .verifier = *parts.verifier,
                               .catalog = prepared.catalog,
                               .channel_policy = prepared.channel_policy,
                               .rates = *rates,
                               .random = random,
                               .timers = parts.loop.timers(),
                               .clock = clock,
                               .limits = session_limits,
                               .metrics = *session_metrics,
                               .queries = parts.queries.get(),
                               .invalidations = parts.invalidations.get()});
  if (postgres != nullptr) {
    parts.snapshot_source =
        std::make_unique<PostgresSnapshots>(postgres->readers(), parts.loop);
  } else {
    parts.snapshot_source =
        std::make_unique<PoolSnapshots>(*readers, parts.loop, prepared.store->epoch());
  }
  parts.snapshots = std::make_unique<session::SnapshotDesk>(
      *parts.snapshot_source, SnapshotLimitsOf(configuration.main.history), metrics);
  parts.services->snapshots = parts.snapshots.get();
  if (postgres != nullptr) {
    parts.rights = std::make_unique<LoopRights>(postgres->claims(), parts.loop);
    parts.services->rights = parts.rights.get();
  }
  parts.gateway = std::make_unique<gateway::Gateway>(gateway::Gateway::Wiring{
      .loop = parts.loop,
      .loop_index = index,
      .sessions = *parts.services,
      .readers = *readers,
      .postgres = postgres != nullptr ? &postgres->readers() : nullptr,
      .epoch = prepared.store->epoch(),
      .endpoints = ingest->endpoints(),
      .inbox = *inbox,
      .keep_refused =
          [this](ingest::Delivery&& delivery, std::string reason) {
            // Bounded by the store thread's queue; beyond it the count alone is kept.
            (void)store_thread->Post([this, delivery = std::move(delivery),
                                      reason = std::move(reason)]() mutable {
              if (const Status kept = ingest->KeepRefused(delivery, reason); !kept.ok()) {
                telemetry::Log(telemetry::Level::kError, "RefusedNotKept",
                               "a refused delivery could not be kept",
                               {{"error", kept.error().message}});
              }
            });
          },
      .assets = assets,
      .readiness = *this,
      .demo_config = options.demo_config,
      .metrics = *gateway_metrics,
      .limits = gateway_limits,
      .random = random,
      .on_loop =
          [this](uint64_t loop, Function<void(gateway::Gateway&)> task) {
            if (loop >= loops.size()) return false;
            loops[loop]->loop.Post(
                [&gateway = loops[loop]->gateway, task = std::move(task)]() mutable {
                  task(*gateway);
                });
            return true;
          },
      .queries = parts.queries == nullptr ? nullptr : &parts.queries->front(),
      .writes = writes.get(),
      .write_policies = prepared.writes,
      .explain =
          [this](Function<void(std::string)> done) {
            queries->Inspect([done = std::move(done)](const query::Hub& hub) mutable {
              done(query::ReasonsJson(hub));
            });
          },
      .revoke =
          [this](auth::Revocation revocation, Function<void(Status)> done) {
            return store_thread->Post([this, revocation = std::move(revocation),
                                       done = std::move(done)]() mutable {
              Status written = RevocationBook::Add(prepared.store->database(), revocation);
              if (written.ok()) written = SpreadRevocations();
              done(std::move(written));
            });
          },
      .invalidate =
          [this](query::ManualInvalidation manual) {
            const std::string id = "manual-" + random.Hex(8);
            for (const auto& target : loops) {
              target->loop.Post([&target = *target, id, manual] {
                target.invalidations->SendToAll(id, target.feed->head(), manual);
              });
            }
          }});
  return {};
}

Status Server::Parts::Listen() {
  uint16_t port = options.port;
  TW_RETURN_IF_ERROR(io::Listener::CheckFree(options.address, port));
  for (const auto& parts : loops) {
    parts->tls = configuration.tls;
    TW_ASSIGN_OR_RETURN(
        parts->listener,
        io::Listener::Listen(parts->loop, options.address, port,
                             [gateway = parts->gateway.get()](std::unique_ptr<io::Stream> stream) {
                               gateway->OnAccept(std::move(stream));
                             },
                             parts->tls == nullptr ? nullptr : &parts->tls));
    port = parts->listener->port();
  }
  return {};
}

void Server::Parts::StartThreads() {
  if (queries != nullptr) queries->Start();
  store_thread->Start();
  if (postgres != nullptr) postgres->Start();
  ingest->Start();
  for (const auto& parts : loops) {
    parts->thread = std::thread([&loop = parts->loop] { loop.Run(); });
  }
}

void Server::Parts::Publish(BatchPtr batch) {
  for (const auto& parts : loops) {
    parts->loop.Post([&parts = *parts, batch] {
      parts.feed->Publish(batch);
      parts.invalidations->OnBatch(*batch);
      parts.queries->OnBatch(*batch);
    });
  }
  queries->Publish(std::move(batch));
}

void Server::Parts::Drain(std::chrono::milliseconds window) {
  draining.store(true);
  for (const auto& parts : loops) {
    parts->loop.Post([&gateway = *parts->gateway, window] { gateway.BeginDrain(window); });
  }
}

// Everything is judged before anything is changed.
Result<ReloadReport> Server::Parts::Reload(const Configuration& next) {
  ReloadPlan plan = PlanReload(configuration, next);
  std::optional<Sources> sources;
  if (plan.sources) {
    TW_RETURN_IF_ERROR(CheckOutbound(next.main.outbound));
    TW_ASSIGN_OR_RETURN(sources, store_thread->Ask([&]() -> Result<Sources> {
      return CompileSources(next, prepared.store->database());
    }));
    TW_RETURN_IF_ERROR(ingest::CheckJobs(*sources));
    TW_RETURN_IF_ERROR(ingest::EndpointSet::Create(*sources));
  }
  TW_RETURN_IF_ERROR(key_ring->Reload(next.main.auth));
  if (configuration.tls != nullptr && next.tls != nullptr) {
    for (const auto& parts : loops) {
      parts->loop.Post([&slot = parts->tls, tls = next.tls] { slot = tls; });
    }
  }
  if (sources) {
    for (std::string& change : SourceChanges(ingest->sources(), *sources)) {
      plan.report.applied.push_back(std::move(change));
    }
    TW_RETURN_IF_ERROR(ReplaceSources(next, std::move(*sources)));
  }
  configuration.main.auth = next.main.auth;
  return std::move(plan.report);
}

Status Server::Parts::ReplaceSources(const Configuration& next, Sources sources) {
  // What was asked of outside systems is asked again by the new ones.
  ingest->Stop();
  const Status replaced = store_thread->Ask([&]() -> Status {
    const Configuration former = configuration;
    UseSources(next, configuration);
    Status done = ingest->Replace(std::move(sources));
    if (!done.ok()) UseSources(former, configuration);
    return done;
  });
  for (const auto& parts : loops) {
    parts->loop.Post([&gateway = *parts->gateway, endpoints = ingest->endpoints()] {
      gateway.SetEndpoints(endpoints);
    });
  }
  ingest->Start();
  return replaced;
}

void Server::Parts::Stop() {
  if (stopped.exchange(true)) return;
  draining.store(true);
  for (const auto& parts : loops) {
    parts->loop.Post([&parts = *parts] {
      parts.listener->Stop();
      parts.gateway->Drain();
    });
  }
  if (key_ring != nullptr) key_ring->Stop();
  // No new work from outside; what is under way goes on at the next start.
  if (ingest != nullptr) ingest->Stop();
  // Accepted deliveries become durable and are answered; then the loops may go.
  if (inbox != nullptr) inbox->Stop();
  if (store_thread != nullptr) store_thread->Stop();
  if (queries != nullptr) queries->Stop();
  constexpr std::chrono::milliseconds kDrainMax{1'000};
  const MonoTime until = clock.Mono() + kDrainMax;
  while (gateway_metrics != nullptr && gateway_metrics->connections.value() > 0 &&
         clock.Mono() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  for (const auto& parts : loops) parts->loop.Stop();
  for (const auto& parts : loops) {
    if (parts->thread.joinable()) parts->thread.join();
  }
  DisconnectBuses(loops);
  // Their threads post to the loops, so they end before the loops are destroyed.
  if (postgres != nullptr) postgres->Stop();
  readers.reset();
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Server::~Server() { Stop(); }

uint16_t Server::port() const { return parts_->loops.front()->listener->port(); }
bool Server::failed() const {
  return parts_->fatal.load() || (parts_->postgres != nullptr && parts_->postgres->failed());
}
void Server::Drain(std::chrono::milliseconds window) { parts_->Drain(window); }
bool Server::drained() const { return parts_->gateway_metrics->realtime_connections.value() == 0; }
void Server::Stop() { parts_->Stop(); }

Result<ReloadReport> Server::Reload(const Configuration& next) { return parts_->Reload(next); }

Result<std::unique_ptr<Server>> Server::Start(const Configuration& configuration,
                                              const ServerOptions& options, Clock& clock,
                                              Random& random, telemetry::Registry& metrics) {
  TW_ASSIGN_OR_RETURN(auto lock, DirectoryLock::Take(options.data_directory));
  std::unique_ptr<Server> server(new Server(std::make_unique<Parts>(
      configuration, options, clock, random, metrics, std::move(lock))));
  TW_RETURN_IF_ERROR(server->parts_->MakeStore());
  TW_RETURN_IF_ERROR(server->parts_->MakePostgres());
  TW_RETURN_IF_ERROR(server->parts_->MakeInbox());
  TW_RETURN_IF_ERROR(server->parts_->MakeLoops());
  TW_RETURN_IF_ERROR(server->parts_->Listen());
  server->parts_->StartThreads();
  return server;
}

Status CheckAgainstStore(const Configuration& configuration, const std::string& database_path,
                         Random& random) {
  telemetry::Registry metrics;
  TW_ASSIGN_OR_RETURN(const auto prepared,
                      PrepareStore(configuration, database_path, {}, random, metrics));
  TW_RETURN_IF_ERROR(ingest::EndpointSet::Create(prepared.sources));
  TW_RETURN_IF_ERROR(ingest::CheckJobs(prepared.sources));
  TW_RETURN_IF_ERROR(CheckOutbound(configuration.main.outbound));
  TW_RETURN_IF_ERROR(MakeKey(configuration.main.auth));
  TW_RETURN_IF_ERROR(MakeApiKeys(configuration.main.auth));
  return {};
}

}  // namespace tw::app
