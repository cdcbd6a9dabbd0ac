#include "app/query_service.h"

#include <algorithm>
#include <utility>

namespace tw::app {
namespace {

constexpr std::chrono::milliseconds kWriteInterval{2'000};
constexpr std::chrono::milliseconds kFrontTick{100};
// How long the hub's thread sleeps at most: a bound for what is planned while it sleeps.
constexpr std::chrono::milliseconds kIdleWait{500};

// A loop's way to the hub.
class LoopHubPort final : public query::HubPort {
 public:
  using Post = std::function<void(Function<void()>)>;
  LoopHubPort(Post post, std::unique_ptr<query::Hub>& hub, size_t loop)
      : post_(std::move(post)), hub_(hub), loop_(loop) {}

  void Ask(query::CallPtr call, uint64_t min_offset) override {
    post_([this, call = std::move(call), min_offset] { hub_->Ask(loop_, call, min_offset); });
  }
  void Watch(query::CallPtr call) override {
    post_([this, call = std::move(call)] { hub_->Watch(loop_, call); });
  }
  void Unwatch(query::CallPtr call) override {
    post_([this, call = std::move(call)] { hub_->Unwatch(loop_, call->key); });
  }
  void Touch(query::EntryId id, uint64_t hits) override {
    post_([this, id, hits] { hub_->Touch(id, hits); });
  }

 private:
  Post post_;
  std::unique_ptr<query::Hub>& hub_;
  const size_t loop_;
};

}  // namespace

// The fronts and the ways to them and to the engines.
class QueryService::Ports final : public query::LoopPort, public query::Executor {
 public:
  explicit Ports(QueryService& service) : service_(service) {}

  struct LoopSide {
    LoopSide(io::Loop& l, std::unique_ptr<LoopHubPort> p) : loop(l), port(std::move(p)) {}
    void Tick() {
      front->Tick();
      loop.timers().Arm<&LoopSide::Tick>(timer, kFrontTick, this);
    }
    io::Loop& loop;
    std::unique_ptr<LoopHubPort> port;
    std::unique_ptr<query::Front> front;
    io::Timer timer;
  };

  void Deliver(size_t loop, query::DeliveryPtr delivery) override {
    LoopSide& side = *sides_[loop];
    side.loop.Post([&side, delivery = std::move(delivery)] { side.front->OnDelivery(delivery); });
  }
  void Progress(size_t loop, std::shared_ptr<const std::vector<query::EntryId>> dirty,
                Position marked, Position settled) override {
    LoopSide& side = *sides_[loop];
    side.loop.Post([&side, dirty = std::move(dirty), marked, settled] {
      side.front->OnProgress(*dirty, marked, settled);
    });
  }
  void Drop(size_t loop, query::EntryId id) override {
    LoopSide& side = *sides_[loop];
    side.loop.Post([&side, id] { side.front->OnDrop(id); });
  }
  void Reset(size_t loop, query::QueryCataloguePtr catalogue, Position head) override {
    LoopSide& side = *sides_[loop];
    side.loop.Post(
        [&side, catalogue = std::move(catalogue), head] { side.front->OnReset(catalogue, head); });
  }
  void Submit(query::CallPtr call,
              std::function<void(query::CallResult<query::Execution>)> done) override {
    // Never refused: the hub bounds how many wait.
    (void)service_.pool_->Submit(
        [this, call = std::move(call), done = std::move(done)](query::Engine& engine) mutable {
          service_.Post([done = std::move(done), result = engine.Run(*call)]() mutable {
            done(std::move(result));
          });
        });
  }

  std::vector<std::unique_ptr<LoopSide>>& sides() { return sides_; }

 private:
  QueryService& service_;
  std::vector<std::unique_ptr<LoopSide>> sides_;
};

QueryService::QueryService(Wiring wiring)
    : wiring_(std::move(wiring)),
      front_metrics_(wiring_.metrics),
      ports_(std::make_unique<Ports>(*this)) {}

Result<std::unique_ptr<QueryService>> QueryService::Create(Wiring wiring) {
  std::unique_ptr<QueryService> service(new QueryService(std::move(wiring)));
  Wiring& given = service->wiring_;
  TW_ASSIGN_OR_RETURN(service->pool_, query::StartEngines(*given.engines, given.threads));
  given.limits.executions_parallel_max = std::max(1u, given.threads);
  service->hub_ =
      std::make_unique<query::Hub>(given.limits, given.head, given.loops, *service->ports_,
                                   *service->ports_, given.clock, given.random, given.metrics);
  return service;
}

QueryService::~QueryService() { Stop(); }

query::Front& QueryService::MakeFront(size_t index, io::Loop& loop) {
  auto post = [this](Function<void()> task) { Post(std::move(task)); };
  auto& side = *ports_->sides().emplace_back(std::make_unique<Ports::LoopSide>(
      loop, std::make_unique<LoopHubPort>(std::move(post), hub_, index)));
  side.front = std::make_unique<query::Front>(wiring_.catalogue, wiring_.head, *side.port,
                                              wiring_.clock, front_metrics_);
  loop.timers().Arm<&Ports::LoopSide::Tick>(side.timer, kFrontTick, &side);
  return *side.front;
}

void QueryService::Start() {
  thread_ = std::thread([this] { Run(); });
}

void QueryService::Stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  pool_.reset();
}

void QueryService::Post(Function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    tasks_.push_back(std::move(task));
    if (tasks_.size() > 1) return;  // Somebody has woken it for the first.
  }
  wake_.notify_one();
}

void QueryService::Publish(BatchPtr batch, Function<void()> done) {
  Post([this, batch = std::move(batch), done = std::move(done)]() mutable {
    hub_->OnBatch(*batch);
    if (done) done();
  });
}

void QueryService::Reset(query::QueryCataloguePtr catalogue, Position head) {
  Post([this, catalogue = std::move(catalogue), head] { hub_->Reset(catalogue, head); });
}

void QueryService::Inspect(Function<void(const query::Hub&)> done) {
  Post([this, done = std::move(done)]() mutable { done(*hub_); });
}

void QueryService::WriteDue() {
  const MonoTime now = wiring_.clock.Mono();
  if (now < next_write_) return;
  next_write_ = now + kWriteInterval;
  auto logs = hub_->TakeCallLogs();
  auto rows = hub_->TakeCacheRows();
  if (logs.empty() && rows.empty()) return;
  wiring_.write_logs(std::move(logs), std::move(rows));
}

void QueryService::Run() {
  for (;;) {
    std::deque<Function<void()>> tasks;
    {
      std::unique_lock lock(mutex_);
      MonoTime until = wiring_.clock.Mono() + kIdleWait;
      if (const auto due = hub_->NextDue()) until = std::min(until, *due);
      wake_.wait_until(lock, until, [this] { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      tasks = std::exchange(tasks_, {});
    }
    for (auto& task : tasks) task();
    hub_->Tick();
    WriteDue();
  }
}

}  // namespace tw::app
