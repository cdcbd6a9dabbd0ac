// Our decisions against PostgreSQL's own (`set role; select`), over random schemas, policies, rows
// and claims; and whether this test notices rules that are broken on purpose.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>

#include "policy/catalog.h"
#include "policy/evaluate.h"
#include "policy/postgres_world.h"
#include "policy/subquery.h"
#include "testing/postgres_cluster.h"

namespace tw::policy::postgres_world {
namespace {

// TIDEWIRE_TEST_SEED repeats a run; TIDEWIRE_TEST_SETS makes it longer (nightly: 100000).
uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

constexpr int kSetsPerSchema = 50;

// Rules broken on purpose.
struct Mutant {
  const char* name;
  std::function<void(Schema&)> schema = [](Schema&) {};
  std::function<void(Expression&)> expression = nullptr;
  bool drops_probe = false;
};

void EachNode(Expression& e, const std::function<void(Expression&)>& change) {
  change(e);
  for (Expression& argument : e.arguments) EachNode(argument, change);
  if (e.query == nullptr) return;
  e.query = std::make_shared<SubQuery>(*e.query);
  const auto walk = [&](Walk& w) {
    for (Expression& guard : w.guards) EachNode(guard, change);
    for (QueryStep& step : w.steps) {
      for (Expression& key : step.keys) EachNode(key, change);
      for (Expression& filter : step.filters) EachNode(filter, change);
    }
  };
  walk(e.query->walk);
  walk(e.query->matching);
  for (Expression& target : e.query->target) EachNode(target, change);
}

struct Tally {
  uint64_t sets = 0;
  uint64_t fallbacks = 0;  // Programs that are the database's.
  uint64_t decisions = 0;
  uint64_t errors = 0;     // Denied with an error where PostgreSQL raised or we could not tell.
  uint64_t shown = 0;
  uint64_t raised_only_there = 0;
  uint64_t mismatches = 0;
  uint64_t missed = 0;  // Allowed, and not found by the probes.
  std::string first;
};

class Judge {
 public:
  Judge(World& world, const Mutant& mutant, Tally& tally)
      : world_(world), mutant_(mutant), tally_(tally) {}

  void Run() {
    ++tally_.sets;
    Schema schema = world_.schema();
    mutant_.schema(schema);
    for (const Reader& reader : world_.Readers()) Check(schema, reader);
  }

 private:
  void Mismatch(const Reader& reader, const std::string& what) {
    ++tally_.mismatches;
    if (tally_.first.empty()) {
      tally_.first = what + "\n" + world_.Script() + "\nset role " + reader.role +
                     "; set request.jwt.claims = '" + reader.claims + "'; select id from t;";
    }
  }

  void Check(const Schema& schema, const Reader& reader) {
    InnerPlan plan;
    const auto program =
        Program::Compile(schema, *schema.FindTable("public", "t"), reader.role, plan);
    std::string raised;
    const auto shown = world_.Shown(reader, raised);
    if (!program.ok()) {
      const ErrorCode code = program.error().code;
      const bool always = code == ErrorCode::kFailedPrecondition ||
                          code == ErrorCode::kPermissionDenied;
      if (always && shown) {
        Mismatch(reader, "PostgreSQL did not raise: " + program.error().message);
      }
      ++tally_.fallbacks;
      if (std::getenv("TIDEWIRE_TEST_REASONS") != nullptr) {
        std::printf("%s\n", program.error().message.c_str());
      }
      return;
    }
    std::set<std::string> expressions;
    CollectSlotSql(**program, expressions);
    auto values = EvaluateClaims(world_.connection(), reader.role, reader.claims, expressions);
    ASSERT_TRUE(values.ok()) << values.error() << world_.Script();
    const AccessPtr access = MakeAccess(*program, *values);
    const auto tables = world_.Load(std::make_shared<const InnerPlan>(plan));
    Compare(**program, *access, tables->At(0), reader, shown, raised);
  }

  Access::Judgement Decide(const Access& access, const Row& row, const InnerView& tables) const {
    if (mutant_.expression == nullptr) return access.Judge(row, &tables);
    Expression condition = access.program().condition();
    EachNode(condition, mutant_.expression);
    Scratch scratch;
    const Inputs inputs{
        .row = &row, .slots = access.slots().values.data(), .tables = &tables};
    const Datum value = Evaluate(condition, inputs, scratch);
    if (value.is_error()) return Access::Judgement::kError;
    return value.is_true() ? Access::Judgement::kShown : Access::Judgement::kHidden;
  }

  bool IsFound(const Program& program, const Access& access, const Row& row,
               const InnerView& tables) const {
    if (access.allows_everything()) return true;
    const auto listings = access.listings();
    const std::set<std::pair<uint32_t, uint64_t>> listed(listings.begin(), listings.end());
    bool found = false;
    std::vector<Probe> probes = program.probes().probes;
    if (mutant_.drops_probe && probes.size() > 1) probes.pop_back();
    const auto sink = [&](uint32_t leaf, uint64_t hash) { found |= listed.contains({leaf, hash}); };
    return RunProbes(probes, program.probes(), row, &tables, sink) == Found::kEveryone || found;
  }

  void Compare(const Program& program, const Access& access, const InnerView& tables,
               const Reader& reader, const std::optional<std::set<int64_t>>& shown,
               const std::string& raised) {
    if (access.error()) {
      ++tally_.errors;  // Denied and reported.
      return;
    }
    for (const auto& [id, row] : world_.rows()) {
      const Access::Judgement judgement = Decide(access, row, tables);
      if (judgement == Access::Judgement::kError) {
        ++tally_.errors;
        continue;
      }
      const bool ours = judgement == Access::Judgement::kShown;
      if (!shown) {
        // Whether PostgreSQL meets an error depends on its plan; nothing to compare.
        ++tally_.raised_only_there;
        continue;
      }
      ++tally_.decisions;
      tally_.shown += ours;
      const bool theirs = shown->contains(id);
      if (ours != theirs) {
        Mismatch(reader, "row " + std::to_string(id) + ": ours " + std::to_string(ours) +
                             ", PostgreSQL's " + std::to_string(theirs) + " " + raised);
      }
      if (theirs && ours && !IsFound(program, access, row, tables)) {
        ++tally_.missed;
        if (mutant_.name == nullptr) Mismatch(reader, "not found by the probes: row " + std::to_string(id));
      }
    }
  }

  World& world_;
  const Mutant& mutant_;
  Tally& tally_;
};

Tally RunSets(World& world, uint64_t sets, const Mutant& mutant,
              const std::function<bool(const Tally&)>& enough) {
  Tally tally;
  for (uint64_t i = 0; i < sets && !enough(tally); ++i) {
    if (i % kSetsPerSchema == 0) world.NewTables();
    world.NewPolicies();
    Judge(world, mutant, tally).Run();
    if (::testing::Test::HasFatalFailure()) break;
  }
  return tally;
}

std::unique_ptr<World> NewWorld(uint64_t seed) {
  return std::make_unique<World>(tw::testing::PostgresCluster::Shared().NewDatabase(), seed);
}

void Add(Tally& sum, const Tally& part) {
  sum.sets += part.sets;
  sum.fallbacks += part.fallbacks;
  sum.decisions += part.decisions;
  sum.errors += part.errors;
  sum.shown += part.shown;
  sum.raised_only_there += part.raised_only_there;
  sum.mismatches += part.mismatches;
  sum.missed += part.missed;
  if (sum.first.empty()) sum.first = part.first;
}

TEST(PostgresOracleTest, DecidesAsPostgresDoes) {
  const uint64_t seed = Setting("TIDEWIRE_TEST_SEED", 20'261'127);
  const uint64_t sets = Setting("TIDEWIRE_TEST_SETS", 5'000);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  const Mutant none{.name = nullptr};
  // Two at a time: most of the time is the server's.
  const auto first = NewWorld(seed);
  const auto second = NewWorld(seed + 1);
  const auto enough = [](const Tally& t) { return t.mismatches > 0; };
  Tally tally;
  Tally other;
  std::thread thread([&] { other = RunSets(*second, sets / 2, none, enough); });
  tally = RunSets(*first, sets - sets / 2, none, enough);
  thread.join();
  Add(tally, other);
  std::printf("%llu sets, %llu programs left to the database, %llu decisions (%llu shown), %llu "
              "errors here, %llu raised there\n",
              static_cast<unsigned long long>(tally.sets),
              static_cast<unsigned long long>(tally.fallbacks),
              static_cast<unsigned long long>(tally.decisions),
              static_cast<unsigned long long>(tally.shown),
              static_cast<unsigned long long>(tally.errors),
              static_cast<unsigned long long>(tally.raised_only_there));
  EXPECT_EQ(tally.mismatches, 0u) << tally.first;
  EXPECT_EQ(tally.missed, 0u);
  EXPECT_GT(tally.shown, tally.decisions / 20);
  EXPECT_LT(tally.fallbacks, tally.sets * 6 / 3);
}

void UnderNot(Expression& e) {
  if (e.op != Op::kNot) return;
  Expression truth;
  truth.op = Op::kIsTrue;
  truth.type = {Base::kBool};
  truth.reads_row = e.reads_row;
  truth.arguments.push_back(std::move(e.arguments[0]));
  e.arguments[0] = std::move(truth);
}

void WithoutNulls(Expression& e) {
  if (e.op == Op::kInQuery) e.truth_only = true;
}

void NumericAsText(Expression& e) {
  if (e.op == Op::kCompare && e.operand == Base::kNumeric) e.operand = Base::kText;
}

const Mutant kMutants[] = {
    {.name = "NULL under NOT is FALSE", .expression = UnderNot},
    {.name = "inner tables have no policies",
     .schema =
         [](Schema& schema) {
           for (SchemaTable& table : schema.tables) {
             if (table.relation->table != "t") table.security = RowLevelSecurity::kDisabled;
           }
         }},
    {.name = "restrictive policies are permissive",
     .schema =
         [](Schema& schema) {
           for (SchemaTable& table : schema.tables) {
             for (PolicyDefinition& policy : table.policies) {
               policy.kind = PolicyDefinition::Kind::kPermissive;
             }
           }
         }},
    {.name = "NOT IN ignores NULLs", .expression = WithoutNulls},
    {.name = "numerics are compared as texts", .expression = NumericAsText},
    {.name = "definer functions have the caller's rights",
     .schema =
         [](Schema& schema) {
           for (SchemaFunction& function : schema.functions) function.security_definer = false;
         }},
    {.name = "membership without inheritance counts",
     .schema =
         [](Schema& schema) {
           for (SchemaRole& role : schema.roles) {
             if (role.name == "w_limited") role.uses.push_back("w_guest");
           }
         }},
    {.name = "FORCE is ignored",
     .schema =
         [](Schema& schema) {
           for (SchemaTable& table : schema.tables) table.forced = false;
         }},
};

TEST(PostgresOracleTest, NoticesEachBrokenRule) {
  for (const Mutant& mutant : kMutants) {
    const auto world = NewWorld(7);
    const Tally tally =
        RunSets(*world, 1'500, mutant, [](const Tally& t) { return t.mismatches > 0; });
    EXPECT_GT(tally.mismatches, 0u) << mutant.name;
  }
  const Mutant dropped{.name = "one alternative of OR has no probe", .drops_probe = true};
  const auto world = NewWorld(7);
  const Tally tally =
      RunSets(*world, 400, dropped, [](const Tally& t) { return t.missed > 0; });
  EXPECT_GT(tally.missed, 0u);
}

}  // namespace
}  // namespace tw::policy::postgres_world
