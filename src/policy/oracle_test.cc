// Random policies judged by us and by SQLite, where the two agree on SQL: three-valued logic,
// integers, text by bytes, IN, BETWEEN, LIKE, CASE, COALESCE. And: are the tests themselves able to
// notice broken rules?
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>

#include "policy/random_policy.h"
#include "sqlite/sqlite.h"

namespace tw::policy::random {
namespace {

constexpr int kPolicySets = 1'500;
constexpr size_t kRows = 12;
constexpr int kClaimSets = 4;

// TIDEWIRE_TEST_SEED repeats a run.
uint64_t Seed() {
  const char* given = std::getenv("TIDEWIRE_TEST_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 20'260'102;
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

struct Oracle {
  sqlite::Database database;

  static Oracle Open(const std::vector<Row>& rows) {
    auto database = sqlite::Database::Open(":memory:");
    EXPECT_TRUE(database.ok());
    std::string sql =
        "PRAGMA case_sensitive_like = on; CREATE TABLE t (id integer primary key, n integer, org "
        "integer, owner text, title text, flag integer);";
    for (const Row& row : rows) sql += InsertSql(row);
    const auto made = database->Execute(sql);
    EXPECT_TRUE(made.ok()) << made.error();
    return {std::move(*database)};
  }

  std::vector<bool> Decide(const std::string& sql) {
    std::vector<bool> decisions;
    auto statement = database.Prepare(sql);
    if (!statement.ok()) {
      ADD_FAILURE() << sql << ": " << statement.error();
      return std::vector<bool>(kRows);
    }
    while (*statement->Step()) decisions.push_back(statement->ColumnInt(0) != 0);
    return decisions;
  }
};

struct Trial {
  PolicySet set;
  std::vector<ClaimSet> claims;
  std::vector<Row> rows;
  std::vector<std::vector<bool>> truth;  // By claims, then row: SQLite's decisions.
};

// Calls `visit` with random trials.
template <typename Visit>
void ForEachTrial(Visit visit) {
  SeededRandom random(Seed());
  for (int block = 0; block < kPolicySets / 50; ++block) {
    Trial trial;
    trial.rows = RandomRows(random, kRows);
    Oracle oracle = Oracle::Open(trial.rows);
    for (int i = 0; i < 50; ++i) {
      trial.set = RandomPolicySet(random);
      trial.claims.clear();
      trial.truth.clear();
      for (int c = 0; c < kClaimSets; ++c) {
        trial.claims.push_back(RandomClaims(random));
        trial.truth.push_back(oracle.Decide(SqliteQuery(trial.set, trial.claims.back())));
      }
      visit(trial);
    }
  }
}

bool Satisfies(const Row& row, std::span<const Anchor> anchors) {
  return std::ranges::any_of(
      anchors, [&](const Anchor& anchor) { return row[anchor.column] == anchor.value; });
}

std::string Describe(const Trial& trial, size_t claims, size_t row) {
  std::string text = SqliteQuery(trial.set, trial.claims[claims]) + "\n";
  for (const auto& definition : Definitions(trial.set)) text += definition.using_sql + "\n";
  return text + InsertSql(trial.rows[row]);
}

TEST(OracleTest, DecisionsEqualSqlites) {
  int cases = 0;
  int visible = 0;
  int anchored = 0;
  ForEachTrial([&](const Trial& trial) {
    const auto policy = CompileAll(Table(), Definitions(trial.set));
    ASSERT_TRUE(policy.ok()) << policy.error();
    for (size_t c = 0; c < trial.claims.size(); ++c) {
      const AccessPtr access = (*policy)->AccessFor(trial.claims[c].ToClaims(c));
      ASSERT_FALSE(access->error()) << *access->error();
      const auto anchors = access->anchors();
      anchored += anchors.has_value();
      for (size_t r = 0; r < trial.rows.size(); ++r, ++cases) {
        const bool truth = trial.truth[c][r];
        visible += truth;
        ASSERT_EQ(access->Allows(trial.rows[r]), truth) << Describe(trial, c, r);
        ASSERT_EQ(Visible(trial.set, trial.rows[r], trial.claims[c], Mutation::kNone), truth)
            << "the reference is wrong: " << Describe(trial, c, r);
        ASSERT_TRUE(!truth || !access->allows_nothing()) << Describe(trial, c, r);
        ASSERT_TRUE(truth || !access->allows_everything()) << Describe(trial, c, r);
        ASSERT_TRUE(!truth || !anchors || Satisfies(trial.rows[r], *anchors))
            << "an anchor is not necessary: " << Describe(trial, c, r);
      }
    }
  });
  std::printf("%d cases, %d visible, %d anchored\n", cases, visible, anchored);
  EXPECT_GE(cases, 5'000);
  EXPECT_GE(visible, cases / 20);
  EXPECT_GE(anchored, 200);
}

TEST(OracleTest, EveryBrokenRuleIsNoticed) {
  std::set<Mutation> noticed;
  ForEachTrial([&](const Trial& trial) {
    for (auto i = uint8_t{1}; i <= static_cast<uint8_t>(kLastMutation); ++i) {
      const auto mutation = static_cast<Mutation>(i);
      if (noticed.contains(mutation)) continue;
      for (size_t c = 0; c < trial.claims.size(); ++c) {
        for (size_t r = 0; r < trial.rows.size(); ++r) {
          const bool broken = Visible(trial.set, trial.rows[r], trial.claims[c], mutation);
          if (broken != trial.truth[c][r]) noticed.insert(mutation);
        }
      }
    }
  });
  for (auto i = uint8_t{1}; i <= static_cast<uint8_t>(kLastMutation); ++i) {
    EXPECT_TRUE(noticed.contains(static_cast<Mutation>(i))) << "mutation " << int{i};
  }
}

// An anchor list without one of its entries must be caught by the property of
// DecisionsEqualSqlites, else that property would prove nothing.
TEST(OracleTest, AnchorsOfOneOrSideOnlyAreNoticed) {
  int noticed = 0;
  ForEachTrial([&](const Trial& trial) {
    const auto policy = CompileAll(Table(), Definitions(trial.set));
    for (size_t c = 0; c < trial.claims.size(); ++c) {
      const AccessPtr access = (*policy)->AccessFor(trial.claims[c].ToClaims(c));
      const auto anchors = access->anchors();
      if (!anchors || anchors->size() < 2) continue;
      for (size_t r = 0; r < trial.rows.size(); ++r) {
        noticed += trial.truth[c][r] && !Satisfies(trial.rows[r], anchors->subspan(1));
      }
    }
  });
  EXPECT_GE(noticed, 10);
}

TEST(OracleTest, EqualKeysDecideEqually) {
  int shared = 0;
  int would_differ = 0;  // Keys without slot values would join these.
  ForEachTrial([&](const Trial& trial) {
    const auto policy = CompileAll(Table(), Definitions(trial.set));
    std::map<std::string, size_t> first;
    for (size_t c = 0; c < trial.claims.size(); ++c) {
      // The same person with another token, and the others.
      for (const uint64_t token : {uint64_t{1}, uint64_t{2}}) {
        const AccessPtr access = (*policy)->AccessFor(trial.claims[c].ToClaims(token));
        const auto [known, is_new] = first.emplace(access->key(), c);
        shared += !is_new;
        ASSERT_EQ(trial.truth[known->second], trial.truth[c]) << Describe(trial, c, 0);
        ASSERT_TRUE(token == 1 || !is_new) << "a refreshed token has another key";
      }
      would_differ += trial.truth[c] != trial.truth[0];
    }
  });
  EXPECT_GE(shared, 1'000);
  EXPECT_GE(would_differ, 100);
}

}  // namespace
}  // namespace tw::policy::random
