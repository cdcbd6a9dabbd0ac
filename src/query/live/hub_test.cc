// The cache's rules under a scripted clock: counts, sharing, prefetch, races, errors, eviction.
#include "query/live/hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "query/live/front.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"

namespace tw::query {
namespace {

using namespace std::chrono_literals;

RowSetPtr Rows(const std::string& value) {
  RowSetBuilder builder;
  builder.Add("{\"k\":1,\"v\":\"" + value + "\"}", "[1]");
  return builder.Finish();
}

// One hub, one front, an executor that answers when told.
class HubTest : public ::testing::Test, public LoopPort, public Executor, public HubPort {
 protected:
  HubTest() {
    auto relation = std::make_shared<Relation>();
    relation->table = "t";
    relation->columns = {{"k", ColumnType::kInt8, "int8"}, {"v", ColumnType::kText, "text"}};
    relation->key = {0};
    relation_ = relation;
    auto query = std::make_shared<NamedQuery>();
    query->name = "q";
    query->version = "1";
    query->parameters = {{.name = "k", .type = ParameterType::kInt}};
    query->row_key = {0};
    query->columns = {{"k", ColumnType::kInt8, false}, {"v", ColumnType::kText, false}};
    query->live = LiveMode::kRows;
    query->bindings = {{.argument = 0}};
    TableRead read{.relation = relation_, .columns = {0, 1}};
    Predicate predicate{.column = 0, .affinity = Affinity::kNumeric};
    predicate.operands = {{.parameter = 0}};
    read.references = {{predicate}};
    query->reads.tables = {read};
    query_ = query;
    catalogue_ = std::make_shared<const QueryCatalogue>(std::make_shared<policy::Catalog>(),
                                                        std::vector<NamedQueryPtr>{query});
    Make({});
  }

  void Make(const HubLimits& limits) {
    hub_ = std::make_unique<Hub>(limits, head_, 1, *this, *this, clock_, random_, metrics_);
    front_ = std::make_unique<Front>(catalogue_, head_, *this, clock_, front_metrics_);
  }

  CallPtr CallFor(int64_t k, const std::string& who = "") {
    Rights rights;
    rights.auth_class = who;
    return std::make_shared<const Call>(
        MakeCall(*query_, {Value(k)}, std::move(rights), Claims{}));
  }

  // Reads through the front; the outcome is in `answers_` once it is there.
  void Read(int64_t k, std::optional<Position> min = std::nullopt, const std::string& who = "") {
    front_->Read(CallFor(k, who), min, [this](ReadAnswer answer) {
      answers_.push_back(std::string(ToString(answer.outcome)) +
                         (answer.error ? ":" + answer.error->code : "") +
                         (answer.snapshot != nullptr ? " " + answer.snapshot->rows->json : ""));
    });
  }
  // Answers the oldest execution.
  void Finish(const std::string& value, std::optional<uint64_t> at = std::nullopt) {
    ASSERT_FALSE(running_.empty());
    auto done = std::move(running_.front());
    running_.erase(running_.begin());
    done(Execution{.rows = Rows(value), .position = {1, at.value_or(head_.offset)}});
  }
  void FailOne() {
    auto done = std::move(running_.front());
    running_.erase(running_.begin());
    done(std::unexpected(CallError{"query_failed", "no", ""}));
  }
  void Commit(int64_t k, const std::string& value = "x") {
    Batch batch;
    head_.offset += 1;
    batch.position = head_;
    batch.changes.push_back({.offset = head_.offset, .op = ChangeOp::kInsert,
                             .relation = relation_, .new_row = {Value(k), Value(value)}});
    hub_->OnBatch(batch);
  }
  void Pass(std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 10ms) {
      clock_.Advance(10ms);
      hub_->Tick();
      front_->Tick();
    }
  }
  std::vector<std::string> Answers() { return std::exchange(answers_, {}); }
  uint64_t Counter(const std::string& name, telemetry::Labels labels = {}) {
    return metrics_.GetCounter(name, "", std::move(labels)).value();
  }

  // LoopPort: at once, as if the loop ran.
  void Deliver(size_t, DeliveryPtr delivery) override {
    deliveries_.push_back(delivery);
    front_->OnDelivery(delivery);
  }
  void Progress(size_t, std::shared_ptr<const std::vector<EntryId>> dirty, Position marked,
                Position settled) override {
    front_->OnProgress(*dirty, marked, settled);
  }
  void Reset(size_t, QueryCataloguePtr catalogue, Position head) override {
    front_->OnReset(std::move(catalogue), head);
  }
  void Drop(size_t, EntryId id) override { front_->OnDrop(id); }
  void Submit(CallPtr call, std::function<void(CallResult<Execution>)> done) override {
    started_.push_back(call->auth_class);
    running_.push_back(std::move(done));
  }
  void Ask(CallPtr call, uint64_t min) override { hub_->Ask(0, call, min); }
  void Watch(CallPtr call) override { hub_->Watch(0, call); }
  void Unwatch(CallPtr call) override { hub_->Unwatch(0, call->key); }
  void Touch(EntryId id, uint64_t hits) override { hub_->Touch(id, hits); }

  testing::FakeClock clock_;
  SeededRandom random_{1};
  telemetry::Registry metrics_;
  FrontMetrics front_metrics_{metrics_};
  Position head_{1, 10};
  RelationPtr relation_;
  NamedQueryPtr query_;
  QueryCataloguePtr catalogue_;
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<Front> front_;
  std::vector<std::function<void(CallResult<Execution>)>> running_;
  std::vector<std::string> started_;
  std::vector<DeliveryPtr> deliveries_;
  std::vector<std::string> answers_;
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST_F(HubTest, OneExecutionServesAllWhoComeMeanwhile) {
  for (int i = 0; i < 3; ++i) Read(1);
  EXPECT_EQ(running_.size(), 1u);
  Finish("a");
  EXPECT_THAT(Answers(), ElementsAre(StartsWith("miss"), StartsWith("coalesced"),
                                     StartsWith("coalesced")));
  Read(1);
  EXPECT_THAT(Answers(), ElementsAre(StartsWith("hit")));
  EXPECT_TRUE(running_.empty());
}

TEST_F(HubTest, PastItsTtlItIsAnsweredStaleAndReadOnceInTheBackground) {
  Read(1);
  Finish("a");
  clock_.Advance(61s);
  for (int i = 0; i < 3; ++i) Read(1);
  EXPECT_THAT(Answers(), ElementsAre(StartsWith("miss"), StartsWith("stale"), StartsWith("stale"),
                                     StartsWith("stale")));
  EXPECT_EQ(running_.size(), 1u);
  Finish("b");
  Read(1);
  EXPECT_THAT(Answers(), ElementsAre(::testing::HasSubstr("\"b\"")));
}

TEST_F(HubTest, WhatIsReadIsReadAgainTenSecondsBeforeItsTtlAndWhatIsNotIsNot) {
  Read(1);
  Finish("a");
  Pass(30s);
  Read(1);  // In use.
  Pass(19s);
  EXPECT_TRUE(running_.empty());
  Pass(1100ms);
  ASSERT_EQ(running_.size(), 1u);
  Finish("a");
  EXPECT_EQ(Counter("tidewire_query_prefetch_total", {{"outcome", "in_time"}}), 1u);
  // Nobody reads it now.
  Pass(70s);
  EXPECT_TRUE(running_.empty());
  EXPECT_EQ(Counter("tidewire_query_prefetch_total", {{"outcome", "due"}}), 1u);
}

TEST_F(HubTest, AChangeThatConcernsItOverridesItsAgeAtOnce) {
  Read(1);
  Finish("a");
  Commit(2);
  Read(1);
  EXPECT_THAT(Answers(), ElementsAre(StartsWith("miss"), StartsWith("hit")));
  Commit(1);
  Read(1);
  EXPECT_THAT(Answers(), IsEmpty());
  Finish("b");
  EXPECT_THAT(Answers(), ElementsAre(::testing::HasSubstr("\"b\"")));
}

TEST_F(HubTest, AnExecutionFromBeforeAnEventNeverHidesIt) {
  front_->Watch(CallFor(1));
  const uint64_t before = head_.offset;
  Commit(1);
  Finish("old", before);
  Pass(60ms);
  ASSERT_EQ(running_.size(), 1u);
  EXPECT_EQ(hub_->settled().offset, before);
  Finish("new");
  EXPECT_EQ(hub_->settled(), head_);
  EXPECT_EQ(deliveries_.back()->snapshot->rows->json, Rows("new")->json);
  EXPECT_FALSE(deliveries_.back()->dirty);
}

TEST_F(HubTest, AFollowedResultRunsAtMostOncePerIntervalAndTheNewestWins) {
  front_->Watch(CallFor(1));
  Finish("a");
  Pass(60ms);
  Commit(1);
  ASSERT_EQ(running_.size(), 1u);
  for (int i = 0; i < 20; ++i) Commit(1);
  Finish("b");
  EXPECT_EQ(deliveries_.back()->diff, R"("update":[{"key":[1],"set":{"v":"b"}}])");
  for (int i = 0; i < 20; ++i) Commit(1);
  EXPECT_TRUE(running_.empty());
  Pass(60ms);
  ASSERT_EQ(running_.size(), 1u);
  Finish("b");
  EXPECT_EQ(Counter("tidewire_query_reruns_total"), 2u);
  EXPECT_EQ(Counter("tidewire_query_reruns_unchanged_total"), 1u);
}

TEST_F(HubTest, MinPositionWaitsForTheLogAndGivesUpAfterTwoSeconds) {
  Read(1);
  Finish("a");
  Answers();
  Read(1, Position{1, head_.offset + 1});
  EXPECT_THAT(Answers(), IsEmpty());
  Commit(2);
  EXPECT_THAT(Answers(), ElementsAre(StartsWith("hit")));
  Read(1, Position{1, head_.offset + 1});
  Commit(1);
  Finish("b");
  EXPECT_THAT(Answers(), ElementsAre(::testing::HasSubstr("\"b\"")));
  Read(1, Position{1, head_.offset + 9});
  Pass(2100ms);
  EXPECT_THAT(Answers(), ElementsAre("error:position_not_reached"));
  Read(1, Position{2, 1});
  EXPECT_THAT(Answers(), ElementsAre("error:epoch_changed"));
}

TEST_F(HubTest, AnErrorIsHeldShownOverOlderRowsAndRetried) {
  front_->Watch(CallFor(1));
  Finish("a");
  Pass(60ms);
  Commit(1);
  FailOne();
  Read(1);
  EXPECT_THAT(Answers(), ElementsAre(StartsWith("error:query_failed [{")));
  EXPECT_TRUE(running_.empty());
  Pass(1300ms);
  ASSERT_EQ(running_.size(), 1u);
  Finish("b");
  Read(1);
  EXPECT_THAT(Answers(), ElementsAre(::testing::AllOf(StartsWith("hit"),
                                                      ::testing::HasSubstr("\"b\""))));
}

TEST_F(HubTest, AuthClassesTakeTurns) {
  HubLimits limits;
  limits.executions_parallel_max = 1;
  Make(limits);
  for (int64_t k = 0; k < 4; ++k) Read(k, std::nullopt, "greedy");
  Read(9, std::nullopt, "modest");
  for (int i = 0; i < 5; ++i) Finish("x");
  EXPECT_THAT(started_, ElementsAre("greedy", "greedy", "modest", "greedy", "greedy"));
}

TEST_F(HubTest, ManyParameterSetsStayWithinTheCache) {
  HubLimits limits;
  limits.cache_bytes_max = 100'000;
  Make(limits);
  front_->Watch(CallFor(-1));
  Finish("followed");
  for (int64_t k = 0; k < 5'000; ++k) {
    Read(k);
    Finish("x");
    ASSERT_LE(hub_->bytes(), 101'000u);
  }
  EXPECT_NE(front_->Current(CallFor(-1)->key), nullptr);
  EXPECT_LE(front_->entries(), hub_->entries());
}

TEST_F(HubTest, UnusedResultsLeaveAndFollowedOnesStay) {
  Read(1);
  Finish("a");
  front_->Watch(CallFor(2));
  Finish("b");
  for (int i = 0; i < 7; ++i) {
    Pass(51s);
    while (!running_.empty()) Finish("b");
  }
  EXPECT_EQ(hub_->entries(), 1u);
  front_->Unwatch(CallFor(2)->key);
  Pass(6min);
  EXPECT_EQ(hub_->entries(), 0u);
  EXPECT_EQ(hub_->bytes(), 0u);
  EXPECT_EQ(front_->entries(), 0u);
}

TEST_F(HubTest, AChangeWithoutAnEventIsCountedAsMissed) {
  front_->Watch(CallFor(1));
  Finish("a");
  Pass(50s);
  Finish("changed behind our back");
  EXPECT_EQ(Counter("tidewire_invalidation_missed_total"), 0u);  // The log may still explain it.
  Commit(2);
  EXPECT_EQ(Counter("tidewire_invalidation_missed_total"), 1u);
}

TEST_F(HubTest, AChangeThatTheLogExplainsLaterIsNotMissed) {
  front_->Watch(CallFor(1));
  Finish("a");
  Pass(50s);
  Finish("b", head_.offset + 1);  // It saw a commit that we have not looked at yet.
  Commit(1);
  EXPECT_EQ(Counter("tidewire_invalidation_missed_total"), 0u);
}

TEST_F(HubTest, ReasonsNameRowRuleAndQuery) {
  front_->Watch(CallFor(1));
  Finish("a");
  Commit(1);
  ASSERT_EQ(hub_->reasons().size(), 1u);
  EXPECT_EQ(hub_->reasons().back().rule, "t.k = 1");
  EXPECT_EQ(hub_->reasons().back().row_key, "[1]");
  EXPECT_EQ(hub_->reasons().back().query, "q");
}

}  // namespace
}  // namespace tw::query
