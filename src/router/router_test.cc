#include "router/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <variant>

#include "router/test_support.h"

namespace tw::router {
namespace {

using protocol::EventMask;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class RouterTest : public ::testing::Test {
 protected:
  ChannelSpec Channel(std::vector<TableBinding> bindings) {
    ChannelSpec spec;
    spec.topic = "realtime:a";
    spec.bindings = std::move(bindings);
    return spec;
  }
  TableBinding BindOrg(int org, const BindingOptions& options = {}) {
    return Bind(relation_, rights_, org, options);
  }
  uint64_t candidates() {
    return metrics_.GetCounter("tidewire_router_candidates_total", "").value();
  }

  telemetry::Registry metrics_;
  RelationPtr relation_ = Tasks();
  policy::TablePolicyPtr rights_ = OwnOrgPolicy(relation_);
  Router router_{metrics_};
  Commits commits_{relation_};
};

constexpr std::string_view kColumns =
    R"([{"name":"id","type":"int8"},{"name":"org","type":"int8"},)"
    R"({"name":"status","type":"text"},{"name":"title","type":"text"}])";

TEST_F(RouterTest, EqualSubscribersShareOneFrame) {
  Inbox a, b, other_topic;
  Membership ma, mb, mc;
  router_.Join(Channel({BindOrg(1)}), a, ma);
  router_.Join(Channel({BindOrg(1)}), b, mb);
  ChannelSpec other = Channel({BindOrg(1)});
  other.topic = "realtime:b";
  router_.Join(other, other_topic, mc);
  EXPECT_EQ(router_.audiences(), 2u);
  EXPECT_EQ(router_.members(), 3u);
  router_.Publish(*commits_.Insert(Task(1, 1)).Take());
  ASSERT_THAT(a.frames, SizeIs(1));
  ASSERT_THAT(b.frames, SizeIs(1));
  EXPECT_EQ(a.frames[0].view().data(), b.frames[0].view().data());
  ASSERT_THAT(other_topic.frames, SizeIs(1));
  EXPECT_NE(a.frames[0].view().data(), other_topic.frames[0].view().data());
}

TEST_F(RouterTest, FramesAreByteExactInBothVersions) {
  Inbox v1, v2;
  Membership m1, m2;
  ChannelSpec spec = Channel({BindOrg(1)});
  router_.Join(spec, v2, m2);
  spec.version = protocol::Version::kV1;
  router_.Join(spec, v1, m1);
  router_.Publish(*commits_.Insert(Task(1, 1)).Take());
  const std::string payload =
      R"({"ids":[11],"data":{"type":"INSERT","schema":"public","table":"tasks",)"
      R"("commit_timestamp":"2026-01-02T03:04:05.678Z","columns":)" +
      std::string(kColumns) +
      R"(,"record":{"id":1,"org":1,"status":"open","title":"t"},"errors":null}})";
  const std::string text2 = R"([null,null,"realtime:a","postgres_changes",)" + payload + "]";
  const std::string text1 = R"({"topic":"realtime:a","event":"postgres_changes","payload":)" +
                            payload + R"(,"ref":null})";
  ASSERT_THAT(v2.frames, SizeIs(1));
  ASSERT_THAT(v1.frames, SizeIs(1));
  // FIN and text; the length in the next two bytes, unmasked (RFC 6455 §5.2).
  const auto frame = [](const std::string& text) {
    const char header[] = {'\x81', '\x7e', static_cast<char>(text.size() >> 8),
                           static_cast<char>(text.size() & 0xff)};
    return std::string(header, 4) + text;
  };
  EXPECT_EQ(v2.frames[0].view(), frame(text2));
  EXPECT_EQ(v1.frames[0].view(), frame(text1));
}

TEST_F(RouterTest, ChangesAreOfferedOnlyToThoseWhoseAnchorsFit) {
  std::vector<std::unique_ptr<Inbox>> inboxes;
  std::vector<std::unique_ptr<Membership>> memberships;
  for (int org = 0; org < 1'000; ++org) {
    inboxes.push_back(std::make_unique<Inbox>());
    memberships.push_back(std::make_unique<Membership>());
    router_.Join(Channel({BindOrg(org)}), *inboxes.back(), *memberships.back());
  }
  router_.Publish(*commits_.Insert(Task(1, 17)).Take());
  EXPECT_EQ(candidates(), 1u);
  EXPECT_THAT(inboxes[17]->frames, SizeIs(1));
  // A row that changes hands concerns both sides, and each once.
  router_.Publish(*commits_.Update(Task(1, 17), Task(1, 18)).Take());
  EXPECT_EQ(candidates(), 3u);
  EXPECT_THAT(inboxes[17]->frames, SizeIs(1));
  EXPECT_THAT(inboxes[18]->frames, SizeIs(1));
  router_.Publish(*commits_.Insert(Task(2, 5'000)).Take());
  EXPECT_EQ(candidates(), 3u);
}

TEST_F(RouterTest, AFiltersEqualityNarrowsWhereRightsDoNot) {
  const auto open = OwnOrgPolicy(relation_, "true");
  Inbox one, two, all;
  Membership m1, m2, m3;
  router_.Join(Channel({Bind(relation_, open, 1, {.filter = "status=eq.open"})}), one, m1);
  router_.Join(Channel({Bind(relation_, open, 1, {.filter = "status=in.(done,late)"})}), two, m2);
  router_.Join(Channel({Bind(relation_, open, 1)}), all, m3);
  router_.Publish(*commits_.Insert(Task(1, 3, "late")).Take());
  EXPECT_EQ(candidates(), 2u);
  EXPECT_THAT(one.frames, IsEmpty());
  EXPECT_THAT(two.frames, SizeIs(1));
  EXPECT_THAT(all.frames, SizeIs(1));
}

TEST_F(RouterTest, OtherTablesConcernNobody) {
  Inbox inbox;
  Membership membership;
  router_.Join(Channel({BindOrg(1)}), inbox, membership);
  auto other = std::make_shared<Relation>(*relation_);
  other->table = "other";
  other->id = 8;
  router_.Publish(*Commits(other).Insert(Task(1, 1)).Take());
  EXPECT_EQ(candidates(), 0u);
  EXPECT_THAT(inbox.frames, IsEmpty());
}

TEST_F(RouterTest, EventMasksSelect) {
  Inbox inserts, updates, deletes;
  Membership m1, m2, m3;
  router_.Join(Channel({BindOrg(1, {.events = EventMask::kInsert})}), inserts, m1);
  router_.Join(Channel({BindOrg(1, {.events = EventMask::kUpdate})}), updates, m2);
  router_.Join(Channel({BindOrg(1, {.events = EventMask::kDelete})}), deletes, m3);
  router_.Publish(*commits_.Insert(Task(1, 1))
                       .Update(Task(1, 1), Task(1, 1, "done"))
                       .Delete(Task(1, 1, "done"))
                       .Take());
  EXPECT_THAT(Texts(inserts), ElementsAre(HasSubstr(R"("type":"INSERT")")));
  EXPECT_THAT(Texts(updates), ElementsAre(HasSubstr(R"("type":"UPDATE")")));
  EXPECT_THAT(Texts(deletes), ElementsAre(HasSubstr(R"("type":"DELETE")")));
}

TEST_F(RouterTest, BindingsOfOneChannelShareAFrameWithAllTheirIds) {
  Inbox inbox;
  Membership membership;
  router_.Join(
      Channel({BindOrg(1, {.id = 11}), BindOrg(1, {.id = 12, .events = EventMask::kDelete}),
               BindOrg(1, {.id = 13, .filter = "status=eq.open"}),
               BindOrg(1, {.id = 14, .filter = "status=eq.done"})}),
      inbox, membership);
  router_.Publish(*commits_.Insert(Task(1, 1)).Take());
  EXPECT_THAT(Texts(inbox), ElementsAre(HasSubstr(R"("ids":[11,13],)")));
}

TEST_F(RouterTest, EachColumnSetHasItsOwnFrame) {
  Inbox inbox;
  Membership membership;
  router_.Join(Channel({BindOrg(1, {.id = 11, .selected = {0, 3}}), BindOrg(1, {.id = 12}),
                        BindOrg(1, {.id = 13, .selected = {0, 3}})}),
               inbox, membership);
  router_.Publish(*commits_.Update(Task(1, 1), Task(1, 1, "done", "new")).Take());
  EXPECT_THAT(
      Texts(inbox),
      ElementsAre(
          AllOf(HasSubstr(R"("ids":[11,13],)"), HasSubstr(R"("record":{"id":1,"title":"new"})"),
                HasSubstr(R"("old_record":{"id":1,"title":"t"})"),
                HasSubstr(
                    R"("columns":[{"name":"id","type":"int8"},{"name":"title","type":"text"}])"),
                Not(HasSubstr("status"))),
          AllOf(HasSubstr(R"("ids":[12],)"),
                HasSubstr(R"("record":{"id":1,"org":1,"status":"done","title":"new"})"))));
}

TEST_F(RouterTest, ARowThatEntersTheReadersSightShowsOnlyTheKeyOfItsPast) {
  Inbox inbox;
  Membership membership;
  router_.Join(Channel({BindOrg(1)}), inbox, membership);
  router_.Publish(*commits_.Update(Task(1, 2, "secret", "theirs"), Task(1, 1)).Take());
  EXPECT_THAT(Texts(inbox),
              ElementsAre(AllOf(HasSubstr(R"("type":"UPDATE")"),
                                HasSubstr(R"("old_record":{"id":1})"), HasSubstr(R"("title":"t")"),
                                Not(HasSubstr("secret")), Not(HasSubstr("theirs")))));
}

TEST_F(RouterTest, ARowThatEntersTheFilterShowsItsVisiblePast) {
  Inbox inbox;
  Membership membership;
  router_.Join(Channel({BindOrg(1, {.filter = "status=eq.done"})}), inbox, membership);
  router_.Publish(*commits_.Update(Task(1, 1, "open"), Task(1, 1, "done")).Take());
  EXPECT_THAT(Texts(inbox),
              ElementsAre(HasSubstr(R"("old_record":{"id":1,"org":1,"status":"open")")));
}

TEST_F(RouterTest, LeavingIsToldOnlyToThoseWhoAsked) {
  Inbox plain, asked;
  Membership m1, m2;
  ChannelSpec spec = Channel({BindOrg(1)});
  router_.Join(spec, plain, m1);
  spec.leave = true;
  router_.Join(spec, asked, m2);
  router_.Publish(*commits_.Update(Task(1, 1), Task(1, 2, "x", "theirs")).Take());
  EXPECT_THAT(plain.frames, IsEmpty());
  EXPECT_THAT(Texts(asked),
              ElementsAre(AllOf(HasSubstr(R"("type":"LEAVE")"),
                                HasSubstr(R"("old_record":{"id":1},"errors")"),
                                Not(HasSubstr(R"("record":{"id")")), Not(HasSubstr("theirs")))));
  // A row that was never in sight does not leave it.
  router_.Publish(*commits_.Update(Task(9, 2), Task(9, 3)).Take());
  EXPECT_THAT(asked.frames, SizeIs(1));
}

TEST_F(RouterTest, DeletesAreJudgedOnTheOldRow) {
  Inbox mine, theirs, filtered;
  Membership m1, m2, m3;
  router_.Join(Channel({BindOrg(1)}), mine, m1);
  router_.Join(Channel({BindOrg(2)}), theirs, m2);
  router_.Join(Channel({BindOrg(1, {.filter = "status=eq.done"})}), filtered, m3);
  router_.Publish(*commits_.Delete(Task(1, 1, "open")).Take());
  EXPECT_THAT(Texts(mine), ElementsAre(AllOf(HasSubstr(R"("type":"DELETE")"),
                                             HasSubstr(R"("old_record":{"id":1,"org":1)"),
                                             Not(HasSubstr(R"("record":{"id")")))));
  EXPECT_THAT(theirs.frames, IsEmpty());
  EXPECT_THAT(filtered.frames, IsEmpty());
}

TEST_F(RouterTest, PositionsAreSentOnRequestOnly) {
  Inbox plain, asked;
  Membership m1, m2;
  ChannelSpec spec = Channel({BindOrg(1)});
  router_.Join(spec, plain, m1);
  spec.positions = true;
  router_.Join(spec, asked, m2);
  router_.Publish(*commits_.Insert(Task(1, 1)).Insert(Task(2, 1)).Take());
  EXPECT_THAT(Texts(plain), Each(Not(HasSubstr("position"))));
  EXPECT_THAT(Texts(asked), ElementsAre(HasSubstr(R"("position":"0000000000000001:1",)"),
                                        HasSubstr(R"("position":"0000000000000001:2",)")));
}

TEST_F(RouterTest, AChannelMayFollowSeveralTables) {
  auto other = std::make_shared<Relation>(*relation_);
  other->table = "other";
  other->id = 8;
  Inbox inbox;
  Membership membership;
  router_.Join(Channel({BindOrg(1), Bind(other, OwnOrgPolicy(other), 1)}), inbox, membership);
  router_.Publish(*commits_.Insert(Task(1, 1)).Take());
  router_.Publish(*Commits(other).Insert(Task(1, 1)).Take());
  EXPECT_THAT(Texts(inbox),
              ElementsAre(HasSubstr(R"("table":"tasks")"), HasSubstr(R"("table":"other")")));
}

TEST_F(RouterTest, NobodyIsServedBeforeJoinOrAfterLeave) {
  Inbox a, b, c;
  Membership ma, mc;
  auto mb = std::make_unique<Membership>();
  router_.Publish(*commits_.Insert(Task(1, 1)).Take());
  router_.Join(Channel({BindOrg(1)}), a, ma);
  router_.Join(Channel({BindOrg(1)}), b, *mb);
  router_.Join(Channel({BindOrg(1)}), c, mc);
  ma.Leave();
  ma.Leave();  // Once is enough.
  router_.Publish(*commits_.Insert(Task(2, 1)).Take());
  EXPECT_THAT(a.frames, IsEmpty());
  EXPECT_THAT(b.frames, SizeIs(1));
  mb.reset();
  router_.Publish(*commits_.Insert(Task(3, 1)).Take());
  EXPECT_THAT(b.frames, SizeIs(1));
  EXPECT_THAT(c.frames, SizeIs(2));
  // Joining again moves the membership.
  router_.Join(Channel({BindOrg(2)}), c, mc);
  router_.Publish(*commits_.Insert(Task(4, 1)).Insert(Task(5, 2)).Take());
  EXPECT_THAT(c.frames, SizeIs(3));
  mc.Leave();
  EXPECT_EQ(router_.audiences(), 0u);
  EXPECT_EQ(router_.members(), 0u);
  router_.Publish(*commits_.Insert(Task(6, 2)).Take());
  EXPECT_EQ(candidates(), 3u);  // Empty audiences are no candidates.
}

TEST_F(RouterTest, ChannelsThatDifferInAnythingAreDifferentAudiences) {
  const ChannelSpec base = Channel({BindOrg(1, {.filter = "status=eq.open", .selected = {0, 1}})});
  std::vector<ChannelSpec> others(8, base);
  others[0].version = protocol::Version::kV1;
  others[1].topic = "realtime:b";
  others[2].positions = true;
  others[3].leave = true;
  others[4].bindings[0].id = 12;
  others[5].bindings[0].events = EventMask::kInsert;
  others[6] = Channel({BindOrg(2, {.filter = "status=eq.open", .selected = {0, 1}})});
  others[7].bindings[0].selected = {0, 2};
  others.push_back(Channel({BindOrg(1, {.filter = "status=eq.done", .selected = {0, 1}})}));
  others.push_back(base);
  others.back().bindings.push_back(base.bindings[0]);
  for (const ChannelSpec& other : others) EXPECT_NE(other.Key(), base.Key());
  EXPECT_EQ(base.Key(),
            Channel({BindOrg(1, {.filter = "status=eq.open", .selected = {0, 1}})}).Key());
}

TEST_F(RouterTest, ReplaySendsTheRangeAsTheStreamWouldHave) {
  Inbox live;
  Membership membership;
  const ChannelSpec spec = Channel({BindOrg(1)});
  router_.Join(spec, live, membership);
  const BatchPtr batch =
      commits_.Insert(Task(1, 1)).Insert(Task(2, 1)).Insert(Task(3, 2)).Insert(Task(4, 1)).Take();
  router_.Publish(*batch);
  ASSERT_THAT(live.frames, SizeIs(3));
  std::vector<std::string> replayed;
  router_.Replay(spec, *batch, {1, 3},
                 [&](const io::SharedBytes& frame) { replayed.push_back(TextOf(frame)); });
  EXPECT_THAT(replayed, ElementsAre(TextOf(live.frames[1])));
}

TEST_F(RouterTest, NothingIsBeingPublishedOutsideOfPublish) {
  struct Watcher final : Receiver {
    void OnFrame(const io::SharedBytes&) override { seen.push_back(router->publishing()); }
    const Router* router = nullptr;
    std::vector<uint64_t> seen;
  } watcher;
  watcher.router = &router_;
  Membership membership;
  router_.Join(Channel({BindOrg(1)}), watcher, membership);
  router_.Publish(*commits_.Insert(Task(1, 1)).Insert(Task(2, 2)).Insert(Task(3, 1)).Take());
  EXPECT_THAT(watcher.seen, ElementsAre(1, 3));
  EXPECT_EQ(router_.publishing(), 0u);
}

// Random histories of a few rows: who follows the conflated one ends with the same rows.
TEST_F(RouterTest, ConflatedChangesLeadToTheSameRows) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto apply = [](std::map<int64_t, Row>& rows, const Batch& batch) {
    for (const Change& change : batch.changes) {
      const Row& key = change.op == ChangeOp::kInsert ? change.new_row : change.old_row;
      const int64_t id = std::get<int64_t>(key[0]);
      if (change.op == ChangeOp::kInsert) EXPECT_FALSE(rows.contains(id));
      if (change.op != ChangeOp::kInsert) EXPECT_EQ(rows[id], change.old_row);
      if (change.op == ChangeOp::kDelete) {
        rows.erase(id);
      } else {
        rows[id] = change.new_row;
      }
    }
  };
  for (int round = 0; round < 200; ++round) {
    Commits commits(relation_);
    std::map<int64_t, Row> rows, begin;
    std::vector<BatchPtr> batches;
    uint64_t after = 0;
    const uint64_t told = random() % 10;
    for (int i = 0; i < 30; ++i) {
      const int id = static_cast<int>(random() % 4);
      const Row next = Task(id, 1, "open", "t" + std::to_string(i));
      if (!rows.contains(id)) {
        commits.Insert(next);
      } else if (random() % 3 == 0) {
        commits.Delete(rows[id]);
      } else {
        commits.Update(rows[id], next);
      }
      const BatchPtr batch = commits.Take();
      apply(rows, *batch);
      if (batch->position.offset <= told) {
        after = batch->position.offset;
        begin = rows;
      } else {
        batches.push_back(batch);
      }
    }
    const Conflated conflated = Conflate(batches, after, Channel({BindOrg(1)}));
    EXPECT_EQ(conflated.batch->position, batches.back()->position);
    EXPECT_EQ(conflated.batch->changes.size() + conflated.left_out, batches.size());
    EXPECT_LE(conflated.batch->changes.size(), 4u);
    apply(begin, *conflated.batch);
    EXPECT_EQ(begin, rows);
  }
}

TEST_F(RouterTest, ManyLeaversDoNotSearchEachOther) {
  // 20 000 audiences with an anchor each: leaving costs their own entries, not everybody's.
  std::vector<std::unique_ptr<Membership>> memberships;
  Inbox inbox;
  for (int org = 0; org < 20'000; ++org) {
    memberships.push_back(std::make_unique<Membership>());
    router_.Join(Channel({BindOrg(org)}), inbox, *memberships.back());
  }
  memberships.clear();
  EXPECT_EQ(router_.audiences(), 0u);
}

}  // namespace
}  // namespace tw::router
