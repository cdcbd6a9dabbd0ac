#include "app/postgres_store.h"

#include "app/postgres_catalog.h"
#include "capture/postgres/position.h"
#include "json/json.h"
#include "protocol/broadcast.h"
#include "telemetry/log.h"

namespace tw::app {
namespace {

constexpr std::string_view kBroadcastPrefix = "tidewire.broadcast";
constexpr std::string_view kTemporarySlot = "temporary";
// What all loops together may have before them; a large transaction waits for them.
constexpr int64_t kInFlightBytesMax = 64 << 20;

// {"topic":"room-1","event":"typing","payload":{…},"private":false} → a broadcast of channel "room-1".
Result<router::Broadcast> ParseBroadcast(std::string_view content) {
  TW_ASSIGN_OR_RETURN(const auto document, json::Parse(content));
  const auto topic = document.root()["topic"].AsString();
  const auto event = document.root()["event"].AsString();
  if (!topic || !event) {
    return Fail(ErrorCode::kInvalidArgument, "a broadcast needs the texts topic and event");
  }
  const json::Value& payload = document.root()["payload"];
  std::string text;
  payload.AppendTo(text);
  if (payload.is_null()) text = "{}";
  const bool is_private = document.root()["private"].AsBool().value_or(false);
  return router::Broadcast{.topic = "realtime:" + std::string(*topic),
                           .payload = protocol::BroadcastPayload(*event, text),
                           .bus = is_private ? router::Bus::kPrivate : router::Bus::kPublic};
}

}  // namespace

capture::PostgresCaptureOptions PostgresOptions(const MainConfig& config, Random& random) {
  capture::PostgresCaptureOptions options;
  options.dsn = config.store.dsn.Reveal();
  options.source.publication = config.store.publication;
  options.source.slot = config.store.slot;
  if (config.store.slot == kTemporarySlot) {
    options.source.slot_kind = postgres::SlotKind::kTemporary;
    options.source.slot = "tidewire_" + random.Hex(6);
  }
  options.source.set_up = config.store.setup == StoreSetup::kManual
                              ? capture::SourceOptions::SetUp::kManual
                              : capture::SourceOptions::SetUp::kAutomatic;
  for (const auto& item : config.tables) options.source.tables.push_back(item.key);
  options.retention = {.age_max = config.history.age_max,
                       .changes_max = config.history.changes_max,
                       .bytes_max = config.history.disk_max.bytes};
  options.wal_keep_bytes_max = config.store.wal_keep_max.bytes;
  return options;
}

Result<std::unique_ptr<PostgresStore>> PostgresStore::Open(const MainConfig& config,
                                                           io::FileSystem& files, Clock& clock,
                                                           Random& random,
                                                           telemetry::Registry& metrics) {
  std::unique_ptr<PostgresStore> store(new PostgresStore);
  TW_ASSIGN_OR_RETURN(store->log_, capture::CommitLog::Open(files, "changes", random, metrics,
                                                            config.history.disk_max.bytes));
  store->told_ = store->log_->head().epoch != 0;
  store->capture_ = std::make_unique<capture::PostgresCapture>(
      PostgresOptions(config, random), *store->log_, files, *store, clock, random, metrics);
  store->claims_ = std::make_unique<ClaimsEvaluator>(
      ClaimsEvaluatorOptions{.dsn = config.store.dsn.Reveal()}, metrics);
  store->judges_ = std::make_unique<DatabaseJudges>(config.store.dsn.Reveal(), clock, metrics);
  store->readers_ = query::PostgresReaders::Start(
      {.dsn = config.store.dsn.Reveal(), .threads = config.store.reader_threads + 1}, *store->log_,
      store->capture_->recent(), metrics);
  store->writers_ = query::PostgresWriters::Start(
      {.dsn = config.store.dsn.Reveal(), .threads = config.store.reader_threads + 1}, *store->log_,
      store->capture_->recent(), clock);
  return store;
}

PostgresStore::~PostgresStore() { Stop(); }

void PostgresStore::Start() { capture_->Start(); }

void PostgresStore::Stop() {
  capture_->Stop();
  claims_.reset();
  judges_.reset();
  readers_.reset();
  writers_.reset();
}

template <typename Visit>
void PostgresStore::OnEachLoop(Visit visit) {
  for (const auto& parts : *loops_) {
    parts->loop.Post([parts = parts.get(), visit]() mutable { visit(*parts); });
  }
}

void PostgresStore::OnHistory(Position head) {
  // Clients that joined before the first connection have seen nothing that could be missing.
  const bool cut = std::exchange(told_, true);
  OnEachLoop([head, cut](LoopParts& parts) {
    parts.feed->Reset(head);
    if (!cut) return;
    const auto sessions = parts.services->sessions;
    for (session::Session* const session : sessions) session->AnnounceGap();
  });
  queries_->Reset(nullptr, head);
}

Status PostgresStore::OnCatalog(const std::vector<RelationPtr>& relations,
                                postgres::Connection& sql) {
  // The fingerprint first: what changes in between is seen at the next look.
  TW_ASSIGN_OR_RETURN(fingerprint_, CatalogFingerprint(sql));
  TW_ASSIGN_OR_RETURN(const PostgresRights rights, ReadPostgresRights(sql, relations));
  OnEachLoop([rights](LoopParts& parts) {
    parts.feed->router().SetInnerTables(MakeInnerTables(*rights.inner));
    parts.services->catalog = rights.catalog;
    for (session::Session* const session : parts.services->sessions) session->OnCatalog();
  });
  return {};
}

Result<bool> PostgresStore::OnTick(postgres::Connection& sql) {
  TW_ASSIGN_OR_RETURN(const std::string now, CatalogFingerprint(sql));
  return now != fingerprint_;
}

void PostgresStore::OnBatch(BatchPtr batch) {
  const auto bytes = static_cast<int64_t>(batch->bytes);
  in_flight_bytes_.fetch_add(bytes * static_cast<int64_t>(loops_->size() + 1));
  OnEachLoop([this, batch, bytes](LoopParts& parts) {
    parts.feed->Publish(batch);
    parts.queries->OnBatch(*batch);
    in_flight_bytes_.fetch_sub(bytes);
  });
  queries_->Publish(std::move(batch), [this, bytes] { in_flight_bytes_.fetch_sub(bytes); });
}

void PostgresStore::OnMessage(std::string_view prefix, std::string_view content) {
  if (prefix != kBroadcastPrefix) return;
  auto message = ParseBroadcast(content);
  if (!message.ok()) {
    telemetry::Log(telemetry::Level::kWarning, "BroadcastMalformed",
                   "pg_logical_emit_message('tidewire.broadcast') with what is no broadcast",
                   {{"error", message.error().message}});
    return;
  }
  const auto shared = std::make_shared<const router::Broadcast>(std::move(*message));
  OnEachLoop([shared](LoopParts& parts) { parts.feed->broadcasts().Send(*shared); });
}

void PostgresStore::OnMutations(std::vector<std::string> ids, Position position) {
  const auto shared = std::make_shared<const std::vector<std::string>>(std::move(ids));
  OnEachLoop(
      [shared, position](LoopParts& parts) { parts.queries->OnMutations(*shared, position); });
}

void PostgresStore::OnTruncate(const Relation& relation) {
  const auto shared = std::make_shared<const Relation>(relation);
  OnEachLoop([shared](LoopParts& parts) {
    parts.feed->router().OnTruncate(*shared, parts.feed->head().offset);
    for (session::Session* const session : parts.services->sessions) session->OnTruncate(*shared);
  });
}

// The reason names hosts and roles: it is for operators, not for clients.
void PostgresStore::OnState(const std::string& degraded) {
  using Database = session::Session::Database;
  const auto state = degraded.empty() ? Database::kBack : Database::kAway;
  OnEachLoop([state](LoopParts& parts) {
    for (session::Session* const session : parts.services->sessions) session->OnDatabase(state);
  });
}

bool PostgresStore::Congested() { return in_flight_bytes_.load() > kInFlightBytesMax; }

void PostgresHistory::Read(uint64_t after, uint64_t changes_max,
                           Function<void(Result<BatchPtr>)> done) {
  auto shared = std::make_shared<Function<void(Result<BatchPtr>)>>(std::move(done));
  const Status submitted =
      pool_.Submit([this, after, changes_max, shared](query::ReadConnection&) {
        auto batch = log_.Read(after, changes_max);
        loop_.Post([shared, batch = std::move(batch)]() mutable { (*shared)(std::move(batch)); });
      });
  if (!submitted.ok()) {
    loop_.Post([shared, error = submitted.error()] { (*shared)(std::unexpected(error)); });
  }
}

}  // namespace tw::app
