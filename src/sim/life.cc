#include "sim/life.h"

#include <utility>

namespace tw::sim {
namespace {

constexpr std::string_view kDatabase = "tidewire.db";
constexpr size_t kTailBytesMax = 16u << 10;

Result<auth::JwtKey> MakeKey(const app::Configuration& configuration) {
  static constexpr auth::Algorithm kAlgorithms[] = {auth::Algorithm::kHs256};
  return auth::JwtKey::Create(configuration.main.auth.jwt_secret.Reveal(), kAlgorithms);
}

}  // namespace

// Brings durable groups back to the loops whose senders wait.
class Life::Sink final : public ingest::CompletionSink {
 public:
  explicit Sink(Life& life) : life_(life) {}
  void OnDurable(std::span<const ingest::Completion> group) override {
    for (const auto& completion : group) Reply(completion, 200);
  }
  void OnFailed(std::span<const ingest::Completion> group, const Error&) override {
    for (const auto& completion : group) Reply(completion, 503);
  }

 private:
  void Reply(const ingest::Completion& completion, int status) {
    life_.loops_[completion.token.owner]->posted.push_back(
        [&life = life_, id = completion.token.id, sequence = completion.sequence, status] {
          life.observer_.OnHookReply(id, status, sequence);
        });
  }
  Life& life_;
};

// The stored log, read when the world says so.
class Life::History final : public session::History {
 public:
  History(Life& life, SimLoop& loop) : life_(life), loop_(loop) {}
  void Read(uint64_t after, uint64_t changes_max, Function<void(Result<BatchPtr>)> done) override {
    auto shared = std::make_shared<Function<void(Result<BatchPtr>)>>(std::move(done));
    life_.reads_.push_back([this, after, changes_max, shared] {
      auto batch = life_.seams_.OnHistory(life_.log_reader_.Read(after, changes_max));
      loop_.posted.push_back(
          [shared, batch = std::move(batch)]() mutable { (*shared)(std::move(batch)); });
    });
  }

 private:
  Life& life_;
  SimLoop& loop_;
};

Life::Life(Machine& machine, const LifeOptions& options, Seams& seams, Observer& observer)
    : machine_(machine),
      options_(options),
      seams_(seams),
      observer_(observer),
      vfs_(machine.storage, machine.clock, machine.random),
      files_(io::MakeSimFileSystem(machine.storage)),
      sink_(std::make_unique<Sink>(*this)) {}

Life::~Life() {
  // What still runs in the loops holds references to what goes next.
  inbox_.reset();
  for (auto& loop : loops_) {
    if (loop == nullptr) continue;
    loop->posted.clear();
    if (loop->bus != nullptr) loop->bus->Connect({});
  }
  reads_.clear();
}

Result<std::unique_ptr<Life>> Life::Start(Machine& machine, const LifeOptions& options,
                                          Seams& seams, Observer& observer) {
  std::unique_ptr<Life> life(new Life(machine, options, seams, observer));
  TW_RETURN_IF_ERROR(life->Open());
  TW_RETURN_IF_ERROR(life->OpenInbox());
  TW_RETURN_IF_ERROR(life->OpenLoops());
  return life;
}

Status Life::Open() {
  TW_ASSIGN_OR_RETURN(
      prepared_,
      app::PrepareStore(machine_.configuration, std::string(kDatabase),
                        {.durability = seams_.durability(), .vfs = vfs_.name(), .exclusive = true},
                        machine_.random, metrics_));
  seams_.OnStoreOpened(prepared_);
  TW_ASSIGN_OR_RETURN(
      applier_, ingest::Applier::Create(database(), prepared_.sources, machine_.clock, metrics_));
  TW_ASSIGN_OR_RETURN(refused_, ingest::RefusedStore::Create(database(), machine_.clock, metrics_));
  TW_ASSIGN_OR_RETURN(endpoint_, ingest::Endpoint::Create(*prepared_.sources.front()));
  TW_ASSIGN_OR_RETURN(log_reader_, capture::LogReader::Create(database(), epoch()));
  return {};
}

Status Life::OpenInbox() {
  changelog::SegmentLogOptions log;
  log.name = "inbox";
  log.segment_bytes = 32u << 10;
  log.allocation_step_bytes = 8u << 10;
  log.record_bytes_max = 16u << 10;
  log.spare_segments_max = 1;
  log.next_sequence_min = applied_sequence() + 1;
  TW_ASSIGN_OR_RETURN(auto opened,
                      ingest::Inbox::Open(*files_, "inbox", machine_.random, metrics_, log));
  inbox_reader_ = std::make_unique<ingest::InboxReader>(*files_, *opened);
  const uint64_t oldest = opened->tail();
  tail_ = std::make_unique<ingest::DurableTail>(kTailBytesMax, [] {});
  inbox_ = std::make_unique<ingest::InboxWriter>(
      std::move(opened), ingest::InboxWriterOptions{.group_bytes_max = 16u << 10}, machine_.clock,
      metrics_, *sink_, tail_.get(), [this](const Error&) { fatal_ = true; },
      ingest::InboxWriter::Drive::kManual);
  worker_ = std::make_unique<app::StoreWorker>(
      app::StoreWorker::Wiring{.capture = *prepared_.capture,
                               .applier = *applier_,
                               .tail = *tail_,
                               .reader = *inbox_reader_,
                               .durable_head = [this] { return inbox_->durable_head(); },
                               .oldest_sequence = oldest,
                               .publish =
                                   [this](BatchPtr batch) {
                                     observer_.OnCommitted(*batch);
                                     Publish(seams_.OnPublish(std::move(batch)));
                                   },
                               .housekeeping = [this] { return refused_->Trim(); },
                               .reclaim =
                                   [this](uint64_t up_to) {
                                     inbox_->RequestReclaim(
                                         seams_.OnReclaim(up_to, inbox_->durable_head()));
                                   },
                               .clock = machine_.clock,
                               .metrics = metrics_},
      app::StoreWorkerOptions{.apply_deliveries_max = 1 + machine_.random.Below(20),
                              .read_bytes_max = 1 + machine_.random.Below(16 << 10),
                              .retention = options_.retention});
  return {};
}

Status Life::OpenLoops() {
  TW_ASSIGN_OR_RETURN(const auto key, MakeKey(machine_.configuration));
  session_metrics_ = std::make_unique<session::SessionMetrics>(metrics_);
  const uint64_t epoch = machine_.random.Next() | 1;
  uint16_t index = 0;
  for (auto& loop : loops_) {
    loop = std::make_unique<SimLoop>(machine_.clock.Mono());
    loop->feed = std::make_unique<session::LiveFeed>(capture().head(), options_.tail, metrics_);
    loop->history = std::make_unique<History>(*this, *loop);
    loop->bus = std::make_unique<session::ChannelBus>(
        epoch, index++, session::ChannelBusOptions{}, loop->feed->broadcasts(), loop->timers,
        machine_.clock, machine_.random, metrics_);
    loop->verifier = std::make_unique<auth::TokenVerifier>(key, auth::ApiKeys(), machine_.clock,
                                                           metrics_);
    loop->services = std::make_unique<session::SessionServices>(
        session::SessionServices{.feed = *loop->feed,
                                 .history = *loop->history,
                                 .bus = *loop->bus,
                                 .verifier = *loop->verifier,
                                 .catalog = prepared_.catalog,
                                 .channel_policy = prepared_.channel_policy,
                                 .rates = rates_,
                                 .random = machine_.random,
                                 .timers = loop->timers,
                                 .clock = machine_.clock,
                                 .limits = options_.session,
                                 .metrics = *session_metrics_});
  }
  std::vector<session::ChannelBus::Peer> peers;
  for (auto& loop : loops_) {
    peers.push_back({.bus = loop->bus.get(), .post = [&loop = *loop](Function<void()> task) {
                       loop.posted.push_back(std::move(task));
                     }});
  }
  for (auto& loop : loops_) loop->bus->Connect(peers);
  return {};
}

std::optional<int> Life::Post(size_t loop, uint64_t request, std::string_view token,
                              std::string_view body) {
  const std::string path = "/hooks/outreach/" + std::string(token);
  auto verdict = endpoint_->Judge({.method = "POST",
                                   .path = path,
                                   .query = {},
                                   .headers = {},
                                   .body = body,
                                   .received_at = machine_.clock.Wall()});
  using Kind = ingest::HookVerdict::Kind;
  switch (verdict.kind) {
    case Kind::kAccept:
      break;
    case Kind::kRefuse:
      // A refused delivery that cannot be kept is only counted.
      (void)refused_->Keep(verdict.delivery, verdict.reason);
      return verdict.reply.status;
    case Kind::kReply:
    case Kind::kMalformed:
    case Kind::kTooLarge:
      return verdict.reply.status;
    case Kind::kNotFound:
      return 404;
    case Kind::kMethodNotAllowed:
      return 405;
  }
  const ingest::CompletionToken completion{.owner = loop, .id = request};
  if (!inbox_->Submit(std::move(verdict.delivery), completion).ok()) return 503;
  seams_.OnSubmitted(completion, *sink_);
  return std::nullopt;
}

void Life::RunLoop(size_t index, size_t tasks) {
  SimLoop& loop = *loops_[index];
  loop.timers.Advance(machine_.clock.Mono());
  for (; tasks > 0 && !loop.posted.empty(); --tasks) {
    auto task = std::move(loop.posted.front());
    loop.posted.pop_front();
    task();
  }
}

bool Life::RunReader() {
  if (reads_.empty()) return false;
  const auto chosen = reads_.begin() + static_cast<ptrdiff_t>(machine_.random.Below(reads_.size()));
  auto read = std::move(*chosen);
  reads_.erase(chosen);
  read();
  return true;
}

void Life::ReadTable(size_t index, query::TableQuery query,
                     Function<void(Result<query::TableResult>)> done) {
  auto shared = std::make_shared<Function<void(Result<query::TableResult>)>>(std::move(done));
  reads_.push_back([this, &loop = *loops_[index], query = std::move(query), shared] {
    auto result = query::ReadTable(database(), epoch(), query, {});
    loop.posted.push_back(
        [shared, result = std::move(result)]() mutable { (*shared)(std::move(result)); });
  });
}

Status Life::Edit(const std::string& sql, EditEnd end) {
  TW_ASSIGN_OR_RETURN(auto transaction, sqlite::Transaction::Begin(database()));
  TW_RETURN_IF_ERROR(database().Execute(sql));
  seams_.BeforeEditEnds(*this);
  if (end == EditEnd::kRollback) return {};
  return transaction.Commit();
}

void Life::Publish(const BatchPtr& batch) {
  for (const auto& loop : loops_) {
    loop->posted.push_back([feed = loop->feed.get(), batch] { feed->Publish(batch); });
  }
}

bool Life::idle() const {
  for (const auto& loop : loops_) {
    if (!loop->posted.empty()) return false;
  }
  return reads_.empty() && applied_sequence() >= durable_head();
}

}  // namespace tw::sim
