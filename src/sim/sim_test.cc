// Many seeds through the whole product, and broken variants that must be noticed.
//   TIDEWIRE_SIM_SEED=n   runs one seed.    TIDEWIRE_SIM_SEEDS=n   runs n seeds from 1.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/dev.h"
#include "sim/world.h"
#include "telemetry/log.h"

namespace tw::sim {
namespace {

constexpr uint64_t kSeeds = 250;
constexpr uint64_t kSeedsForABug = 60;

std::atomic<uint64_t> running_seed{0};

extern "C" void OnAbort(int) {
  std::fprintf(stderr, "aborted in seed %llu: TIDEWIRE_SIM_SEED=%llu repeats it\n",
               static_cast<unsigned long long>(running_seed.load()),
               static_cast<unsigned long long>(running_seed.load()));
  std::_Exit(134);
}

class SimEnvironment final : public config::Environment {
 public:
  std::optional<std::string> Variable(const std::string& name) const override {
    if (name == "TIDEWIRE_HOOK_TOKEN") return "sim-hook-token";
    const auto defaults = app::DevEnvironment();
    const auto found = defaults.find(name);
    if (found == defaults.end()) return std::nullopt;
    return found->second;
  }
  Result<std::string> ReadFile(const std::string& path, size_t) const override {
    return Fail(ErrorCode::kNotFound, path);
  }
};

const app::Configuration& Configuration() {
  static const app::Configuration configuration = [] {
    auto loaded =
        app::LoadConfiguration(*app::EmbeddedExample(), "tidewire.yaml", SimEnvironment());
    TW_CHECK(loaded.ok());
    // Named queries read on connections of their own, which a database that is held alone does not
    // admit.
    loaded->main.queries.items.clear();
    return std::move(*loaded);
  }();
  return configuration;
}

Outcome RunSeed(uint64_t seed, Seams& seams, Coverage& coverage) {
  running_seed = seed;
  World world(seed, Configuration(), seams, coverage);
  return world.Run();
}

std::string Describe(uint64_t seed, const Outcome& outcome) {
  std::ostringstream out;
  out << "seed " << seed << ", step " << outcome.steps << ": " << *outcome.failure << "\n";
  for (const std::string& step : outcome.last_steps) out << "  " << step << "\n";
  out << "TIDEWIRE_SIM_SEED=" << seed << " repeats it";
  return out.str();
}

uint64_t Number(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class SimTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    telemetry::SetLogSink([](std::string_view) {});
    std::signal(SIGABRT, OnAbort);
  }
  static void TearDownTestSuite() { telemetry::SetLogSink(nullptr); }
};

TEST_F(SimTest, NothingIsLostDoubledOrSeenByTheWrongReader) {
  const uint64_t one = Number("TIDEWIRE_SIM_SEED", 0);
  const uint64_t seeds = one != 0 ? 1 : Number("TIDEWIRE_SIM_SEEDS", kSeeds);
  const uint64_t first = one != 0 ? one : 1;
  Seams sound;
  Coverage coverage;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    const Outcome outcome = RunSeed(seed, sound, coverage);
    ASSERT_FALSE(outcome.failure) << Describe(seed, outcome);
  }
  for (const auto& [what, times] : coverage) std::cout << what << ": " << times << "\n";
  if (seeds < kSeeds) return;
  // A world in which nothing goes wrong proves nothing.
  for (const char* const what :
       {"closed", "disk full", "failing syncs", "hook 400", "hook 401", "join refused", "kills",
        "not recovered: epoch_changed", "not recovered: expired", "not recovered: too_many",
        "not recovered: unknown_position", "power cut while starting", "power cuts", "recovered",
        "store errors", "wipes"}) {
    EXPECT_GE(coverage[what], 10u) << what;
  }
}

// Each broken variant must be noticed within some seeds; what is noticed must be what is broken.
void ExpectNoticed(const std::function<std::unique_ptr<Seams>()>& broken,
                   const std::vector<std::string>& words) {
  Coverage coverage;
  std::string other;
  for (uint64_t seed = 1; seed <= kSeedsForABug; ++seed) {
    const auto seams = broken();
    const Outcome outcome = RunSeed(seed, *seams, coverage);
    if (!outcome.failure) continue;
    for (const std::string& word : words) {
      if (outcome.failure->find(word) == std::string::npos) continue;
      std::cout << "seed " << seed << ": " << outcome.failure->substr(0, 120) << "\n";
      return;
    }
    other = *outcome.failure;
  }
  FAIL() << "not noticed; last failure: " << (other.empty() ? "none" : other);
}

// The sender gets its 200 as soon as the delivery is queued.
class AcknowledgesBeforeSync final : public Seams {
  void OnSubmitted(ingest::CompletionToken token, ingest::CompletionSink& sink) override {
    const ingest::Completion early[] = {{.token = token}};
    sink.OnDurable(early);
  }
};

TEST_F(SimTest, NoticesAcknowledgingBeforeSync) {
  ExpectNoticed([] { return std::make_unique<AcknowledgesBeforeSync>(); }, {"counters", "stands"});
}

// Commits return before they are durable.
class CommitsWithoutSync final : public Seams {
  sqlite::Durability durability() override { return sqlite::Durability::kOff; }
};

TEST_F(SimTest, NoticesCommitsThatAreNotDurable) {
  ExpectNoticed([] { return std::make_unique<CommitsWithoutSync>(); },
                {"is lost", "changed its meaning", "cannot start", "counters"});
}

// The loops hear of changes within the transaction that makes them.
class PublishesBeforeCommit final : public Seams {
  void BeforeEditEnds(Life& life) override {
    const auto batch = life.capture().Poll();
    if (batch.ok() && *batch != nullptr) life.Publish(*batch);
  }
};

TEST_F(SimTest, NoticesPublishingBeforeCommit) {
  ExpectNoticed([] { return std::make_unique<PublishesBeforeCommit>(); }, {"is due nothing"});
}

// Each start applies what the inbox holds from its beginning.
class ForgetsAppliedSequence final : public Seams {
  void OnStoreOpened(app::PreparedStore& store) override {
    (void)store.store->database().Execute("delete from tidewire_ingest_state");
  }
};

TEST_F(SimTest, NoticesForgettingTheAppliedSequence) {
  ExpectNoticed([] { return std::make_unique<ForgetsAppliedSequence>(); },
                {"the store fails without a fault", "do not come to rest", "log"});
}

// What was counted is known only until the next start.
class ForgetsFacts final : public Seams {
  void OnStoreOpened(app::PreparedStore& store) override {
    (void)store.store->database().Execute("delete from tidewire_fact_alias");
  }
};

TEST_F(SimTest, NoticesForgettingFacts) {
  ExpectNoticed([] { return std::make_unique<ForgetsFacts>(); }, {"counters"});
}

// Sessions judge every reader as if there were no policies.
class IgnoresPolicies final : public Seams {
  void OnStoreOpened(app::PreparedStore& store) override {
    auto open = std::make_shared<policy::Catalog>();
    for (const auto& table : store.catalog->tables()) {
      policy::CompileOptions options;
      options.row_level_security = policy::RowLevelSecurity::kDisabled;
      auto policy = policy::TablePolicy::Compile(table.relation, {}, options);
      TW_CHECK(policy.ok());
      open->Add({table.relation, std::move(*policy)});
    }
    store.catalog = std::move(open);
  }
};

TEST_F(SimTest, NoticesIgnoredPolicies) {
  ExpectNoticed([] { return std::make_unique<IgnoresPolicies>(); },
                {"another workspace", "may see nothing"});
}

// A replay from the stored log leaves out one change.
class HistoryWithAHole final : public Seams {
  Result<BatchPtr> OnHistory(Result<BatchPtr> batch) override {
    if (!batch.ok() || *batch == nullptr) return batch;
    auto holed = std::make_shared<Batch>(**batch);
    holed->changes.erase(holed->changes.begin() +
                         static_cast<ptrdiff_t>(holed->changes.size() / 2));
    return BatchPtr(std::move(holed));
  }
};

TEST_F(SimTest, NoticesAHoleInAReplay) {
  ExpectNoticed([] { return std::make_unique<HistoryWithAHole>(); }, {"is due", "hides change"});
}

// Replayed changes belong to whoever asks: their workspace is not what was stored.
class ReplayShowsForeignRows final : public Seams {
  Result<BatchPtr> OnHistory(Result<BatchPtr> batch) override {
    if (!batch.ok() || *batch == nullptr) return batch;
    auto shown = std::make_shared<Batch>(**batch);
    for (Change& change : shown->changes) {
      for (Row* const row : {&change.old_row, &change.new_row}) {
        const auto column = change.relation->Find("workspace_id");
        if (column && !row->empty()) (*row)[*column] = Value(kNorthwind);
      }
    }
    return BatchPtr(std::move(shown));
  }
};

TEST_F(SimTest, NoticesRowsOfOthersInAReplay) {
  ExpectNoticed([] { return std::make_unique<ReplayShowsForeignRows>(); }, {"is due"});
}

// A loop is not told of some changes.
class LosesLiveChanges final : public Seams {
  BatchPtr OnPublish(BatchPtr batch) override {
    if (batch->changes.size() < 2) return batch;
    auto less = std::make_shared<Batch>(*batch);
    less->changes.erase(less->changes.begin() + 1);
    return less;
  }
};

TEST_F(SimTest, NoticesLostLiveChanges) {
  ExpectNoticed([] { return std::make_unique<LosesLiveChanges>(); }, {"is due", "hides change"});
}

// The inbox forgets what is durable, applied or not.
class ReclaimsTooEarly final : public Seams {
  uint64_t OnReclaim(uint64_t, uint64_t durable) override { return durable; }
};

TEST_F(SimTest, NoticesReclaimingBeforeApplying) {
  ExpectNoticed([] { return std::make_unique<ReclaimsTooEarly>(); },
                {"is in no log", "counters", "the store fails without a fault"});
}

}  // namespace
}  // namespace tw::sim
