// The router against the obvious thing: ask every subscriber about every change.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "router/test_support.h"

namespace tw::router {
namespace {

constexpr int kOrgs = 5;
constexpr const char* kFilters[] = {"",
                                    "status=eq.open",
                                    "status=in.(open,done)",
                                    "status=not.eq.late",
                                    "title=is.null",
                                    "org=gt.2,status=neq.done",
                                    "id=eq.3"};
constexpr const char* kPolicies[] = {"org = (auth.jwt() ->> 'org')::int",
                                     "true",
                                     "false",
                                     "status = 'open'",
                                     "org = (auth.jwt() ->> 'org')::int or status = 'done'",
                                     "org <> (auth.jwt() ->> 'org')::int and title is not null"};

struct Subscriber {
  ChannelSpec spec;
  std::vector<int> orgs;
  Inbox inbox;
  Membership membership;
  std::vector<std::string> expected;
};

class RandomWorld {
 public:
  explicit RandomWorld(uint64_t seed) : random_(seed) {
    for (const char* sql : kPolicies) rights_.push_back(OwnOrgPolicy(relation_, sql));
  }

  void Run() {
    for (int step = 0; step < 120; ++step) {
      const uint64_t dice = random_.Below(10);
      if (dice < 3) Join();
      if (dice == 3) Leave();
      if (dice > 3) Publish();
    }
    for (const auto& subscriber : subscribers_) {
      ASSERT_EQ(Texts(subscriber->inbox), subscriber->expected);
    }
  }

 private:
  template <typename T, size_t N>
  T Pick(const T (&list)[N]) {
    return list[random_.Below(N)];
  }

  void Join() {
    auto subscriber = std::make_unique<Subscriber>();
    ChannelSpec& spec = subscriber->spec;
    spec.version = random_.Below(2) == 0 ? protocol::Version::kV1 : protocol::Version::kV2;
    spec.topic = random_.Below(2) == 0 ? "realtime:a" : "realtime:b";
    spec.positions = random_.Below(2) == 0;
    spec.leave = random_.Below(2) == 0;
    const uint64_t bindings = random_.Below(4);
    for (uint64_t i = 0; i < bindings; ++i) {
      constexpr protocol::EventMask kMasks[] = {
          protocol::EventMask::kAll, protocol::EventMask::kInsert, protocol::EventMask::kUpdate,
          protocol::EventMask::kDelete};
      const int org = static_cast<int>(random_.Below(kOrgs));
      BindingOptions options{
          .id = static_cast<int64_t>(i + 1), .events = Pick(kMasks), .filter = Pick(kFilters)};
      if (random_.Below(3) == 0) options.selected = {0, 2};
      spec.bindings.push_back(
          Bind(relation_, rights_[random_.Below(std::size(kPolicies))], org, options));
    }
    router_.Join(spec, subscriber->inbox, subscriber->membership);
    subscribers_.push_back(std::move(subscriber));
  }

  void Leave() {
    if (!subscribers_.empty()) {
      subscribers_[random_.Below(subscribers_.size())]->membership.Leave();
    }
  }

  Row AnyRow(int id) {
    Row row = Task(id, static_cast<int>(random_.Below(kOrgs)));
    constexpr const char* kStatuses[] = {"open", "done", "late"};
    row[2] = Pick(kStatuses);
    if (random_.Below(4) == 0) row[2] = Value();
    if (random_.Below(3) == 0) row[3] = Value();
    return row;
  }

  void Publish() {
    const uint64_t changes = 1 + random_.Below(4);
    for (uint64_t i = 0; i < changes; ++i) {
      const int id = static_cast<int>(random_.Below(6));
      const auto found = rows_.find(id);
      if (found == rows_.end()) {
        rows_[id] = AnyRow(id);
        commits_.Insert(rows_[id]);
      } else if (random_.Below(3) == 0) {
        commits_.Delete(found->second);
        rows_.erase(found);
      } else {
        Row next = AnyRow(id);
        commits_.Update(found->second, next);
        found->second = std::move(next);
      }
    }
    const BatchPtr batch = commits_.Take();
    for (const Change& change : batch->changes) Expect(change);
    router_.Publish(*batch);
  }

  void Expect(const Change& change) {
    for (const auto& subscriber : subscribers_) {
      if (subscriber->membership.joined()) ExpectFor(*subscriber, change);
    }
  }

  // The type that a binding is told, without the router: "" for nothing.
  static std::string TypeFor(const TableBinding& binding, const ChannelSpec& spec,
                             const Change& change) {
    const auto sees = [&](const Row& row) {
      return !row.empty() && binding.access->Allows(row) && binding.filter.Matches(row);
    };
    const auto wants = [&](protocol::EventMask event) { return Wants(binding.events, event); };
    if (change.op == ChangeOp::kInsert) {
      return sees(change.new_row) && wants(protocol::EventMask::kInsert) ? "INSERT" : "";
    }
    if (change.op == ChangeOp::kDelete) {
      return sees(change.old_row) && wants(protocol::EventMask::kDelete) ? "DELETE" : "";
    }
    if (sees(change.new_row)) return wants(protocol::EventMask::kUpdate) ? "UPDATE" : "";
    return spec.leave && sees(change.old_row) ? "LEAVE" : "";
  }

  // A frame is determined by these; bindings that agree share it.
  struct Shape {
    std::string type;
    bool old_visible;
    std::vector<uint16_t> selected;
    bool operator==(const Shape&) const = default;
  };

  void ExpectFor(Subscriber& subscriber, const Change& change) {
    std::vector<std::pair<Shape, std::string>> frames;  // With ids.
    for (const TableBinding& binding : subscriber.spec.bindings) {
      const std::string type = TypeFor(binding, subscriber.spec, change);
      if (type.empty()) continue;
      const bool old_visible = !change.old_row.empty() && binding.access->Allows(change.old_row);
      const Shape shape{type, old_visible, binding.selected};
      const auto found = std::ranges::find(frames, shape, [](const auto& f) { return f.first; });
      if (found == frames.end()) {
        frames.emplace_back(shape, std::to_string(binding.id));
      } else {
        found->second += "," + std::to_string(binding.id);
      }
    }
    for (const auto& [shape, ids] : frames) {
      subscriber.expected.push_back(Frame(subscriber.spec, change, shape, ids));
    }
  }

  static std::string Record(const Change& change, const Row& row, std::vector<uint16_t> columns) {
    std::string text;
    protocol::AppendRecord(text, *change.relation, row, protocol::Columns::kAll, columns);
    return text;
  }

  static std::string Frame(const ChannelSpec& spec, const Change& change, const Shape& shape,
                           const std::string& ids) {
    std::string payload = "{\"ids\":[" + ids + "],";
    if (spec.positions) {
      payload += "\"position\":\"0000000000000001:" + std::to_string(change.offset) + "\",";
    }
    std::string columns;
    protocol::AppendColumns(columns, *change.relation, shape.selected);
    payload += "\"data\":{\"type\":\"" + shape.type +
               R"(","schema":"public","table":"tasks",)"
               R"("commit_timestamp":"2026-01-02T03:04:05.678Z","columns":)" +
               columns;
    if (shape.type == "INSERT" || shape.type == "UPDATE") {
      payload += ",\"record\":" + Record(change, change.new_row, shape.selected);
    }
    if (shape.type == "LEAVE" || (shape.type == "UPDATE" && !shape.old_visible)) {
      payload += ",\"old_record\":" + Record(change, change.old_row, {0});
    } else if (shape.type != "INSERT") {
      payload += ",\"old_record\":" + Record(change, change.old_row, shape.selected);
    }
    payload += ",\"errors\":null}}";
    return protocol::EncodeMessage(spec.version, {std::nullopt, std::nullopt, spec.topic},
                                   "postgres_changes", payload);
  }

  SeededRandom random_;
  telemetry::Registry metrics_;
  RelationPtr relation_ = Tasks();
  std::vector<policy::TablePolicyPtr> rights_;
  Router router_{metrics_};
  Commits commits_{relation_};
  std::map<int, Row> rows_;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;  // Gone before the router.
};

TEST(RandomRouterTest, AgreesWithAskingEverySubscriberAboutEveryChange) {
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomWorld world(seed);
    world.Run();
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace tw::router
