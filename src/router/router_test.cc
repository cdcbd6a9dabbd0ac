#include "router/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "protocol/join.h"
#include "router/test_support.h"
#include "testing/matchers.h"

namespace tw::router {
namespace {

using protocol::EventMask;
using protocol::Version;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// All that a test says about one binding.
struct Wish {
  int64_t id = 1;
  EventMask events = EventMask::kAll;
  std::string filter;
  std::vector<uint16_t> selected;
};

class RouterTest : public ::testing::Test {
 protected:
  TableBinding Bind(const Wish& wish, std::string_view sub, std::string_view using_sql) {
    auto filter = policy::Filter::Parse(wish.filter, *relation_);
    if (!filter.ok()) ADD_FAILURE() << filter.error();
    return {.id = wish.id,
            .events = wish.events,
            .relation = relation_,
            .access = PolicyOf(relation_, using_sql)->AccessFor(*ClaimsOf(sub)),
            .filter = *filter,
            .selected = wish.selected};
  }
  // A channel of user `sub` on a table whose owners alone see their rows.
  ChannelSpec Owned(std::string_view sub, const std::vector<Wish>& wishes = {Wish{}}) {
    return Spec(sub, kOwnersOnly, wishes);
  }
  // A channel on a table that everyone sees.
  ChannelSpec Open(const std::vector<Wish>& wishes = {Wish{}}) { return Spec("u", "", wishes); }
  ChannelSpec Spec(std::string_view sub, std::string_view using_sql,
                   const std::vector<Wish>& wishes) {
    ChannelSpec spec{.topic = "realtime:room"};
    for (const Wish& wish : wishes) spec.bindings.push_back(Bind(wish, sub, using_sql));
    return spec;
  }

  void Publish(std::vector<Change> changes) {
    const uint64_t first = offset_ + 1;
    offset_ += changes.size();
    router_.Publish(*BatchOf(first, std::move(changes)));
  }
  // The frames that one subscriber of `spec` gets for `change`.
  std::vector<std::string> FramesFor(const ChannelSpec& spec, const Change& change) {
    Recorder receiver;
    Membership membership;
    router_.Join(spec, receiver, membership);
    Publish({change});
    return receiver.Take();
  }
  uint64_t CountOf(std::string_view name) { return registry_.GetCounter(name, "").value(); }
  uint64_t Candidates() { return CountOf("tidewire_router_candidates_total"); }
  uint64_t Deliveries() { return CountOf("tidewire_router_deliveries_total"); }

  telemetry::Registry registry_;
  Router router_{registry_};
  const RelationPtr relation_ = TasksRelation();
  uint64_t offset_ = 0;
};

TEST_F(RouterTest, EqualSubscribersShareOneFrame) {
  Recorder a, b;
  Membership of_a, of_b;
  router_.Join(Owned("ann"), a, of_a);
  router_.Join(Owned("ann"), b, of_b);
  EXPECT_EQ(router_.audiences(), 1u);
  EXPECT_EQ(router_.members(), 2u);

  Publish({Insert(relation_, Task(1, "ann", 5, "x"))});
  ASSERT_THAT(a.frames, SizeIs(1));
  ASSERT_THAT(b.frames, SizeIs(1));
  EXPECT_EQ(a.frames[0].view().data(), b.frames[0].view().data()) << "two encodings";
  EXPECT_EQ(Deliveries(), 2u);
  EXPECT_EQ(Candidates(), 1u);
}

TEST_F(RouterTest, WhateverDecidesTheBytesSeparatesAudiences) {
  std::vector<ChannelSpec> specs(9, Owned("ann"));
  specs[1].version = Version::kV1;
  specs[2].topic = "realtime:other";
  specs[3].positions = true;
  specs[4].leave = true;
  specs[5] = Owned("bob");
  specs[6] = Owned("ann", {Wish{.id = 2}});
  specs[7] = Owned("ann", {Wish{.filter = "org=eq.5"}});
  specs[8] = Owned("ann", {Wish{.selected = {0, 1}}});
  for (size_t i = 0; i < specs.size(); ++i) {
    for (size_t j = 0; j < specs.size(); ++j) {
      EXPECT_EQ(specs[i].Key() == specs[j].Key(), i == j) << i << " and " << j;
    }
  }
}

TEST_F(RouterTest, AChangeIsOfferedOnlyToItsCandidates) {
  constexpr size_t kUsers = 50;
  std::vector<Recorder> receivers(kUsers);
  std::vector<Membership> memberships(kUsers);
  for (size_t i = 0; i < kUsers; ++i) {
    router_.Join(Owned("user" + std::to_string(i)), receivers[i], memberships[i]);
  }
  Publish({Insert(relation_, Task(1, "user7", 5, "x"))});
  EXPECT_EQ(Candidates(), 1u);
  // An update concerns whoever saw the row and whoever sees it.
  Publish({Update(relation_, Task(1, "user7", 5, "x"), Task(1, "user8", 5, "x"))});
  EXPECT_EQ(Candidates(), 3u);
  Publish({Delete(relation_, Task(1, "nobody", 5, "x"))});
  Publish({Insert(TasksRelation(8, "others"), Task(1, "user7", 5, "x"))});
  EXPECT_EQ(Candidates(), 3u);
  EXPECT_EQ(Deliveries(), 2u);
}

TEST_F(RouterTest, TheFilterNarrowsTheCandidatesOfAnOpenTable) {
  Recorder five, six, any;
  Membership of_five, of_six, of_any;
  router_.Join(Open({Wish{.filter = "org=eq.5"}}), five, of_five);
  router_.Join(Open({Wish{.filter = "org=in.(6,7)"}}), six, of_six);
  router_.Join(Open({Wish{.filter = "org=gt.0"}}), any, of_any);
  Publish({Insert(relation_, Task(1, "ann", 5, "x"))});
  EXPECT_EQ(Candidates(), 2u);
  EXPECT_THAT(five.frames, SizeIs(1));
  EXPECT_THAT(six.frames, IsEmpty());
  EXPECT_THAT(any.frames, SizeIs(1));
}

TEST_F(RouterTest, EventMasksSelectOperations) {
  const Row row = Task(1, "ann", 5, "x");
  const Change changes[] = {Insert(relation_, row), Update(relation_, row, row),
                            Delete(relation_, row)};
  const EventMask masks[] = {EventMask::kInsert, EventMask::kUpdate, EventMask::kDelete};
  for (int asked = 0; asked < 3; ++asked) {
    for (int happened = 0; happened < 3; ++happened) {
      EXPECT_THAT(FramesFor(Open({Wish{.events = masks[asked]}}), changes[happened]),
                  SizeIs(asked == happened ? 1 : 0))
          << asked << " " << happened;
      EXPECT_THAT(FramesFor(Open(), changes[happened]), SizeIs(1));
    }
  }
}

TEST_F(RouterTest, FiltersJudgeTheNewRowAndForDeletesTheOldOne) {
  const ChannelSpec five = Open({Wish{.filter = "org=eq.5"}});
  const Row in = Task(1, "ann", 5, "x");
  const Row out = Task(1, "ann", 6, "x");
  EXPECT_THAT(FramesFor(five, Insert(relation_, in)), SizeIs(1));
  EXPECT_THAT(FramesFor(five, Insert(relation_, out)), IsEmpty());
  EXPECT_THAT(FramesFor(five, Update(relation_, in, out)), IsEmpty());
  EXPECT_THAT(FramesFor(five, Update(relation_, out, in)), SizeIs(1));
  EXPECT_THAT(FramesFor(five, Delete(relation_, in)), SizeIs(1));
  EXPECT_THAT(FramesFor(five, Delete(relation_, out)), IsEmpty());
}

TEST_F(RouterTest, DeletesAreJudgedByPolicyOnTheOldRow) {
  const Change gone = Delete(relation_, Task(1, "ann", 5, "x"));
  EXPECT_THAT(FramesFor(Owned("ann"), gone), SizeIs(1));
  EXPECT_THAT(FramesFor(Owned("bob"), gone), IsEmpty());
}

TEST_F(RouterTest, ARowThatEntersShowsOnlyTheKeyOfItsUnseenPast) {
  const Change enters = Update(relation_, Task(1, "bob", 5, "secret"), Task(1, "ann", 5, "public"));
  const auto frames = FramesFor(Owned("ann"), enters);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_THAT(frames[0], HasSubstr(R"("type":"UPDATE")"));
  EXPECT_THAT(frames[0], HasSubstr(R"("old_record":{"id":1})"));
  EXPECT_THAT(frames[0], Not(HasSubstr("secret")));
}

TEST_F(RouterTest, AnUnseenOldKeyIsNotShownEither) {
  const Change moves = Update(relation_, Task(1, "bob", 5, "a"), Task(2, "ann", 5, "b"));
  const auto frames = FramesFor(Owned("ann"), moves);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_THAT(frames[0], HasSubstr(R"("old_record":{"id":2})"));
}

TEST_F(RouterTest, AVisibleOldRowIsWholeThoughTheFilterDidNotMatchIt) {
  const Change enters = Update(relation_, Task(1, "ann", 6, "old"), Task(1, "ann", 5, "new"));
  const auto frames = FramesFor(Owned("ann", {Wish{.filter = "org=eq.5"}}), enters);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_THAT(frames[0], HasSubstr(R"("old_record":{"id":1,"owner":"ann","org":6,"title":"old"})"));
}

TEST_F(RouterTest, ARowThatLeavesIsReportedOnlyToThoseWhoOptedIn) {
  const Change leaves = Update(relation_, Task(1, "ann", 5, "old"), Task(2, "bob", 5, "secret"));
  ChannelSpec spec = Owned("ann");
  EXPECT_THAT(FramesFor(spec, leaves), IsEmpty());
  spec.leave = true;
  EXPECT_THAT(FramesFor(spec, leaves),
              ElementsAre(R"([null,null,"realtime:room","postgres_changes",{"ids":[1],"data":{)"
                          R"("type":"LEAVE","schema":"public","table":"tasks",)"
                          R"("commit_timestamp":"2026-01-02T03:04:05.678Z","columns":[)"
                          R"({"name":"id","type":"int8"},{"name":"owner","type":"text"},)"
                          R"({"name":"org","type":"int8"},{"name":"title","type":"text"}],)"
                          R"("old_record":{"id":1},"errors":null}}])"));
  // The filter decides it as the policy does.
  ChannelSpec filtered = Open({Wish{.filter = "org=eq.5"}});
  filtered.leave = true;
  const Change filtered_out = Update(relation_, Task(1, "a", 5, "x"), Task(1, "a", 6, "x"));
  EXPECT_THAT(FramesFor(filtered, filtered_out), ElementsAre(HasSubstr(R"("type":"LEAVE")")));
  const Change elsewhere = Update(relation_, Task(1, "a", 6, "x"), Task(1, "a", 7, "x"));
  EXPECT_THAT(FramesFor(filtered, elsewhere), IsEmpty());
}

TEST_F(RouterTest, SelectedColumnsWithTheKeyAreAllThatIsShown) {
  const ChannelSpec spec = Open({Wish{.selected = {0, 3}}});
  const Change change = Update(relation_, Task(1, "ann", 5, "old"), Task(1, "bob", 6, "new"));
  const auto frames = FramesFor(spec, change);
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_THAT(frames[0],
              HasSubstr(R"("columns":[{"name":"id","type":"int8"},{"name":"title","type":"text"}],)"
                        R"("record":{"id":1,"title":"new"},"old_record":{"id":1,"title":"old"})"));
}

TEST_F(RouterTest, OneFrameNamesAllMatchingBindingsOfAChannel) {
  const ChannelSpec spec = Open(
      {Wish{.id = 11}, Wish{.id = 12, .filter = "org=eq.5"}, Wish{.id = 13, .filter = "org=eq.6"},
       Wish{.id = 14, .events = EventMask::kDelete}, Wish{.id = 15, .events = EventMask::kInsert}});
  EXPECT_THAT(FramesFor(spec, Insert(relation_, Task(1, "ann", 5, "x"))),
              ElementsAre(HasSubstr(R"({"ids":[11,12,15],)")));
  EXPECT_EQ(Candidates(), 1u) << "offered once, although the index names it several times";
}

TEST_F(RouterTest, BindingsWithOtherColumnsGetTheirOwnFrame) {
  const ChannelSpec spec =
      Open({Wish{.id = 1, .selected = {0, 1}}, Wish{.id = 2}, Wish{.id = 3, .selected = {0, 1}}});
  EXPECT_THAT(FramesFor(spec, Insert(relation_, Task(1, "ann", 5, "x"))),
              ElementsAre(AllOf(HasSubstr(R"("ids":[1,3],)"), Not(HasSubstr("title"))),
                          AllOf(HasSubstr(R"("ids":[2],)"), HasSubstr("title"))));
}

TEST_F(RouterTest, VersionTwoFramesHaveTheseBytes) {
  EXPECT_THAT(
      FramesFor(Open(), Update(relation_, Task(1, "ann", 5, "old"), Task(1, "ann", 5, "\"new\""))),
      ElementsAre(R"([null,null,"realtime:room","postgres_changes",{"ids":[1],"data":{)"
                  R"("type":"UPDATE","schema":"public","table":"tasks",)"
                  R"("commit_timestamp":"2026-01-02T03:04:05.678Z","columns":[)"
                  R"({"name":"id","type":"int8"},{"name":"owner","type":"text"},)"
                  R"({"name":"org","type":"int8"},{"name":"title","type":"text"}],)"
                  R"("record":{"id":1,"owner":"ann","org":5,"title":"\"new\""},)"
                  R"("old_record":{"id":1,"owner":"ann","org":5,"title":"old"},"errors":null}}])"));
}

TEST_F(RouterTest, VersionOneFramesHaveTheseBytes) {
  ChannelSpec spec = Open({Wish{.selected = {0}}});
  spec.version = Version::kV1;
  EXPECT_THAT(FramesFor(spec, Insert(relation_, Task(1, "ann", 5, "x"))),
              ElementsAre(R"({"topic":"realtime:room","event":"postgres_changes","payload":)"
                          R"({"ids":[1],"data":{"type":"INSERT","schema":"public","table":"tasks",)"
                          R"("commit_timestamp":"2026-01-02T03:04:05.678Z",)"
                          R"("columns":[{"name":"id","type":"int8"}],"record":{"id":1},)"
                          R"("errors":null}},"ref":null})"));
  EXPECT_THAT(FramesFor(spec, Delete(relation_, Task(1, "ann", 5, "x"))),
              ElementsAre(R"({"topic":"realtime:room","event":"postgres_changes","payload":)"
                          R"({"ids":[1],"data":{"type":"DELETE","schema":"public","table":"tasks",)"
                          R"("commit_timestamp":"2026-01-02T03:04:05.678Z",)"
                          R"("columns":[{"name":"id","type":"int8"}],"old_record":{"id":1},)"
                          R"("errors":null}},"ref":null})"));
}

TEST_F(RouterTest, PositionsStandOnlyInTheFramesOfThoseWhoAsked) {
  ChannelSpec spec = Open();
  const Change change = Insert(relation_, Task(1, "ann", 5, "x"));
  EXPECT_THAT(FramesFor(spec, change), ElementsAre(Not(HasSubstr("position"))));
  spec.positions = true;
  EXPECT_THAT(FramesFor(spec, change),
              ElementsAre(HasSubstr(R"({"ids":[1],"position":"0000000000c0ffee:2","data":)")));
}

TEST_F(RouterTest, ARelationOfAnotherShapeIsNotJudged) {
  EXPECT_THAT(FramesFor(Open(), Insert(TasksRelation(99), Task(1, "ann", 5, "x"))), IsEmpty());
}

TEST_F(RouterTest, WhoMaySeeNothingIsNeverACandidate) {
  const ChannelSpec spec = Spec("ann", "false", {Wish{}});
  EXPECT_THAT(FramesFor(spec, Insert(relation_, Task(1, "ann", 5, "x"))), IsEmpty());
  EXPECT_EQ(Candidates(), 0u);
}

TEST_F(RouterTest, AfterLeavingNothingComes) {
  Recorder receivers[3];
  Membership memberships[3];
  for (int i = 0; i < 3; ++i) router_.Join(Open(), receivers[i], memberships[i]);
  memberships[0].Leave();  // The last member takes its place.
  memberships[0].Leave();  // A second time does nothing.
  EXPECT_FALSE(memberships[0].joined());
  Publish({Insert(relation_, Task(1, "ann", 5, "x"))});
  EXPECT_THAT(receivers[0].frames, IsEmpty());
  EXPECT_THAT(receivers[1].frames, SizeIs(1));
  EXPECT_THAT(receivers[2].frames, SizeIs(1));
  memberships[2].Leave();
  memberships[1].Leave();
  EXPECT_EQ(router_.members(), 0u);
  EXPECT_EQ(router_.audiences(), 0u);
  Publish({Insert(relation_, Task(2, "ann", 5, "x"))});
  EXPECT_EQ(Candidates(), 1u) << "an audience without members is still in the index";
}

TEST_F(RouterTest, AMembershipLeavesWhenItIsDestroyed) {
  Recorder receiver;
  {
    Membership membership;
    router_.Join(Owned("ann"), receiver, membership);
    EXPECT_TRUE(membership.joined());
    EXPECT_EQ(registry_.GetGauge("tidewire_router_subscriptions", "").value(), 1);
  }
  EXPECT_EQ(router_.members(), 0u);
  EXPECT_EQ(registry_.GetGauge("tidewire_router_subscriptions", "").value(), 0);
  Publish({Insert(relation_, Task(1, "ann", 5, "x"))});
  EXPECT_THAT(receiver.frames, IsEmpty());
}

TEST_F(RouterTest, JoiningAgainReplacesTheSubscription) {
  Recorder receiver;
  Membership membership;
  router_.Join(Owned("ann"), receiver, membership);
  router_.Join(Owned("bob"), receiver, membership);
  EXPECT_EQ(router_.members(), 1u);
  Publish({Insert(relation_, Task(1, "ann", 5, "x")), Insert(relation_, Task(2, "bob", 5, "x"))});
  EXPECT_THAT(receiver.Take(), ElementsAre(HasSubstr(R"("record":{"id":2,)")));
}

TEST_F(RouterTest, ReplayGivesTheFramesOfItsRange) {
  const ChannelSpec spec = Owned("ann");
  const BatchPtr batch = BatchOf(
      1, {Insert(relation_, Task(1, "ann", 5, "x")), Insert(relation_, Task(2, "ann", 5, "x")),
          Insert(relation_, Task(3, "bob", 5, "x")), Insert(relation_, Task(4, "ann", 5, "x")),
          Insert(relation_, Task(5, "ann", 5, "x"))});
  Recorder live, replayed;
  Membership membership;
  router_.Join(spec, live, membership);
  router_.Publish(*batch);
  router_.Replay(spec, *batch, {.after = 1, .last = 4},
                 [&](const io::SharedBytes& frame) { replayed.OnFrame(frame); });
  const auto all = live.Take();
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_THAT(replayed.Take(), ElementsAre(all[1], all[2]));
  EXPECT_EQ(Deliveries(), 6u);
}

}  // namespace
}  // namespace tw::router
