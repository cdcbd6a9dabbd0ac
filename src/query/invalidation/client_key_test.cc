// Prefixes as TanStack Query matches them; graphs that lead back to themselves.
#include "query/invalidation/client_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "query/invalidation/invalidation_map.h"
#include "testing/matchers.h"

namespace tw::query {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::FailsWith;
using testing::IsOk;
using ::testing::UnorderedElementsAre;

bool Match(std::string_view key, std::string_view prefix) {
  const auto a = json::Parse(key);
  const auto b = json::Parse(prefix);
  return PartialMatch(a->root(), b->root());
}

TEST(PartialMatchTest, IsTanStacks) {
  EXPECT_TRUE(Match(R"(["a","b"])", R"(["a"])"));
  EXPECT_TRUE(Match(R"(["a",{"x":1,"y":2}])", R"(["a",{"x":1}])"));
  EXPECT_TRUE(Match(R"(["a",{"x":{"z":[1,2]}}])", R"(["a",{"x":{"z":[1]}}])"));
  EXPECT_TRUE(Match(R"(["a",1])", R"(["a",1.0])"));
  EXPECT_TRUE(Match(R"(["a"])", R"([])"));
  EXPECT_TRUE(Match(R"([null])", R"([null])"));
  EXPECT_FALSE(Match(R"(["a"])", R"(["a","b"])"));
  EXPECT_FALSE(Match(R"(["ab"])", R"(["a"])"));
  EXPECT_FALSE(Match(R"(["a",1])", R"(["a","1"])"));
  EXPECT_FALSE(Match(R"(["a",{"x":1}])", R"(["a",{"y":1}])"));
  EXPECT_FALSE(Match(R"(["a",true])", R"(["a",1])"));
  EXPECT_FALSE(Match(R"(["a",null])", R"(["a",0])"));
}

config::Node Text(const std::string& text) {
  return config::Node::Scalar(text, config::Node::Style::kQuoted);
}

TEST(KeyPatternTest, NamesWhatIsWrong) {
  for (const auto& [text, reason] : std::map<std::string, std::string>{
           {"", "a key is a text"}, {"a//b", "empty segment"}, {"/a", "empty segment"},
           {std::string(600, 'a'), "512 bytes"}, {"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", "16"}}) {
    EXPECT_THAT(ParseKeyPattern(Text(text)),
                FailsWith(ErrorCode::kInvalidArgument, HasSubstr(reason)));
  }
}

class InvalidationMapTest : public ::testing::Test {
 protected:
  InvalidationMapTest() {
    for (const char* name : {"videos", "briefs", "campaigns", "assets", "freshness"}) {
      auto relation = std::make_shared<Relation>();
      relation->table = name;
      relation->columns = {{"id", ColumnType::kInt8, "int8"},
                           {"campaign_id", ColumnType::kInt8, "int8"},
                           {"source", ColumnType::kText, "text"},
                           {"status", ColumnType::kText, "text"}};
      relation->key = {0};
      auto policy = policy::TablePolicy::Compile(relation, {});
      EXPECT_THAT(policy, IsOk());
      catalog_.Add({relation, std::move(*policy)});
      relations_[name] = relation;
    }
  }
  Change Insert(const std::string& table, Row row) {
    return {.offset = 1, .op = ChangeOp::kInsert, .relation = relations_[table],
            .new_row = std::move(row)};
  }
  template <typename Map>
  static void Set(Map& map, const std::string& key, std::vector<std::string> keys) {
    auto& item = map.items.emplace_back();
    item.key = key;
    for (const auto& text : keys) item.value.emplace_back(Text(text));
  }
  std::vector<std::string> KeysOf(const InvalidationMap& map, const Change& change) {
    KeySet keys;
    map.KeysOf(*map.FindTable(change.relation->table), change, keys);
    return keys.Reduced();
  }

  policy::Catalog catalog_;
  std::map<std::string, RelationPtr> relations_;
};

TEST_F(InvalidationMapTest, TheGraphIsTransitiveAndACycleEnds) {
  InvalidationConfig config;
  Set(config.graph, "briefs", {"reviews", "campaigns"});
  Set(config.graph, "campaigns", {"dashboard/stats", "analytics"});
  Set(config.graph, "analytics", {"campaigns"});
  config.tables.items.push_back({"briefs", {{Text("briefs/{id}")}, {"brief"}}, {}});
  const auto map = InvalidationMap::Compile(config, catalog_);
  ASSERT_THAT(map, IsOk());
  EXPECT_THAT(KeysOf(**map, Insert("briefs", {Value(7), Value(1), Value(), Value()})),
              UnorderedElementsAre(R"(["briefs",7])", R"(["reviews"])", R"(["campaigns"])",
                                   R"(["dashboard","stats"])", R"(["analytics"])"));
  EXPECT_THAT((*map)->cycles(), UnorderedElementsAre("campaigns", "analytics"));
}

TEST_F(InvalidationMapTest, ParametersBindColumnsAndPassOnlyUnderTheirName) {
  InvalidationConfig config;
  auto& table = config.tables.items.emplace_back();
  table.key = "assets";
  table.value.keys.emplace_back(config::Node::Map(
      {{"key", {}, Text("campaigns/{id}/progress")}, {"id", {}, Text("campaign_id")}}));
  Set(config.graph, "campaigns/{id}/progress", {"reports/{id}", "boards/{other}"});
  const auto map = InvalidationMap::Compile(config, catalog_);
  ASSERT_THAT(map, IsOk());
  EXPECT_THAT(KeysOf(**map, Insert("assets", {Value(7), Value(3), Value(), Value()})),
              UnorderedElementsAre(R"(["campaigns",3,"progress"])", R"(["reports",3])",
                                   R"(["boards","*"])"));
}

TEST_F(InvalidationMapTest, OnlySuccessfulSyncsCountAndTheStarIsForAll) {
  InvalidationConfig config;
  Set(config.sources, "meta", {"meta", "meta-metrics"});
  Set(config.sources, "*", {"dashboard"});
  config.on.emplace();
  config.on->table = std::string("freshness");
  config.on->id = "id";
  config.on->when.items.push_back({"status", "success", {}});
  const auto map = InvalidationMap::Compile(config, catalog_);
  ASSERT_THAT(map, IsOk());
  const auto sync = (*map)->SyncOf(Insert("freshness", {Value(9), Value(), "meta", "success"}));
  ASSERT_TRUE(sync);
  EXPECT_EQ(sync->id, "9");
  EXPECT_THAT(sync->keys.Reduced(),
              UnorderedElementsAre(R"(["meta"])", R"(["meta-metrics"])", R"(["dashboard"])"));
  EXPECT_FALSE((*map)->SyncOf(Insert("freshness", {Value(9), Value(), "meta", "failed"})));
  EXPECT_FALSE((*map)->SyncOf(Insert("videos", {Value(9), Value(), "meta", "success"})));
}

TEST_F(InvalidationMapTest, WhatIsCoveredIsDroppedAndTooManyBecomeWider) {
  KeySet keys;
  keys.Add(R"(["a"])");
  keys.Add(R"(["a","b"])");
  keys.Add(R"(["c",{"x":1}])");
  EXPECT_THAT(keys.Reduced(), ElementsAre(R"(["a"])", R"(["c",{"x":1}])"));
  for (int i = 0; i < 300; ++i) keys.Add("[\"videos\"," + std::to_string(i) + "]");
  EXPECT_THAT(keys.Reduced(), ElementsAre(R"(["a"])", R"(["c"])", R"(["videos"])"));
}

TEST_F(InvalidationMapTest, UnknownTablesAndColumnsAreNamed) {
  InvalidationConfig config;
  config.tables.items.push_back({"nowhere", {}, {}});
  config.on.emplace();
  config.on->table = std::string("freshness");
  config.on->source = "sauce";
  EXPECT_THAT(InvalidationMap::Compile(config, catalog_),
              FailsWith(ErrorCode::kInvalidArgument,
                        ::testing::AllOf(HasSubstr("tables.nowhere"), HasSubstr("'sauce'"))));
}

}  // namespace
}  // namespace tw::query
