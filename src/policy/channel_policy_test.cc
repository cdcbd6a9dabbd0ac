#include "policy/channel_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/test_support.h"
#include "testing/matchers.h"

namespace tw::policy {
namespace {

using ::testing::HasSubstr;

PolicyDefinition Policy(std::string sql, std::vector<std::string> roles = {}) {
  return {.name = "p", .using_sql = std::move(sql), .roles = std::move(roles), .where = "a:1:1"};
}

ChannelPolicyPtr Compile(std::vector<PolicyDefinition> read,
                         std::vector<PolicyDefinition> write = {}) {
  auto compiled = ChannelPolicy::Compile(read, write);
  if (!compiled.ok()) ADD_FAILURE() << compiled.error();
  return compiled.ok() ? *compiled : nullptr;
}

const Claims kAnn = MakeClaims(R"({"role":"authenticated","sub":"ann","rooms":["1","2"]})");
const Claims kService = MakeClaims(R"({"role":"service_role"})");

ChannelRights Rights(const ChannelPolicyPtr& policy, const Claims& claims, std::string_view topic) {
  const auto rights = policy->Readable(claims, topic);
  if (!rights.ok()) ADD_FAILURE() << rights.error();
  return rights.ok() ? *rights : ChannelRights{};
}

TEST(ChannelPolicyTest, NobodyMayAnythingWithoutAPolicyButTheServiceRole) {
  const auto policy = Compile({});
  EXPECT_FALSE(Rights(policy, kAnn, "room:1").any());
  EXPECT_EQ(Rights(policy, kService, "room:1"), (ChannelRights{true, true}));
}

TEST(ChannelPolicyTest, DecidesPerTopicAndExtension) {
  const auto policy =
      Compile({Policy("realtime.topic() = 'room:1' and extension = 'broadcast'"),
               Policy("topic = 'room:2' and extension in ('broadcast', 'presence')")});
  EXPECT_EQ(Rights(policy, kAnn, "room:1"), (ChannelRights{true, false}));
  EXPECT_EQ(Rights(policy, kAnn, "room:2"), (ChannelRights{true, true}));
  EXPECT_FALSE(Rights(policy, kAnn, "room:3").any());
}

TEST(ChannelPolicyTest, ReadsClaims) {
  const auto policy = Compile({Policy("(select realtime.topic()) = 'user:' || auth.uid()::text")});
  EXPECT_TRUE(Rights(policy, kAnn, "user:ann").any());
  EXPECT_FALSE(Rights(policy, kAnn, "user:bob").any());
}

TEST(ChannelPolicyTest, ReadingAndWritingAreApart) {
  const auto policy = Compile({Policy("true")}, {Policy("extension = 'presence'")});
  EXPECT_TRUE(Rights(policy, kAnn, "room").any());
  EXPECT_THAT(policy->Writable(kAnn, "room", Extension::kPresence),
              testing::IsOkAndHolds(true));
  EXPECT_THAT(policy->Writable(kAnn, "room", Extension::kBroadcast),
              testing::IsOkAndHolds(false));
}

TEST(ChannelPolicyTest, PoliciesOfOtherRolesDoNotCount) {
  const auto policy = Compile({Policy("true", {"staff"})});
  EXPECT_FALSE(Rights(policy, kAnn, "room").any());
}

TEST(ChannelPolicyTest, AnErrorInTheClaimsDeniesAndSaysWhy) {
  const auto policy = Compile({Policy("(auth.jwt() ->> 'sub')::int = 1")});
  EXPECT_THAT(policy->Readable(kAnn, "room"),
              testing::FailsWith(ErrorCode::kInvalidArgument));
}

TEST(ChannelPolicyTest, RefusesWhatDoesNotCompile) {
  const std::vector<PolicyDefinition> bad = {Policy("realtime.topic() = nowhere")};
  const auto compiled = ChannelPolicy::Compile(bad, {});
  ASSERT_FALSE(compiled.ok());
  EXPECT_THAT(compiled.error().message, HasSubstr("nowhere"));
}

TEST(ChannelPolicyTest, TablesDoNotKnowTheTopic) {
  const std::vector<PolicyDefinition> policies = {Policy("realtime.topic() = 'a'")};
  EXPECT_FALSE(TablePolicy::Compile(AllTypes(), policies).ok());
}

}  // namespace
}  // namespace tw::policy
