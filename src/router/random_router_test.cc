// The router against a model without index, audiences or caches: random tables, rights, filters,
// joins, leaves and changes. Set TIDEWIRE_TEST_SEED to repeat a run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/strings.h"
#include "json/json.h"
#include "router/router.h"
#include "router/test_support.h"

namespace tw::router {
namespace {

using protocol::EventMask;
using protocol::EventType;

constexpr size_t kChanges = 6'000;
constexpr size_t kChannels = 40;

template <typename T, size_t N>
const T& Pick(Random& random, const T (&items)[N]) {
  return items[random.Below(N)];
}

uint64_t Seed() {
  const char* const given = std::getenv("TIDEWIRE_TEST_SEED");
  return given != nullptr ? ParseUint64(given).value_or(1) : SystemRandom().Next();
}

// Columns of every type that an anchor may have, with values that are equal in SQL but not in form.
RelationPtr WideRelation(uint32_t id, std::string table) {
  auto relation = std::make_shared<Relation>();
  relation->id = id;
  relation->table = std::move(table);
  relation->columns = {
      {"id", ColumnType::kInt8, "int8"},        {"owner", ColumnType::kText, "text"},
      {"org", ColumnType::kInt8, "int8"},       {"open", ColumnType::kBool, "bool"},
      {"score", ColumnType::kFloat8, "float8"}, {"ref", ColumnType::kUuid, "uuid"},
      {"cost", ColumnType::kNumeric, "numeric"}};
  relation->key = {0};
  return relation;
}

Row RandomRow(Random& random) {
  static const Value kOwners[] = {"ann", "bob", "cid", "ANN", {}};
  static const Value kOrgs[] = {1, 2, 3, {}, "1"};
  static const Value kOpen[] = {true, false, {}};
  static const Value kScores[] = {1, 1.0, 2.5, {}, -0.0, 0};
  static const Value kRefs[] = {"5f0c2a4e-9d1b-4c3a-8e7f-0123456789ab",
                                "5F0C2A4E-9D1B-4C3A-8E7F-0123456789AB",
                                "00000000-0000-4000-8000-000000000000",
                                {}};
  static const Value kCosts[] = {"1.50", "1.5", 1.5, 2, "2.0", {}};
  return {static_cast<int64_t>(random.Below(20)),
          Pick(random, kOwners),
          Pick(random, kOrgs),
          Pick(random, kOpen),
          Pick(random, kScores),
          Pick(random, kRefs),
          Pick(random, kCosts)};
}

constexpr const char* kPolicies[] = {"",
                                     "true",
                                     "false",
                                     "owner = (auth.jwt() ->> 'sub')",
                                     "owner = (auth.jwt() ->> 'sub') or open",
                                     "owner = (auth.jwt() ->> 'sub') and org = 1",
                                     "org in (1, 2) and owner is not null",
                                     "owner is null or owner = (auth.jwt() ->> 'sub')",
                                     "org = 2 or owner = 'bob'"};
constexpr const char* kFilters[] = {"",
                                    "",
                                    "org=eq.1",
                                    "org=in.(1,2)",
                                    "owner=eq.ann",
                                    "owner=neq.ann",
                                    "org=gt.1",
                                    "open=is.true",
                                    "open=eq.true",
                                    "score=eq.1",
                                    "score=eq.0",
                                    "score=in.(1,2.5)",
                                    "id=lt.10",
                                    "ref=eq.5f0c2a4e-9d1b-4c3a-8e7f-0123456789ab",
                                    "cost=eq.1.5",
                                    "cost=in.(2,1.5)",
                                    "org=eq.1,owner=eq.ann",
                                    "org=is.null",
                                    "owner=in.(ann,bob),org=not.eq.1"};

// One channel and what it must have got.
struct Subscriber {
  ChannelSpec spec;
  Recorder receiver;
  Membership membership;
  std::vector<std::string> expected;
};

// What the model says that a binding makes of a change.
struct Verdict {
  EventType type;
  bool old_visible;
};

std::optional<Verdict> Judge(const TableBinding& binding, const Change& change, bool leave) {
  if (binding.relation->id != change.relation->id) return std::nullopt;
  const auto sees = [&](const Row& row) { return binding.access->Allows(row); };
  const auto matches = [&](const Row& row) { return sees(row) && binding.filter.Matches(row); };
  const auto wants = [&](EventMask event) { return Wants(binding.events, event); };
  if (change.op == ChangeOp::kInsert) {
    if (!wants(EventMask::kInsert) || !matches(change.new_row)) return std::nullopt;
    return Verdict{EventType::kInsert, false};
  }
  if (change.op == ChangeOp::kDelete) {
    if (!wants(EventMask::kDelete) || !matches(change.old_row)) return std::nullopt;
    return Verdict{EventType::kDelete, true};
  }
  if (matches(change.new_row)) {
    if (!wants(EventMask::kUpdate)) return std::nullopt;
    return Verdict{EventType::kUpdate, sees(change.old_row)};
  }
  if (!leave || !matches(change.old_row)) return std::nullopt;
  return Verdict{EventType::kLeave, true};
}

std::string RecordOf(const Relation& relation, const Row& row, std::vector<uint16_t> columns) {
  json::Writer writer;
  writer.Object();
  for (const uint16_t column : columns) {
    std::string text;
    AppendJson(text, row[column], relation.columns[column].type);
    writer.Key(relation.columns[column].name).Raw(text);
  }
  writer.End();
  return writer.Take();
}

// A frame's facts as one line: kind, ids, position, columns and rows.
std::string Facts(const ChannelSpec& spec, const Change& change, const Verdict& verdict,
                  const std::vector<int64_t>& ids, const std::vector<uint16_t>& selected) {
  std::vector<uint16_t> columns = selected;
  if (columns.empty()) {
    for (uint16_t i = 0; i < change.relation->columns.size(); ++i) columns.push_back(i);
  }
  std::string facts = spec.topic + " " + std::string(ToString(verdict.type));
  for (const int64_t id : ids) facts += " " + std::to_string(id);
  if (spec.positions) facts += " " + ToString(Position{kEpoch, change.offset});
  facts += " " + change.relation->table + " " + std::to_string(columns.size());
  if (verdict.type == EventType::kInsert || verdict.type == EventType::kUpdate) {
    facts += " new " + RecordOf(*change.relation, change.new_row, columns);
  }
  if (verdict.type != EventType::kInsert) {
    const bool whole = verdict.type != EventType::kLeave && verdict.old_visible;
    facts +=
        " old " + RecordOf(*change.relation, verdict.old_visible ? change.old_row : change.new_row,
                           whole ? columns : change.relation->key);
  }
  return facts;
}

// The same line from a frame that was sent.
std::string FactsOf(const std::string& text, protocol::Version version) {
  const auto document = json::Parse(text);
  if (!document.ok()) return "no JSON: " + text;
  const json::Value& root = document->root();
  const bool v1 = version == protocol::Version::kV1;
  const json::Value payload = v1 ? root["payload"] : root.items()[4];
  const json::Value data = payload["data"];
  std::string facts(v1 ? root["topic"].GetString() : root.items()[2].GetString());
  facts += " " + std::string(data["type"].GetString());
  for (const json::Value& id : payload["ids"].items()) facts += " " + id.ToText();
  if (const auto position = payload["position"].AsString()) facts += " " + std::string(*position);
  facts += " " + std::string(data["table"].GetString());
  facts += " " + std::to_string(data["columns"].items().size());
  if (data.Find("record") != nullptr) facts += " new " + data["record"].ToText();
  if (data.Find("old_record") != nullptr) facts += " old " + data["old_record"].ToText();
  return facts;
}

class RandomRouterTest : public ::testing::Test {
 protected:
  ChannelSpec RandomSpec() {
    static constexpr EventMask kMasks[] = {EventMask::kAll, EventMask::kAll, EventMask::kInsert,
                                           EventMask::kUpdate, EventMask::kDelete};
    static constexpr const char* kUsers[] = {"ann", "bob", "cid", "eve"};
    ChannelSpec spec;
    spec.version = random_.Percent(50) ? protocol::Version::kV1 : protocol::Version::kV2;
    spec.topic = random_.Percent(50) ? "realtime:a" : "realtime:b";
    spec.positions = random_.Percent(50);
    spec.leave = random_.Percent(50);
    const ClaimsPtr claims = ClaimsOf(Pick(random_, kUsers));
    for (uint64_t i = 0, count = 1 + random_.Below(3); i < count; ++i) {
      TableBinding binding{.id = static_cast<int64_t>(i + 1), .events = Pick(random_, kMasks)};
      const auto& policy = policies_[random_.Below(policies_.size())];
      binding.relation = policy->relation();
      binding.access = policy->AccessFor(*claims);
      auto filter = policy::Filter::Parse(Pick(random_, kFilters), *binding.relation);
      if (!filter.ok()) ADD_FAILURE() << filter.error();
      binding.filter = *filter;
      if (random_.Percent(30)) binding.selected = {0, 2};
      spec.bindings.push_back(std::move(binding));
    }
    return spec;
  }

  Change RandomChange() {
    const RelationPtr& relation = relations_[random_.Below(std::size(relations_))];
    switch (random_.Below(4)) {
      case 0:
        return Insert(relation, RandomRow(random_));
      case 1:
        return Delete(relation, RandomRow(random_));
      default: {
        Row before = RandomRow(random_);
        Row after = random_.Percent(50) ? RandomRow(random_) : before;
        after[0] = before[0];
        return Update(relation, std::move(before), std::move(after));
      }
    }
  }

  void Expect(Subscriber& subscriber, const Change& change) {
    struct Group {
      Verdict verdict;
      std::vector<uint16_t> selected;
      std::vector<int64_t> ids;
    };
    std::vector<Group> groups;
    for (const TableBinding& binding : subscriber.spec.bindings) {
      const auto verdict = Judge(binding, change, subscriber.spec.leave);
      if (!verdict) continue;
      const auto same = [&](const Group& group) {
        return group.verdict.type == verdict->type && group.selected == binding.selected &&
               group.verdict.old_visible == verdict->old_visible;
      };
      auto group = std::ranges::find_if(groups, same);
      if (group == groups.end()) {
        groups.push_back({*verdict, binding.selected, {}});
        group = std::prev(groups.end());
      }
      group->ids.push_back(binding.id);
    }
    for (const Group& group : groups) {
      subscriber.expected.push_back(
          Facts(subscriber.spec, change, group.verdict, group.ids, group.selected));
    }
  }

  void Check(Subscriber& subscriber) {
    std::vector<std::string> got;
    for (const auto& text : subscriber.receiver.Take()) {
      got.push_back(FactsOf(text, subscriber.spec.version));
    }
    ASSERT_EQ(got, subscriber.expected);
    delivered_ += got.size();
    subscriber.expected.clear();
  }

  const uint64_t seed_ = Seed();
  SeededRandom random_{seed_};
  telemetry::Registry registry_;
  Router router_{registry_};
  const RelationPtr relations_[2] = {WideRelation(1, "tasks"), WideRelation(2, "notes")};
  std::vector<policy::TablePolicyPtr> policies_;
  size_t delivered_ = 0;
};

TEST_F(RandomRouterTest, EachSubscriberGetsWhatTheModelSays) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed_));
  for (const RelationPtr& relation : relations_) {
    for (const char* sql : kPolicies) policies_.push_back(PolicyOf(relation, sql));
  }
  std::vector<std::unique_ptr<Subscriber>> subscribers(kChannels);
  uint64_t offset = 0;
  while (offset < kChanges) {
    // One subscriber leaves or comes back as another.
    auto& subscriber = subscribers[random_.Below(kChannels)];
    if (subscriber != nullptr && random_.Percent(50)) {
      subscriber.reset();
    } else {
      if (subscriber == nullptr) subscriber = std::make_unique<Subscriber>();
      subscriber->spec = RandomSpec();
      router_.Join(subscriber->spec, subscriber->receiver, subscriber->membership);
    }
    std::vector<Change> changes;
    for (uint64_t i = 0, count = 1 + random_.Below(8); i < count; ++i) {
      changes.push_back(RandomChange());
    }
    const BatchPtr batch = BatchOf(offset + 1, std::move(changes));
    offset = batch->position.offset;
    router_.Publish(*batch);
    for (const auto& each : subscribers) {
      if (each == nullptr) continue;
      for (const Change& change : batch->changes) Expect(*each, change);
      Check(*each);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(delivered_, kChanges) << "the run was too quiet to prove anything";
  subscribers.clear();
  EXPECT_EQ(router_.audiences(), 0u);
}

}  // namespace
}  // namespace tw::router
