// The simulated world: chooses what happens next, and checks that it was right.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/client.h"
#include "sim/journal.h"
#include "sim/life.h"
#include "sim/provider.h"

namespace tw::sim {

// What people did to the leads' stages, for the oracle.
struct StageEdits {
  std::map<int64_t, std::string> last;  // Lead → the stage that a person set last.
  std::set<int64_t> unclear;            // Deleted, or an edit whose end nobody knows.
};

struct Outcome {
  std::optional<std::string> failure;
  std::deque<std::string> last_steps;
  uint64_t steps = 0;
};

class World final : public ClientWorld, public Life::Observer {
 public:
  static constexpr size_t kStepsShown = 50;

  // `configuration`, `seams` and `coverage` outlive the world.
  World(uint64_t seed, const app::Configuration& configuration, Seams& seams, Coverage& coverage);
  ~World() override;

  // Runs the whole seed: faults, then none until everything has come to rest, then the checks.
  Outcome Run();

 private:
  enum class Death : uint8_t { kKill, kPowerCut };

  // ClientWorld
  Life* life() override { return life_.get(); }
  Machine& machine() override { return machine_; }
  const Journal& journal() override { return journal_; }
  Coverage& coverage() override { return coverage_; }
  void Fail(std::string what) override;
  void Note(std::string what) override;
  // Life::Observer
  void OnHookReply(uint64_t request, int status, uint64_t sequence) override;
  void OnCommitted(const Batch& batch) override;

  void MakeClients();
  void StartLife();
  void ReadMissedLog();
  void Die(Death death);
  void Step();
  void StepServer(uint64_t dice);
  void StepClients(uint64_t dice);
  void StepOutside(uint64_t dice);
  void Deliver();
  void TurnStore();
  void AdvanceClock();
  void Fault();
  void Wipe();
  void Edit();
  std::string EditSql(int64_t lead, StageEdits& edits);
  void OpenLateWorkspace();
  void EndStep();
  void Drain();
  void DrainRound();
  void SettleClients();
  void CheckClients();
  std::vector<std::string> VisibleKeys(const Sight& sight);

  Machine machine_;
  Seams& seams_;
  Coverage& coverage_;
  LifeOptions options_;
  Journal journal_;
  Provider provider_;
  std::unique_ptr<Life> life_;
  std::vector<std::unique_ptr<Client>> clients_;
  StageEdits edits_;
  Outcome outcome_;
  uint64_t events_max_ = 0;
  uint32_t fault_percent_ = 0;  // Calm worlds run deep, rough ones recover often.
  uint64_t full_until_ = 0;     // The step that makes room on the disk again; 0: there is room.
  uint64_t hand_made_ = 0;
  bool sync_fails_ = false;        // One sync of this life fails or has failed.
  bool unsynced_visible_ = false;  // A sync failed, and the power has not gone since.
  bool late_workspace_open_ = false;
  bool wiped_ = false;
};

}  // namespace tw::sim
