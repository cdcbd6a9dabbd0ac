// Many seeds through the whole product, and broken variants that must be noticed.
//   TIDEWIRE_SIM_SEED=n   runs one seed.    TIDEWIRE_SIM_SEEDS=n   runs n seeds from 1.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>

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
    auto loaded = app::LoadConfiguration(*app::EmbeddedExample(), "tidewire.yaml",
                                         SimEnvironment());
    TW_CHECK(loaded.ok());
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
}

}  // namespace
}  // namespace tw::sim
