#include "sim/world.h"

#include <algorithm>

#include "sim/final_checks.h"

namespace tw::sim {
namespace {

using namespace std::chrono_literals;

// Two evenings before February in New York, so that runs cross days and a month.
constexpr WallTime kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 30} +
                          std::chrono::hours{20}};

}  // namespace

World::World(uint64_t seed, const app::Configuration& configuration, Seams& seams,
             Coverage& coverage)
    : machine_(seed, configuration),
      seams_(seams),
      coverage_(coverage),
      provider_(machine_.clock, machine_.random, "sim-hook-token") {
  Random& random = machine_.random;
  machine_.clock.SetWall(kStart + std::chrono::milliseconds(random.Below(36 * 3'600'000)));
  options_.retention.changes_max = 20 + random.Below(200);
  options_.retention.age_max = std::chrono::seconds(60 + random.Below(90'000));
  options_.tail.batches_max = 1 + random.Below(12);
  options_.session.replay_changes_max = 5 + random.Below(60);
  fault_percent_ = static_cast<uint32_t>(random.Below(101));
  events_max_ = 30 + random.Below(120);
  MakeClients();
}

World::~World() {
  for (auto& client : clients_) client->Lose(0);
}

void World::Fail(std::string what) {
  if (!outcome_.failure) outcome_.failure = std::move(what);
}

void World::Note(std::string what) {
  outcome_.last_steps.push_back(std::to_string(outcome_.steps) + " " + std::move(what));
  if (outcome_.last_steps.size() > kStepsShown) outcome_.last_steps.pop_front();
}

void World::MakeClients() {
  const auto add = [&](std::string name, std::string role, int64_t workspace, Sight sight) {
    ClientKind kind{.name = std::move(name), .role = std::move(role), .workspace = workspace};
    kind.positions = machine_.random.Percent(70);
    kind.version = machine_.random.Percent(50) ? protocol::Version::kV1 : protocol::Version::kV2;
    kind.sight = std::move(sight);
    kind.sight.leave = kind.positions;
    clients_.push_back(std::make_unique<Client>(*this, std::move(kind)));
  };
  using Rows = Sight::Rows;
  const auto user = [&](int64_t workspace, std::string table) {
    Sight sight{.rows = Rows::kWorkspace, .workspace = workspace, .table = std::move(table)};
    return sight;
  };
  for (const int64_t workspace : {kNorthwind, kContoso, kLateWorkspace}) {
    const std::string id = std::to_string(workspace);
    add("leads " + id, "authenticated", workspace, user(workspace, "client_leads"));
    add("metrics " + id, "authenticated", workspace, user(workspace, "client_metrics"));
  }
  Sight replied = user(kNorthwind, "client_leads");
  replied.filter_column = "pipeline_stage";
  replied.filter_value = "replied";
  add("replied 37", "authenticated", kNorthwind, replied);
  Sight foreign = user(kNorthwind, "client_leads");
  foreign.filter_column = "workspace_id";
  foreign.filter_value = "38";
  add("prying 37", "authenticated", kNorthwind, foreign);
  add("service", "service_role", 0, {.rows = Rows::kAll, .table = "client_leads"});
  add("anon", "anon", 0, {.rows = Rows::kNone, .table = "client_leads"});
  ClientKind ended{.name = "ended 38", .role = "authenticated", .workspace = kContoso};
  ended.sight.table = "client_leads";
  ended.token_expired = true;
  clients_.push_back(std::make_unique<Client>(*this, std::move(ended)));
}

void World::OnHookReply(uint64_t request, int status, uint64_t sequence) {
  provider_.OnReply(request, status, sequence);
}

void World::OnCommitted(const Batch& batch) {
  for (const Change& change : batch.changes) {
    if (const Status told = journal_.Append(batch.position.epoch, change); !told.ok()) {
      return Fail(told.error().message);
    }
  }
}

void World::StartLife() {
  Random& random = machine_.random;
  coverage_["lives"]++;
  // The power may go while it recovers, but not while it mends what a failed sync has left: SQLite
  // cannot be made proof against both at once.
  if (!unsynced_visible_ && random.Percent(15))
    machine_.storage.CutPowerAtCall(1 + random.Below(120));
  auto started = Life::Start(machine_, options_, seams_, *this);
  if (machine_.storage.power_is_off()) {
    coverage_["power cut while starting"]++;
    if (started.ok()) started->reset();
    return machine_.storage.Crash();
  }
  if (!started.ok()) {
    if (full_until_ == 0) return Fail("cannot start: " + started.error().message);
    full_until_ = 0;
    machine_.storage.SetCapacity(UINT64_MAX);
    return machine_.storage.Kill();
  }
  life_ = std::move(*started);
  unsynced_visible_ = false;
  ReadMissedLog();
}

// What was committed and not published before the last life ended.
void World::ReadMissedLog() {
  const uint64_t known = journal_.head(life_->epoch());
  if (life_->capture().head().offset < known) {
    return Fail("change " + std::to_string(known) + " was published and is lost");
  }
  const auto batch = life_->ReadLog(known);
  if (!batch.ok()) return Fail("cannot read the log at start: " + batch.error().message);
  if (*batch != nullptr) OnCommitted(**batch);
}

void World::Die(Death death) {
  Note(death == Death::kKill ? "kill -9" : "power cut");
  coverage_[death == Death::kKill ? "kills" : "power cuts"]++;
  for (auto& client : clients_) client->Lose(machine_.random.Below(8));
  provider_.OnConnectionsLost();
  // Nothing that its destructors do may reach the disk.
  machine_.storage.CutPowerAtCall(1);
  life_.reset();
  unsynced_visible_ = sync_fails_ && death == Death::kKill;
  sync_fails_ = false;
  death == Death::kKill ? machine_.storage.Kill() : machine_.storage.Crash();
}

void World::Deliver() {
  const auto attempt = provider_.NextAttempt();
  if (!attempt) return;
  if (life_ == nullptr) return provider_.OnReply(attempt->request, 0, 0);
  const size_t loop = machine_.random.Below(kLoops);
  const auto status = life_->Post(loop, attempt->request, attempt->token, attempt->body);
  Note("deliver request " + std::to_string(attempt->request) +
       (status ? " → " + std::to_string(*status) : ""));
  if (!status) return;
  coverage_["hook " + std::to_string(*status)]++;
  provider_.OnReply(attempt->request, *status, 0);
}

void World::TurnStore() {
  const auto turned = life_->TurnStore();
  Note("store turn, applied " + std::to_string(life_->applied_sequence()) + " of " +
       std::to_string(life_->durable_head()) + (turned.ok() ? "" : ": " + turned.error().message));
  if (turned.ok()) return;
  coverage_["store errors"]++;
  if (full_until_ == 0 && !sync_fails_ && !machine_.storage.power_is_off()) {
    Fail("the store fails without a fault: " + turned.error().message);
  }
}

void World::AdvanceClock() {
  Random& random = machine_.random;
  const auto by = random.Percent(70)   ? std::chrono::milliseconds(random.Below(5'000))
                  : random.Percent(90) ? std::chrono::milliseconds(random.Below(600'000))
                                       : std::chrono::milliseconds(random.Below(6 * 3'600'000));
  machine_.clock.Advance(by);
  Note("clock + " + std::to_string(by.count()) + " ms");
}

void World::Wipe() {
  if (life_ != nullptr) Die(Death::kKill);
  Note("the database is wiped");
  coverage_["wipes"]++;
  for (const char* file : {"tidewire.db", "tidewire.db-wal", "tidewire.db-journal"}) {
    if (machine_.storage.Exists(file)) machine_.storage.Erase(file);
  }
  wiped_ = true;
  late_workspace_open_ = false;
  provider_.ForgetAcknowledgements();
}

void World::Fault() {
  if (life_ == nullptr) return;
  Random& random = machine_.random;
  const uint64_t dice = random.Below(100);
  if (dice < 30) return Die(Death::kKill);
  if (dice < 55) return Die(Death::kPowerCut);
  if (dice < 80) {
    const uint64_t calls = 1 + random.Below(40);
    Note("power fails in " + std::to_string(calls) + " calls");
    return machine_.storage.CutPowerAtCall(calls);
  }
  if (dice < 88) {
    Note("a sync will fail");
    coverage_["failing syncs"]++;
    sync_fails_ = life_ != nullptr;
    return machine_.storage.FailCall(1 + random.Below(6), ErrorCode::kInternal,
                                     testing::SimStorage::Call::kSync);
  }
  if (dice < 97 || wiped_) {
    Note("the disk is full");
    coverage_["disk full"]++;
    full_until_ = outcome_.steps + 10 + random.Below(40);
    return machine_.storage.SetCapacity(machine_.storage.used_bytes() + random.Below(30'000));
  }
  Wipe();
}

void World::StepServer(uint64_t dice) {
  if (life_ == nullptr) return StartLife();
  if (dice < 25) {
    Note("inbox turn");
    life_->PumpInbox();
  } else if (dice < 55) {
    TurnStore();
  } else if (dice < 90) {
    const size_t loop = machine_.random.Below(kLoops);
    Note("loop " + std::to_string(loop));
    life_->RunLoop(loop, 1 + machine_.random.Below(6));
  } else {
    Note("read");
    life_->RunReader();
  }
}

void World::StepOutside(uint64_t dice) {
  Random& random = machine_.random;
  if (dice < 30) {
    if (provider_.events().size() < events_max_) provider_.Happen();
  } else if (dice < 76) {
    Deliver();
  } else if (dice < 89) {
    Edit();
  } else if (dice < 96) {
    AdvanceClock();
  } else if (random.Percent(fault_percent_)) {
    Fault();
  }
}

void World::StepClients(uint64_t dice) {
  Client& client = *clients_[machine_.random.Below(clients_.size())];
  if (dice >= 55) {
    Note("client " + client.kind().name + " receives");
    return client.Receive(1 + machine_.random.Below(20));
  }
  Note("client " + client.kind().name);
  client.Step();
}

void World::Step() {
  ++outcome_.steps;
  machine_.clock.Advance(std::chrono::milliseconds(machine_.random.Below(100)));
  const uint64_t dice = machine_.random.Below(100);
  const uint64_t who = machine_.random.Below(100);
  if (who < 40) {
    StepServer(dice);
  } else if (who < 75) {
    StepClients(dice);
  } else {
    StepOutside(dice);
  }
  EndStep();
}

// A process that cannot trust its disk ends; so does one without power.
void World::EndStep() {
  if (life_ != nullptr && (machine_.storage.power_is_off() || life_->fatal())) {
    Die(machine_.storage.power_is_off() ? Death::kPowerCut : Death::kKill);
  }
  if (full_until_ != 0 && outcome_.steps >= full_until_) {
    full_until_ = 0;
    machine_.storage.SetCapacity(UINT64_MAX);
  }
}

Outcome World::Run() {
  const uint64_t steps = 200 + machine_.random.Below(2'000);
  while (!outcome_.failure && outcome_.steps < steps) Step();
  if (!outcome_.failure) Drain();
  if (!outcome_.failure) CheckClients();
  const auto note = [&](std::optional<std::string> wrong) {
    if (wrong) Fail(std::move(*wrong));
  };
  if (!outcome_.failure) note(CheckAcknowledged(provider_, life_->database()));
  // What a wiped database held is gone with it.
  if (!outcome_.failure && !wiped_) note(CheckCounters(provider_, life_->database()));
  if (!outcome_.failure && !wiped_) note(CheckStages(provider_, edits_, life_->database()));
  coverage_["events"] += provider_.events().size();
  coverage_["acknowledgements"] += provider_.acknowledgements().size();
  coverage_["steps"] += outcome_.steps;
  return std::move(outcome_);
}

}  // namespace tw::sim
