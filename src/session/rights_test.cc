// Tokens: who a channel belongs to, for how long, and what a new token changes.
#include <string>

#include "session/session.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using router::ClaimsOf;
using router::Insert;
using router::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RightsTest : public ::testing::Test {
 protected:
  // One row of ann and one of bob.
  void PublishBoth() {
    loop_.Publish({Insert(loop_.tasks(), Task(1, "ann", 5, "x")),
                   Insert(loop_.tasks(), Task(2, "bob", 5, "x"))});
  }
  static void Renew(Client& client, std::string_view token) {
    client.Say(R"(["1","9","realtime:room","access_token",{"access_token":")" + std::string(token) +
               R"("}])");
  }

  Loop loop_{router::kOwnersOnly};
};

TEST_F(RightsTest, WithoutATokenOfItsOwnAChannelHasTheConnections) {
  for (const char* token : {"", "sb_publishable_0123456789abcdef"}) {
    Client client(loop_, protocol::Version::kV2, ClaimsOf("bob"));
    client.Join(kFollowTasks, token);
    client.Take();
    PublishBoth();
    EXPECT_THAT(client.Take(), ElementsAre(HasSubstr(R"("owner":"bob")"))) << token;
  }
}

TEST_F(RightsTest, TheJoinsTokenDecidesWhatItsChannelSees) {
  Client client(loop_, protocol::Version::kV2, ClaimsOf("bob"));
  client.Join(kFollowTasks, TokenOf("ann"));
  client.Take();
  PublishBoth();
  EXPECT_THAT(client.Take(), ElementsAre(HasSubstr(R"("owner":"ann")")));
}

TEST_F(RightsTest, RefusesTokensInExactWords) {
  const auto refusal = [&](std::string_view token) {
    Client client(loop_);
    client.Join("{}", token);
    EXPECT_EQ(client.session.channels(), 0u);
    const auto messages = client.Take();
    return messages.size() == 1 ? messages[0] : "";
  };
  EXPECT_EQ(refusal("no token"), Refusal("MalformedJWT: The token provided is not a valid JWT"));
  EXPECT_EQ(refusal(TokenOf("ann", kNow - 12)),
            Refusal("InvalidJWTToken: Token has expired 12 seconds ago"));
  EXPECT_EQ(refusal(MintFor(R"({"sub":"ann","exp":1767326645})")),
            Refusal("InvalidJWTToken: Fields `role` and `exp` are required in JWT"));
  EXPECT_EQ(refusal(MintFor(R"({"role":"authenticated"})")),
            Refusal("InvalidJWTToken: Fields `role` and `exp` are required in JWT"));
  EXPECT_EQ(refusal(MintFor(R"({"role":"a","exp":1767326645})", std::string(32, 'x'))),
            Refusal("JwtSignatureError: Failed to validate JWT signature"));
}

TEST_F(RightsTest, AnExpiredConnectionCannotJoinWithoutANewToken) {
  auto claims = std::make_shared<Claims>();
  claims->role = "anon";
  claims->expires_at = loop_.clock.Wall() + seconds{10};
  Client client(loop_, protocol::Version::kV2, claims);
  loop_.Advance(seconds{13});
  client.Join();
  EXPECT_THAT(client.Take(),
              ElementsAre(Refusal("InvalidJWTToken: Token has expired 3 seconds ago")));
  client.Join("{}", TokenOf("ann"));
  EXPECT_THAT(client.Take(), ElementsAre(HasSubstr(R"("status":"ok")")));
}

TEST_F(RightsTest, ANewTokenSubscribesAgain) {
  Client client(loop_);
  client.Join(kFollowTasks, TokenOf("ann"));
  client.Take();
  Renew(client, TokenOf("ann", kInAnHour + 60));
  EXPECT_THAT(client.Take(), ElementsAre(kSubscribed));
  PublishBoth();
  EXPECT_THAT(client.Take(), ElementsAre(HasSubstr(R"("owner":"ann")")));
}

TEST_F(RightsTest, AnUnchangedOrMissingTokenIsIgnored) {
  Client client(loop_);
  client.Join(kFollowTasks, TokenOf("ann"));
  client.Take();
  Renew(client, TokenOf("ann"));
  Renew(client, "");
  Renew(client, "sb_publishable_0123456789abcdef");
  client.Say(R"(["1","9","realtime:room","access_token",{"access_token":null}])");
  client.Say(R"(["1","9","realtime:room","access_token",null])");
  EXPECT_THAT(client.Take(), IsEmpty());
  EXPECT_EQ(client.session.channels(), 1u);
}

TEST_F(RightsTest, ABadTokenEndsTheChannelAndNoOther) {
  Client client(loop_);
  client.Say(R"(["2","2","realtime:other","phx_join",{}])");
  client.Join(kFollowTasks, TokenOf("ann"));
  client.Take();
  Renew(client, "no token");
  EXPECT_THAT(
      client.Take(),
      ElementsAre(System("system", "error", "The token provided is not a valid JWT"), kClosed));
  EXPECT_EQ(client.session.channels(), 1u);
  PublishBoth();
  EXPECT_THAT(client.Take(), IsEmpty());
}

TEST_F(RightsTest, AnotherUsersTokenIsRefused) {
  Client client(loop_);
  client.Join(kFollowTasks, TokenOf("ann"));
  client.Take();
  Renew(client, TokenOf("bob"));
  EXPECT_THAT(client.Take(),
              ElementsAre(System("system", "error", "The token belongs to another user"), kClosed));
  EXPECT_EQ(client.session.channels(), 0u);
}

TEST_F(RightsTest, WhoeverWasNobodyMayBecomeSomebody) {
  Client client(loop_);
  client.Join(kFollowTasks, MintFor(R"({"role":"anon","exp":1767326645})"));
  client.Take();
  PublishBoth();
  EXPECT_THAT(client.Take(), IsEmpty());
  Renew(client, TokenOf("bob"));
  EXPECT_THAT(client.Take(), ElementsAre(kSubscribed));
  PublishBoth();
  EXPECT_THAT(client.Take(), ElementsAre(HasSubstr(R"("owner":"bob")")));
}

TEST_F(RightsTest, AChannelOutlivesItsTokenByTheGrace) {
  Client client(loop_);
  client.Join(kFollowTasks, TokenOf("ann", kNow + 60));
  client.Take();
  loop_.Advance(seconds{60 + 25} - milliseconds{1});
  EXPECT_THAT(client.Take(), IsEmpty());
  loop_.Advance(milliseconds{301});
  EXPECT_THAT(client.Take(),
              ElementsAre(System("system", "error", "Token has expired 25 seconds ago"), kClosed));
  EXPECT_EQ(client.session.channels(), 0u);
  EXPECT_EQ(loop_.metrics.expired.value(), 1u);
  EXPECT_EQ(loop_.timers.armed(), 0u);
}

TEST_F(RightsTest, ATokenRenewedWithinTheGraceKeepsTheChannel) {
  Client client(loop_);
  client.Join(kFollowTasks, TokenOf("ann", kNow + 60));
  loop_.Advance(seconds{80});
  Renew(client, TokenOf("ann", kNow + 120));
  client.Take();
  loop_.Advance(seconds{60});
  EXPECT_THAT(client.Take(), IsEmpty());
  loop_.Advance(seconds{6});
  EXPECT_THAT(client.Take(), SizeIs(2));
}

TEST_F(RightsTest, EachChannelEndsWithItsOwnToken) {
  Client client(loop_);
  client.Join("{}", TokenOf("ann", kNow + 600));
  client.Say(R"(["2","2","realtime:b","phx_join",{"access_token":")" + TokenOf("ann", kNow + 60) +
             R"("}])");
  client.Take();
  loop_.Advance(seconds{90});
  EXPECT_THAT(client.Take(), ElementsAre(HasSubstr("Token has expired"), HasSubstr("realtime:b")));
  // The rest is waited for in pieces, each of which the wheel fires.
  for (int i = 0; i < 12; ++i) loop_.Advance(seconds{60});
  EXPECT_THAT(client.Take(), ElementsAre(HasSubstr("Token has expired"), kClosed));
}

TEST_F(RightsTest, AStepOfTheWallClockIsNoticedWithinMinutes) {
  Client client(loop_);
  client.Join("{}", TokenOf("ann"));
  client.Take();
  loop_.clock.StepWall(std::chrono::hours{2});
  loop_.Advance(std::chrono::minutes{5} + seconds{1});
  EXPECT_THAT(client.Take(), ElementsAre(HasSubstr("Token has expired"), kClosed));
}

TEST_F(RightsTest, ARoleWithoutExpiryNeverExpires) {
  Client client(loop_, protocol::Version::kV2, ClaimsOf("ann"));
  client.Join();
  client.Take();
  EXPECT_EQ(loop_.timers.armed(), 0u);
  loop_.Advance(std::chrono::hours{24});
  EXPECT_THAT(client.Take(), IsEmpty());
}

}  // namespace
}  // namespace tw::session
