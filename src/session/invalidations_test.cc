// Windows that lose nothing, syncs that are told once, rows that their reader may see (mission S0.5).
#include "session/invalidations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "json/json.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"
#include "websocket/frame.h"

namespace tw::session {
namespace {

using namespace std::chrono_literals;
using testing::IsOk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

Claims Organization(int number) {
  Claims claims;
  claims.text = "{\"role\":\"authenticated\",\"org\":" + std::to_string(number) + "}";
  claims.document = *json::Parse(claims.text);
  claims.role = "authenticated";
  return claims;
}

class Client final : public router::Receiver {
 public:
  void OnFrame(const io::SharedBytes& frame) override {
    const auto view = frame.view();
    const auto message = json::Parse(view.substr(view.find('[')));
    ASSERT_THAT(message, IsOk());
    const json::Value payload = message->root().items()[4];
    std::string text = payload["keys"].ToText();
    for (const json::Value& source : payload["sources"].items()) {
      text += " " + std::string(source["label"].GetString());
    }
    messages.push_back(std::move(text));
  }
  std::vector<std::string> messages;
};

class InvalidationsTest : public ::testing::Test {
 protected:
  InvalidationsTest() : wheel_(clock_.Mono()) {
    auto relation = std::make_shared<Relation>();
    relation->table = "data_freshness";
    relation->columns = {{"org", ColumnType::kInt8, "int8"}, {"source", ColumnType::kText, "text"},
                         {"status", ColumnType::kText, "text"}, {"sync", ColumnType::kText, "text"}};
    relation->key = {0, 1};
    relation_ = relation;
    const std::vector<policy::PolicyDefinition> policies = {
        {.name = "own", .using_sql = "org = (auth.jwt() ->> 'org')::int"}};
    auto policy = policy::TablePolicy::Compile(relation, policies);
    EXPECT_THAT(policy, IsOk());
    auto catalog = std::make_shared<policy::Catalog>();
    catalog->Add({relation, *policy});
    query::InvalidationConfig config;
    const auto source = [&](const std::string& name, std::vector<std::string> keys) {
      auto& item = config.sources.items.emplace_back();
      item.key = name;
      for (const auto& key : keys) {
        item.value.emplace_back(config::Node::Scalar(key, config::Node::Style::kQuoted));
      }
    };
    source("meta", {"meta", "hourly-metrics"});
    source("actblue", {"donations", "hourly-metrics"});
    source("*", {"dashboard"});
    config.labels.items.push_back({"meta", "Meta Ads", {}});
    config.on.emplace();
    config.on->table = std::string("data_freshness");
    config.on->id = "sync";
    config.on->when.items.push_back({"status", "success", {}});
    auto map = query::InvalidationMap::Compile(config, *catalog);
    EXPECT_THAT(map, IsOk());
    invalidations_ = std::make_unique<Invalidations>(*map, catalog, router_, wheel_, metrics_);
    invalidations_->Join(mine_, protocol::Version::kV2, "realtime:t", Organization(1), member_);
    invalidations_->Join(theirs_, protocol::Version::kV2, "realtime:t", Organization(2), other_);
  }

  void Sync(const std::string& source, const std::string& id,
            const std::string& status = "success") {
    Batch batch;
    batch.position = {1, ++offset_};
    batch.changes.push_back({.offset = offset_, .op = ChangeOp::kInsert, .relation = relation_,
                             .new_row = {Value(1), Value(source), Value(status), Value(id)}});
    invalidations_->OnBatch(batch);
  }
  void Pass(std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 100ms) {
      clock_.Advance(100ms);
      wheel_.Advance(clock_.Mono());
    }
  }

  testing::FakeClock clock_;
  io::TimerWheel wheel_;
  telemetry::Registry metrics_;
  router::Router router_{metrics_};
  RelationPtr relation_;
  std::unique_ptr<Invalidations> invalidations_;
  Client mine_, theirs_;
  InvalidationMembership member_, other_;
  uint64_t offset_ = 0;
};

TEST_F(InvalidationsTest, SourcesOfOneWindowAreOneMessageAndNoneIsDropped) {
  Sync("meta", "1");
  Pass(2s);
  Sync("actblue", "2");
  Pass(2s);
  Sync("unknown", "3");
  EXPECT_THAT(mine_.messages, IsEmpty());
  Pass(1500ms);
  EXPECT_THAT(mine_.messages,
              ElementsAre(R"([["dashboard"],["donations"],["hourly-metrics"],["meta"]])"
                          " Meta Ads actblue unknown"));
  EXPECT_THAT(theirs_.messages, IsEmpty());
}

TEST_F(InvalidationsTest, TheWindowIsNoDebounceAndWhatComesAfterItOpensTheNext) {
  for (int i = 0; i < 12; ++i) {
    Sync("meta", std::to_string(i));
    Pass(1s);
  }
  EXPECT_GE(mine_.messages.size(), 2u);
  Pass(6s);
  size_t told = 0;
  for (const std::string& message : mine_.messages) {
    for (size_t at = 0; (at = message.find("Meta Ads", at)) != message.npos; ++at) ++told;
  }
  EXPECT_EQ(told, 12u);
}

TEST_F(InvalidationsTest, FailedSyncsAndRepeatedOnesAreNotTold) {
  Sync("meta", "1", "failed");
  Pass(6s);
  EXPECT_THAT(mine_.messages, IsEmpty());
  Sync("meta", "1");
  Sync("meta", "1");
  Pass(6s);
  Sync("meta", "1");
  Pass(6s);
  EXPECT_THAT(mine_.messages, ElementsAre(R"([["dashboard"],["hourly-metrics"],["meta"]] Meta Ads)"));
}

TEST_F(InvalidationsTest, WhoLeavesIsToldNothing) {
  Sync("meta", "1");
  member_.Leave();
  Pass(6s);
  EXPECT_THAT(mine_.messages, IsEmpty());
}

}  // namespace
}  // namespace tw::session
