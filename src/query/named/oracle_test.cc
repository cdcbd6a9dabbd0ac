// Against the database itself: whenever the true result of a query changes, the change was found to
// concern it. Random schemas, policies, queries and writes; prints its seed and the share of
// needless invalidations.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "capture/capture.h"
#include "query/live/dependency_index.h"
#include "query/named/engine.h"
#include "query/named/random_query.h"
#include "store/store.h"
#include "testing/matchers.h"

namespace tw::query {
namespace {

using testing::IsOk;

Claims MakeClaims(const std::string& sub, int parity) {
  Claims claims;
  claims.text = R"({"role":"authenticated","sub":")" + sub + R"(","parity":")" +
                std::to_string(parity) + R"("})";
  claims.document = *json::Parse(claims.text);
  claims.role = "authenticated";
  claims.sub = sub;
  return claims;
}

struct Counts {
  size_t cases = 0;
  size_t changed = 0;
  size_t marked = 0;
  size_t needless = 0;
  size_t exact = 0;
  size_t queries = 0;
};

// One random world.
class World {
 public:
  World(uint64_t seed, const std::string& directory, Counts& counts)
      : random_(seed), schema_(random_), path_(directory + "/" + std::to_string(seed) + ".db"),
        counts_(counts) {}

  void Run() {
    Open();
    AddQueries();
    if (::testing::Test::HasFatalFailure()) return;
    for (int round = 0; round < 25; ++round) {
      Round();
      if (::testing::Test::HasFailure()) return;
    }
  }

 private:
  struct Entry {
    Call call;
    std::string version;
  };

  void Open() {
    auto opened = store::Store::Open(path_, {.durability = sqlite::Durability::kOff}, random_);
    ASSERT_THAT(opened, IsOk());
    store_ = std::move(*opened);
    ASSERT_THAT(store_->database().Execute(schema_.ddl()), IsOk()) << schema_.ddl();
    std::vector<std::string> tables;
    for (const RandomTable& table : schema_.tables()) tables.push_back(table.name);
    auto capture = capture::Capture::Install(*store_, tables, metrics_);
    ASSERT_THAT(capture, IsOk());
    capture_ = std::move(*capture);
    auto catalog = std::make_shared<policy::Catalog>();
    for (const RelationPtr& relation : capture_->relations()) {
      const std::vector<policy::PolicyDefinition> policies = {
          {.name = "random", .using_sql = schema_.Policy()}};
      auto policy = policy::TablePolicy::Compile(relation, policies);
      ASSERT_THAT(policy, IsOk());
      catalog->Add({relation, std::move(*policy)});
    }
    policies_ = catalog;
  }

  void AddQueries() {
    config::OrderedMap<QueryConfig> given;
    for (int i = 0; i < 12; ++i) {
      QueryConfig query;
      query.sql.value = schema_.Query();
      for (int p = 0; p < 4; ++p) {
        const std::string name = "p" + std::to_string(p);
        if (query.sql.value.find(":" + name) == std::string::npos) continue;
        ParameterConfig parameter;
        parameter.type = p < 2 ? ParameterType::kInt : p == 2 ? ParameterType::kText
                                                              : ParameterType::kNumber;
        parameter.nullable = true;
        query.params.items.push_back({name, parameter, {}});
      }
      given.items.push_back({"q" + std::to_string(i), std::move(query), {}});
    }
    auto catalogue = CompileQueries(given, policies_, path_);
    ASSERT_THAT(catalogue, IsOk());
    catalogue_ = std::move(*catalogue);
    engines_ = MakeSqliteEngines(path_, store_->epoch(), catalogue_, SystemClock(), random_);
    auto engine = engines_->Make();
    ASSERT_THAT(engine, IsOk());
    engine_ = std::move(*engine);
    const Claims claims[] = {MakeClaims("a", 0), MakeClaims("b", 1), MakeClaims("c", 1)};
    for (const auto& query : catalogue_->queries()) {
      ++counts_.queries;
      for (const TableRead& read : query->reads.tables) {
        counts_.exact += read.precision() == Precision::kExact ? 1 : 0;
      }
      for (int i = 0; i < 2; ++i) AddEntry(*query, claims[random_.Below(3)]);
      CompareRights(*query, claims[1], claims[2]);
    }
  }

  Value RandomArgument(ParameterType type) {
    if (random_.Percent(5)) return Value();
    if (type == ParameterType::kText) {
      static const char* const kTexts[] = {"a", "b", "A", "1", "01", "", "2026-01-02", "2.0"};
      return Value(kTexts[random_.Below(8)]);
    }
    if (type == ParameterType::kNumber && random_.Percent(30)) return Value(0.5);
    return Value(static_cast<int64_t>(random_.Below(5)) - 1);
  }

  Result<std::string> Execute(const Call& call) {
    const auto result = engine_->Run(call);
    if (!result) return Fail(ErrorCode::kInternal, result.error().message);
    EXPECT_EQ(result->position.offset, capture_->head().offset);
    return result->rows->version;
  }

  void AddEntry(const NamedQuery& query, const Claims& claims) {
    std::vector<Value> arguments;
    for (const Parameter& parameter : query.parameters) {
      arguments.push_back(RandomArgument(parameter.type));
    }
    auto rights = RightsOf(*catalogue_, query, claims);
    ASSERT_TRUE(rights) << rights.error().message;
    Entry entry{.call = MakeCall(query, std::move(arguments), std::move(*rights), claims)};
    const auto version = Execute(entry.call);
    ASSERT_THAT(version, IsOk()) << query.sql.sqlite;
    entry.version = *version;
    entries_.push_back(std::make_unique<Entry>(std::move(entry)));
    index_.Add(entries_.size(), query.reads, entries_.back()->call.bound);
  }

  // Two people of one auth class see the same; compared after every round as well.
  void CompareRights(const NamedQuery& query, const Claims& a, const Claims& b) {
    std::vector<Value> arguments;
    for (const Parameter& parameter : query.parameters) {
      arguments.push_back(RandomArgument(parameter.type));
    }
    const Call first = MakeCall(query, arguments, *RightsOf(*catalogue_, query, a), a);
    const Call second = MakeCall(query, arguments, *RightsOf(*catalogue_, query, b), b);
    pairs_.emplace_back(first, second);
  }

  void Round() {
    std::string writes = "begin;";
    for (size_t i = 0; i < 1 + random_.Below(2); ++i) writes += schema_.Write() + ";";
    ASSERT_THAT(store_->database().Execute(writes + "commit;"), IsOk()) << writes;
    const auto batch = capture_->Poll();
    ASSERT_THAT(batch, IsOk());
    if (*batch == nullptr) return;
    std::set<uint64_t> marked;
    std::vector<uint64_t> affected;
    for (const Change& change : (*batch)->changes) index_.FindAffected(change, affected);
    marked.insert(affected.begin(), affected.end());
    for (size_t i = 0; i < entries_.size(); ++i) {
      Entry& entry = *entries_[i];
      const auto version = Execute(entry.call);
      ASSERT_THAT(version, IsOk()) << entry.call.query->sql.sqlite;
      const bool changed = *version != entry.version;
      const bool was_marked = marked.contains(i + 1);
      ASSERT_TRUE(!changed || was_marked)
          << "missed: " << entry.call.query->sql.sqlite << "\n args " << entry.call.arguments_json
          << "\n writes " << writes << "\n schema " << schema_.ddl();
      ++counts_.cases;
      counts_.changed += changed ? 1 : 0;
      counts_.marked += was_marked ? 1 : 0;
      counts_.needless += was_marked && !changed ? 1 : 0;
      entry.version = *version;
    }
    for (const auto& [first, second] : pairs_) {
      if (first.key != second.key) continue;
      EXPECT_EQ(*Execute(first), *Execute(second)) << first.query->sql.sqlite;
    }
  }

  SeededRandom random_;
  RandomSchema schema_;
  const std::string path_;
  Counts& counts_;
  telemetry::Registry metrics_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<capture::Capture> capture_;
  policy::CatalogPtr policies_;
  QueryCataloguePtr catalogue_;
  std::unique_ptr<EngineFactory> engines_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<std::pair<Call, Call>> pairs_;
  DependencyIndex index_;
};

// TIDEWIRE_SEED=<seed> repeats one world; TIDEWIRE_CASES=<n> sets how many cases are tried.
TEST(OracleTest, WhatChangesAResultIsFoundToConcernIt) {
  std::string pattern = ::testing::TempDir() + "tidewire-oracle-XXXXXX";
  const std::string directory = mkdtemp(pattern.data());
  Counts counts;
  const char* const only = std::getenv("TIDEWIRE_SEED");
  const char* const wanted = std::getenv("TIDEWIRE_CASES");
  const size_t cases = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 24'000;
  uint64_t seed = only != nullptr ? std::strtoull(only, nullptr, 10) : SystemRandom().Next() >> 16;
  while (counts.cases < cases && !HasFailure()) {
    SCOPED_TRACE("TIDEWIRE_SEED=" + std::to_string(seed));
    World(seed++, directory, counts).Run();
    if (only != nullptr) break;
  }
  std::filesystem::remove_all(directory);
  std::cout << counts.cases << " cases of " << counts.queries << " queries, " << counts.changed
            << " changed, " << counts.marked << " marked, needless "
            << (counts.marked > 0 ? 100 * counts.needless / counts.marked : 0)
            << " % of these; table references with predicates: " << counts.exact << "\n";
  EXPECT_GT(counts.changed, counts.cases / 100);
}

}  // namespace
}  // namespace tw::query
