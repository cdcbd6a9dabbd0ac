// Policies that look into other tables, through the router: membership changes take effect at their
// place in the stream.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/catalog.h"
#include "policy/schema.h"
#include "router/test_support.h"

namespace tw::router {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

RelationPtr Named(uint32_t id, std::string name, std::vector<std::string> columns) {
  auto relation = std::make_shared<Relation>();
  relation->id = id;
  relation->table = std::move(name);
  for (std::string& column : columns) relation->columns.push_back({column, ColumnType::kText, "text"});
  relation->key = {0};
  return relation;
}

// The portal of S2.2: jobs of customers, who are users.
class PortalTest : public ::testing::Test {
 protected:
  PortalTest() {
    policy::Schema schema;
    for (const auto& [relation, sql] : {std::pair{customers_, "portal_user_id = auth.uid()"},
                                        {jobs_, "customer_id in (select id from customers where "
                                                "portal_user_id = auth.uid())"}}) {
      policy::SchemaTable table;
      table.relation = relation;
      table.policies = {policy::Permissive(sql)};
      schema.tables.push_back(std::move(table));
    }
    auto catalog = policy::CompileEmbedded(schema);
    EXPECT_TRUE(catalog.ok()) << catalog.error();
    catalog_ = std::move(*catalog);
    auto inner = std::make_unique<policy::InnerTables>(catalog_->inner());
    inner->Loaded(0);
    router_.SetInnerTables(std::move(inner));
  }

  ChannelSpec Spec(const std::string& uid, const std::string& filter = "") {
    const auto* table = catalog_->Find("public", "jobs");
    ChannelSpec spec;
    spec.topic = "realtime:jobs";
    spec.positions = true;
    spec.leave = true;
    const Claims claims =
        policy::MakeClaims(R"({"role":"authenticated","sub":")" + uid + R"("})");
    spec.bindings.push_back({.id = 1,
                             .relation = jobs_,
                             .access = table->policy->AccessFor(claims),
                             .filter = *policy::Filter::Parse(filter, *jobs_),
                             .selected = {}});
    return spec;
  }

  struct Op {
    RelationPtr relation;
    Row from;
    Row to;
  };
  void Commit(std::vector<Op> operations) {
    auto batch = std::make_shared<Batch>();
    for (Op& op : operations) {
      const ChangeOp kind = op.from.empty() ? ChangeOp::kInsert
                                            : (op.to.empty() ? ChangeOp::kDelete : ChangeOp::kUpdate);
      batch->changes.push_back({.offset = ++offset_,
                                .op = kind,
                                .committed_at = {},
                                .relation = op.relation,
                                .old_row = std::move(op.from),
                                .new_row = std::move(op.to)});
    }
    batch->position = {1, offset_};
    router_.Publish(*batch);
    batches_.push_back(batch);
  }

  // "INSERT j1", "LEAVE j1", "access_changed" for each frame, which are then forgotten.
  static std::vector<std::string> Take(Inbox& inbox) {
    std::vector<std::string> events;
    for (const std::string& text : Texts(inbox)) {
      if (text.find("access_changed") != text.npos) {
        events.push_back("access_changed");
        continue;
      }
      const auto after = [&](std::string_view mark) {
        const size_t at = text.find(mark);
        if (at == text.npos) return std::string();
        const size_t from = at + mark.size();
        return text.substr(from, text.find('"', from) - from);
      };
      events.push_back(after("\"type\":\"") .substr(0, 6) + " " + after("\"id\":\""));
    }
    inbox.frames.clear();
    return events;
  }

  RelationPtr customers_ = Named(1, "customers", {"id", "portal_user_id", "name"});
  RelationPtr jobs_ = Named(2, "jobs", {"id", "customer_id", "title"});
  policy::CatalogPtr catalog_;
  telemetry::Registry metrics_;
  Router router_{metrics_};
  uint64_t offset_ = 0;
  std::vector<BatchPtr> batches_;
};

TEST_F(PortalTest, CustomersReceiveOnlyTheirOwnRows) {
  Inbox ann;
  Inbox bob;
  Membership memberships[2];
  router_.Join(Spec("ann"), ann, memberships[0]);
  router_.Join(Spec("bob"), bob, memberships[1]);
  Commit({{customers_, {}, {"c1", "ann", "A"}}, {customers_, {}, {"c2", "bob", "B"}}});
  EXPECT_THAT(Take(ann), ElementsAre("access_changed"));
  EXPECT_THAT(Take(bob), ElementsAre("access_changed"));
  Commit({{jobs_, {}, {"j1", "c1", "x"}}});
  EXPECT_THAT(Take(ann), SizeIs(1));
  EXPECT_THAT(Take(bob), IsEmpty());
}

TEST_F(PortalTest, ARowAndTheMembershipThatShowsItMayComeInOneCommit) {
  Inbox ann;
  Membership membership;
  router_.Join(Spec("ann"), ann, membership);
  Commit({{jobs_, {}, {"j1", "c1", "x"}}, {customers_, {}, {"c1", "ann", "A"}}});
  EXPECT_THAT(Take(ann), SizeIs(2));
}

TEST_F(PortalTest, ADeleteInTheCommitThatEndsTheMembershipIsJudgedByTheStateBefore) {
  Inbox ann;
  Membership membership;
  Commit({{customers_, {}, {"c1", "ann", "A"}}, {jobs_, {}, {"j1", "c1", "x"}}});
  router_.Join(Spec("ann"), ann, membership);
  // A cascade: the customer first, then the jobs.
  Commit({{customers_, {"c1", "ann", "A"}, {}}, {jobs_, {"j1", "c1", "x"}, {}}});
  EXPECT_THAT(Take(ann), ElementsAre("DELETE j1", "access_changed"));
}

TEST_F(PortalTest, RevocationTakesEffectAtItsPlace) {
  Inbox ann;
  Membership membership;
  Commit({{customers_, {}, {"c1", "ann", "A"}}, {jobs_, {}, {"j1", "c1", "x"}}});
  router_.Join(Spec("ann"), ann, membership);
  Commit({{customers_, {"c1", "ann", "A"}, {"c1", "bob", "A"}}});
  EXPECT_THAT(Take(ann), ElementsAre("access_changed"));
  Commit({{jobs_, {"j1", "c1", "x"}, {"j1", "c1", "secret"}}});
  EXPECT_THAT(Take(ann), IsEmpty());
}

TEST_F(PortalTest, AColumnThatNoPolicyReadsIsNoChangeOfRights) {
  Inbox ann;
  Membership membership;
  Commit({{customers_, {}, {"c1", "ann", "A"}}});
  router_.Join(Spec("ann"), ann, membership);
  Commit({{customers_, {"c1", "ann", "A"}, {"c1", "ann", "renamed"}}});
  EXPECT_THAT(Take(ann), IsEmpty());
}

TEST_F(PortalTest, ARowThatMovesToAnotherCustomerLeaves) {
  Inbox ann;
  Inbox bob;
  Membership memberships[2];
  Commit({{customers_, {}, {"c1", "ann", "A"}},
          {customers_, {}, {"c2", "bob", "B"}},
          {jobs_, {}, {"j1", "c1", "x"}}});
  router_.Join(Spec("ann"), ann, memberships[0]);
  router_.Join(Spec("bob"), bob, memberships[1]);
  Commit({{jobs_, {"j1", "c1", "x"}, {"j1", "c2", "x"}}});
  EXPECT_THAT(Take(ann), ElementsAre("LEAVE j1"));
  EXPECT_THAT(Texts(bob), ElementsAre(Not(HasSubstr("c1"))));  // Nothing of what it was before.
}

TEST_F(PortalTest, WhatWasNeverCommittedIsNotShown) {
  Inbox ann;
  Membership membership;
  Commit({{customers_, {}, {"c1", "ann", "A"}}});
  router_.Join(Spec("ann"), ann, membership);
  Commit({{jobs_, {}, {"j1", "c1", "draft"}},
          {jobs_, {"j1", "c1", "draft"}, {"j1", "c1", "final"}},
          {jobs_, {}, {"j2", "c1", "came"}},
          {jobs_, {"j2", "c1", "came"}, {}}});
  const auto texts = Texts(ann);
  ASSERT_THAT(texts, SizeIs(1));
  EXPECT_THAT(texts[0], HasSubstr("\"type\":\"INSERT\""));
  EXPECT_THAT(texts[0], HasSubstr("final"));
}

TEST_F(PortalTest, AReplayIsJudgedByTheRightsOfItsTime) {
  Commit({{customers_, {}, {"c1", "ann", "A"}}});
  Commit({{jobs_, {}, {"j1", "c1", "x"}}});
  Commit({{customers_, {"c1", "ann", "A"}, {}}});
  Commit({{jobs_, {}, {"j2", "c1", "y"}}});
  const ChannelSpec spec = Spec("ann");
  ASSERT_TRUE(router_.CanJudgeSince(spec, 1));
  Inbox ann;
  for (const BatchPtr& batch : batches_) {
    router_.Replay(spec, *batch, {batch->changes.front().offset - 1, batch->position.offset},
                   [&](const io::SharedBytes& frame) { ann.OnFrame(frame); });
  }
  EXPECT_THAT(Take(ann), ElementsAre("INSERT j1"));
  EXPECT_TRUE(router_.TouchesRights(spec, *batches_[2], {0, UINT64_MAX}));
  EXPECT_FALSE(router_.TouchesRights(spec, *batches_[3], {0, UINT64_MAX}));
}

TEST_F(PortalTest, AFilterAndARightAreBothAsked) {
  Inbox ann;
  Inbox bob;
  Membership memberships[2];
  Commit({{customers_, {}, {"c1", "ann", "A"}}});
  router_.Join(Spec("ann", "title=eq.x"), ann, memberships[0]);
  router_.Join(Spec("bob", "title=eq.x"), bob, memberships[1]);
  Commit({{jobs_, {}, {"j1", "c1", "x"}}, {jobs_, {}, {"j2", "c1", "y"}}});
  EXPECT_THAT(Take(ann), ElementsAre("INSERT j1"));
  EXPECT_THAT(Take(bob), IsEmpty());
}

TEST_F(PortalTest, OneOfManyIsAskedAboutARow) {
  std::vector<Inbox> inboxes(500);
  std::vector<Membership> memberships(500);
  std::vector<Op> customers;
  for (int i = 0; i < 500; ++i) {
    const std::string n = std::to_string(i);
    customers.push_back({customers_, {}, {"c" + n, "u" + n, "N"}});
  }
  Commit(std::move(customers));
  for (int i = 0; i < 500; ++i) {
    router_.Join(Spec("u" + std::to_string(i)), inboxes[i], memberships[i]);
  }
  auto& asked = metrics_.GetCounter("tidewire_router_candidates_total", "");
  const uint64_t before = asked.value();
  Commit({{jobs_, {}, {"j1", "c7", "x"}}});
  EXPECT_EQ(asked.value() - before, 1u);
  EXPECT_THAT(Take(inboxes[7]), ElementsAre("INSERT j1"));
}

TEST_F(PortalTest, DeletesGoToAllFollowersUnderTheCompatibleRule) {
  Inbox bob;
  Membership membership;
  Commit({{customers_, {}, {"c1", "ann", "A"}}, {jobs_, {}, {"j1", "c1", "secret"}}});
  router_.set_deletes(ChangeEncoder::Deletes::kFollowers);
  router_.Join(Spec("bob"), bob, membership);
  Commit({{jobs_, {"j1", "c1", "secret"}, {}}});
  EXPECT_THAT(Texts(bob), ElementsAre(Not(HasSubstr("secret"))));
  EXPECT_THAT(Take(bob), ElementsAre("DELETE j1"));
}

}  // namespace
}  // namespace tw::router
