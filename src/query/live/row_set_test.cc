// Differences put together again give the new rows; versions tell equal from different.
#include "query/live/row_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "json/json.h"
#include "query/live/range_index.h"
#include "query/named/read_set.h"
#include "testing/matchers.h"

namespace tw::query {
namespace {

using Rows = std::vector<std::pair<int, int>>;  // (key, value)

RowSetPtr Make(const Rows& rows) {
  RowSetBuilder builder;
  for (const auto& [key, value] : rows) {
    builder.Add("{\"k\":" + std::to_string(key) + ",\"v\":" + std::to_string(value) + "}",
                "[" + std::to_string(key) + "]");
  }
  return builder.Finish();
}

// The client's half of docs/queries.md.
Rows Apply(const Rows& rows, const std::string& members) {
  const auto push = json::Parse("{" + members + "}");
  EXPECT_THAT(push, testing::IsOk()) << members;
  const json::Value root = push->root();
  std::map<int, int> values(rows.begin(), rows.end());
  std::vector<int> order;
  for (const auto& row : rows) order.push_back(row.first);
  const auto key_of = [](const json::Value& key) { return static_cast<int>(key.items()[0].GetInt()); };
  for (const json::Value& key : root["leave"].items()) std::erase(order, key_of(key));
  for (const json::Value& place : root["place"].items()) {
    if (place.Find("key") != nullptr) std::erase(order, key_of(place["key"]));
  }
  for (const json::Value& update : root["update"].items()) {
    values[key_of(update["key"])] = static_cast<int>(update["set"]["v"].GetInt());
  }
  int64_t last = -1;
  for (const json::Value& place : root["place"].items()) {
    const int64_t at = place["at"].GetInt();
    EXPECT_GT(at, last);
    last = at;
    const json::Value row = place["row"];
    const int key = row.is_object() ? static_cast<int>(row["k"].GetInt()) : key_of(place["key"]);
    if (row.is_object()) values[key] = static_cast<int>(row["v"].GetInt());
    EXPECT_LE(at, static_cast<int64_t>(order.size()));
    order.insert(order.begin() + std::min<int64_t>(at, static_cast<int64_t>(order.size())), key);
  }
  Rows result;
  for (const int key : order) result.emplace_back(key, values[key]);
  return result;
}

TEST(RowSetTest, RandomDifferencesRebuildTheNewRows) {
  const uint64_t seed = SystemRandom().Next();
  SCOPED_TRACE(seed);
  SeededRandom random(seed);
  const auto shuffled = [&] {
    Rows rows;
    for (int key = 0; key < 12; ++key) {
      if (random.Percent(60)) rows.emplace_back(key, static_cast<int>(random.Below(3)));
    }
    for (size_t i = 0; i < rows.size() && random.Percent(70); ++i) {
      std::swap(rows[i], rows[random.Below(rows.size())]);
    }
    return rows;
  };
  for (int i = 0; i < 5'000; ++i) {
    const Rows from = shuffled(), to = shuffled();
    EXPECT_EQ(Apply(from, DiffMembers(*Make(from), *Make(to))), to);
  }
}

TEST(RowSetTest, AMovedRowAloneIsPlaced) {
  const auto diff = DiffMembers(*Make({{1, 0}, {2, 0}, {3, 0}, {4, 0}}),
                                *Make({{4, 0}, {1, 0}, {2, 0}, {3, 0}}));
  EXPECT_EQ(diff, R"("place":[{"at":0,"key":[4]}])");
  EXPECT_EQ(DiffMembers(*Make({{1, 0}}), *Make({{1, 0}})), "");
  EXPECT_EQ(DiffMembers(*Make({{1, 0}, {2, 0}}), *Make({{2, 5}})),
            R"("leave":[[1]],"update":[{"key":[2],"set":{"v":5}}])");
}

TEST(RowSetTest, TwoRowsOfOneKeyAreNotKeyed) {
  EXPECT_TRUE(Make({{1, 0}, {2, 0}})->keyed);
  EXPECT_FALSE(Make({{1, 0}, {1, 1}})->keyed);
  EXPECT_EQ(Make({})->json, "[]");
  EXPECT_EQ(Make({{1, 0}})->version, Make({{1, 0}})->version);
  EXPECT_NE(Make({{1, 0}})->version, Make({{1, 1}})->version);
}

TEST(RangeIndexTest, FindsWhatASearchOfAllFinds) {
  const uint64_t seed = SystemRandom().Next();
  SCOPED_TRACE(seed);
  SeededRandom random(seed);
  RangeIndex index;
  std::map<uint32_t, RangeIndex::Range> all;
  const auto end = [&]() -> std::optional<Value> {
    if (random.Percent(15)) return std::nullopt;
    if (random.Percent(20)) return Value(std::string(1, static_cast<char>('a' + random.Below(4))));
    return Value(static_cast<int64_t>(random.Below(20)));
  };
  for (uint32_t step = 0; step < 4'000; ++step) {
    if (random.Percent(55)) {
      RangeIndex::Range range{end(), end(), step};
      all.emplace(step, range);
      index.Add(range);
    } else if (!all.empty()) {
      const auto victim = std::next(all.begin(), static_cast<ptrdiff_t>(random.Below(all.size())));
      index.Remove(victim->second);
      all.erase(victim);
    }
    const Value value = *[&] {
      for (;;) {
        if (auto some = end()) return some;
      }
    }();
    std::vector<uint32_t> found, expected;
    index.Find(value, [&](uint32_t id) { found.push_back(id); });
    for (const auto& [id, range] : all) {
      if (range.low && Order(*range.low, value) > 0) continue;
      if (range.high && Order(*range.high, value) < 0) continue;
      expected.push_back(id);
    }
    std::ranges::sort(found);
    ASSERT_EQ(found, expected);
  }
}

}  // namespace
}  // namespace tw::query
