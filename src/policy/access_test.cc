// Which policies apply, keys, anchors, errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/test_support.h"
#include "testing/matchers.h"

namespace tw::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::UnorderedElementsAre;

RelationPtr Notes() {
  return MakeRelation({{"id", ColumnType::kInt8},
                       {"owner", ColumnType::kText},
                       {"org", ColumnType::kInt4},
                       {"is_public", ColumnType::kBool},
                       {"owner_id", ColumnType::kUuid},
                       {"day", ColumnType::kDate},
                       {"price", ColumnType::kNumeric}},
                      "notes");
}

Row Note(std::string owner, Value org = {}, bool is_public = false) {
  return {1, std::move(owner), std::move(org), is_public, Value{}, Value{}, Value{}};
}

AccessPtr Get(const std::vector<PolicyDefinition>& policies, std::string claims,
              const CompileOptions& options = {}) {
  auto policy = CompileAll(Notes(), policies, options);
  if (!policy.ok()) {
    ADD_FAILURE() << policy.error();
    return nullptr;
  }
  return (*policy)->AccessFor(MakeClaims(std::move(claims)));
}

constexpr char kAlice[] = R"({"role":"authenticated","sub":"alice","org":3})";
constexpr char kBob[] = R"({"role":"authenticated","sub":"bob","org":3})";

std::optional<std::vector<Anchor>> AnchorsIn(const std::string& sql, std::string claims = kAlice) {
  const AccessPtr access = Get({Permissive(sql)}, std::move(claims));
  if (!access->anchors()) return std::nullopt;
  return std::vector<Anchor>(access->anchors()->begin(), access->anchors()->end());
}

TEST(AccessTest, WithoutPermissivePolicyNothingIsVisible) {
  EXPECT_TRUE(Get({}, kAlice)->allows_nothing());
  EXPECT_TRUE(Get({Restrictive("true")}, kAlice)->allows_nothing());
  EXPECT_FALSE(Get({Restrictive("true")}, kAlice)->Allows(Note("alice")));
}

TEST(AccessTest, RowLevelSecurityOffAndBypassRolesSeeEverything) {
  CompileOptions off;
  off.row_level_security = RowLevelSecurity::kDisabled;
  EXPECT_TRUE(Get({}, kAlice, off)->allows_everything());
  EXPECT_TRUE(Get({}, R"({"role":"service_role"})")->allows_everything());
  EXPECT_TRUE(Get({}, R"({"role":"service_role"})")->Allows(Note("x")));
  CompileOptions none;
  none.bypass_roles = {};
  EXPECT_TRUE(Get({}, R"({"role":"service_role"})", none)->allows_nothing());
}

TEST(AccessTest, PermissiveAreJoinedByOrRestrictiveByAnd) {
  const AccessPtr access = Get({Permissive("owner = auth.uid()"), Permissive("is_public"),
                                Restrictive("org = 3"), Restrictive("owner <> 'eve'")},
                               kAlice);
  EXPECT_TRUE(access->Allows(Note("alice", 3)));
  EXPECT_TRUE(access->Allows(Note("bob", 3, true)));
  EXPECT_FALSE(access->Allows(Note("bob", 3)));
  EXPECT_FALSE(access->Allows(Note("alice", 4)));
  EXPECT_FALSE(access->Allows(Note("eve", 3, true)));
  EXPECT_FALSE(access->Allows(Note("alice")));  // org is NULL: not TRUE.
}

TEST(AccessTest, RolesChooseThePolicies) {
  const std::vector<PolicyDefinition> policies = {Permissive("true", {"admin", "staff"}),
                                                  Permissive("is_public", {"public"}),
                                                  Restrictive("org = 3", {"staff"})};
  EXPECT_TRUE(Get(policies, R"({"role":"admin"})")->allows_everything());
  EXPECT_FALSE(Get(policies, R"({"role":"staff"})")->Allows(Note("x", 4)));
  EXPECT_TRUE(Get(policies, R"({"role":"staff"})")->Allows(Note("x", 3)));
  EXPECT_FALSE(Get(policies, R"({"role":"anon"})")->Allows(Note("x", 3)));
  EXPECT_TRUE(Get(policies, R"({"role":"anon"})")->Allows(Note("x", 3, true)));
}

TEST(AccessTest, ClaimsAloneCanDecide) {
  const std::string admin_or_own = "auth.role() = 'admin' OR owner = auth.uid()";
  EXPECT_TRUE(Get({Permissive(admin_or_own)}, R"({"role":"admin"})")->allows_everything());
  EXPECT_TRUE(Get({Permissive(admin_or_own)}, R"({"role":"anon"})")->allows_nothing());
  EXPECT_TRUE(Get({Permissive("true"), Restrictive("auth.uid() IS NOT NULL")}, R"({"role":"a"})")
                  ->allows_nothing());
}

TEST(AccessTest, KeysAreEqualForEqualSlotValuesOnly) {
  const std::vector<PolicyDefinition> by_org = {Permissive("org = (auth.jwt()->>'org')::int"),
                                                Permissive("owner = auth.uid()", {"staff"})};
  const auto policy = *CompileAll(Notes(), by_org);
  const auto key = [&](std::string claims) {
    return policy->AccessFor(MakeClaims(std::move(claims)))->key();
  };
  EXPECT_EQ(key(kAlice), key(kBob));
  EXPECT_EQ(key(kAlice), key(R"({"role":"anon","org":"3"})"));
  EXPECT_NE(key(kAlice), key(R"({"role":"authenticated","sub":"alice","org":4})"));
  EXPECT_NE(key(kAlice), key(R"({"role":"staff","sub":"alice","org":3})"));
  EXPECT_NE(key(R"({"role":"staff","sub":"bob","org":3})"),
            key(R"({"role":"staff","sub":"alice","org":3})"));
  EXPECT_EQ(key(R"({"role":"service_role","sub":"a"})"), key(R"({"role":"service_role"})"));
  const auto other = *CompileAll(Notes(), {Permissive("org = (auth.jwt()->>'org')::int + 1")});
  EXPECT_NE(key(kAlice), other->AccessFor(MakeClaims(kAlice))->key());
}

TEST(AccessTest, AnErrorInTheClaimsDeniesAndIsTold) {
  const AccessPtr access =
      Get({Permissive("is_public"), Permissive("org = (auth.jwt()->>'org')::int")},
          R"({"role":"anon","org":"x"})");
  EXPECT_TRUE(access->allows_nothing());
  EXPECT_FALSE(access->Allows(Note("x", 3, true)));
  ASSERT_TRUE(access->error());
  EXPECT_EQ(access->error()->code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(access->error()->message, HasSubstr("invalid input syntax for type integer: \"x\""));
  // A policy for another role is not evaluated.
  EXPECT_FALSE(
      Get({Permissive("is_public"), Permissive("org = (auth.jwt()->>'org')::int", {"staff"})},
          R"({"role":"anon","org":"x"})")
          ->error());
}

TEST(AccessTest, AnchorsOfEqualities) {
  EXPECT_THAT(AnchorsIn("owner = auth.uid()"), Optional(ElementsAre(Anchor{1, "alice"})));
  EXPECT_THAT(AnchorsIn("auth.uid() = owner AND is_public"),
              Optional(ElementsAre(Anchor{1, "alice"})));
  EXPECT_THAT(AnchorsIn("is_public AND org IN (1, 2) AND owner = 'x'"),
              Optional(ElementsAre(Anchor{1, "x"})));
  EXPECT_THAT(AnchorsIn("is_public OR owner = auth.uid()"),
              Optional(UnorderedElementsAre(Anchor{3, true}, Anchor{1, "alice"})));
  EXPECT_THAT(AnchorsIn("org IS NULL OR org = (auth.jwt()->>'org')::int8"),
              Optional(UnorderedElementsAre(Anchor{2, Value{}}, Anchor{2, 3})));
  EXPECT_THAT(AnchorsIn("org = ANY ('{1,2,NULL}')"),
              Optional(UnorderedElementsAre(Anchor{2, 1}, Anchor{2, 2})));
  EXPECT_THAT(AnchorsIn("NOT is_public"), Optional(ElementsAre(Anchor{3, false})));
  EXPECT_THAT(AnchorsIn("owner IS NOT DISTINCT FROM auth.uid()"),
              Optional(ElementsAre(Anchor{1, "alice"})));
  EXPECT_THAT(AnchorsIn("auth.uid() IN (owner, 'x')"), Optional(ElementsAre(Anchor{1, "alice"})));
  EXPECT_THAT(AnchorsIn("day = '2026-01-02'"), Optional(ElementsAre(Anchor{5, "2026-01-02"})));
  EXPECT_THAT(AnchorsIn("owner_id = '5f0c2a4e-9d1b-4c3a-8e7f-0123456789ab'"),
              Optional(UnorderedElementsAre(Anchor{4, "5f0c2a4e-9d1b-4c3a-8e7f-0123456789ab"},
                                            Anchor{4, "5F0C2A4E-9D1B-4C3A-8E7F-0123456789AB"})));
  EXPECT_THAT(AnchorsIn("(auth.jwt()->'ws') ? owner", R"({"role":"a","ws":["x","y"]})"),
              Optional(UnorderedElementsAre(Anchor{1, "x"}, Anchor{1, "y"})));
}

TEST(AccessTest, NoAnchorsWhereNoneAreNecessary) {
  for (const char* sql :
       {"owner <> auth.uid()", "owner = auth.uid() OR org > 1", "NOT (owner = auth.uid())",
        "owner LIKE 'a%'", "price = 5", "org::text = '3'", "lower(owner) = auth.uid()",
        "CASE WHEN owner = auth.uid() THEN true ELSE is_public END", "org <> ALL ('{1}')",
        "org NOT IN (1)"}) {
    EXPECT_EQ(AnchorsIn(sql), std::nullopt) << sql;
  }
  EXPECT_EQ(Get({Permissive("owner = auth.uid()"), Permissive("org > 1")}, kAlice)->anchors(),
            std::nullopt);
}

TEST(AccessTest, RestrictivePoliciesAnchorToo) {
  const AccessPtr access = Get({Permissive("org > 1"), Restrictive("owner = auth.uid()")}, kAlice);
  ASSERT_TRUE(access->anchors());
  EXPECT_THAT(*access->anchors(), ElementsAre(Anchor{1, "alice"}));
}

TEST(AccessTest, AnEqualityWithNullAllowsNothing) {
  const AccessPtr access = Get({Permissive("owner = auth.uid()")}, R"({"role":"anon"})");
  EXPECT_TRUE(access->allows_nothing());
  ASSERT_TRUE(access->anchors());
  EXPECT_THAT(*access->anchors(), IsEmpty());
}

}  // namespace
}  // namespace tw::policy
