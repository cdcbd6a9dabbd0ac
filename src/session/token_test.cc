// What a token's refresh, end or exchange does to a channel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "session/session.h"
#include "session/test_support.h"

namespace tw::session {
namespace {

using router::Task;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TokenTest : public ::testing::Test {
 protected:
  std::vector<std::string> Refresh(const std::string& token) {
    return client_.Say(R"(["1","9","realtime:a","access_token",{"access_token":")" + token +
                       R"("}])");
  }
  void Insert(int org) {
    loop_.commits.Insert(Task(++rows_, org));
    loop_.Commit();
  }

  TestLoop loop_;
  Client client_{loop_};
  int rows_ = 0;
};

constexpr const char* kSubscribed = "Subscribed to PostgreSQL";
constexpr const char* kClosed = R"(["1","1","realtime:a","phx_close",{}])";

TEST_F(TokenTest, ARefreshSubscribesAnewWithTheNewRights) {
  client_.Say(JoinTasks("1", "{}", loop_.Token(1, 3'600, "ada")));
  EXPECT_THAT(Refresh(loop_.Token(2, 3'600, "ada")), ElementsAre(HasSubstr(kSubscribed)));
  Insert(1);
  EXPECT_THAT(client_.transport.Take(), IsEmpty());
  Insert(2);
  EXPECT_THAT(client_.transport.Take(), SizeIs(1));
}

TEST_F(TokenTest, AnUnchangedOrOpaqueTokenIsIgnored) {
  const std::string token = loop_.Token(1);
  client_.Say(JoinTasks("1", "{}", token));
  EXPECT_THAT(Refresh(token), IsEmpty());
  EXPECT_THAT(Refresh("sb_publishable_x"), IsEmpty());
  EXPECT_THAT(client_.Say(R"(["1","9","realtime:a","access_token",{"access_token":null}])"),
              IsEmpty());
  EXPECT_THAT(client_.Say(R"(["0","9","realtime:a","access_token",{"access_token":"bad"}])"),
              IsEmpty());  // Of an older instance.
  EXPECT_EQ(client_.session.channels(), 1u);
}

TEST_F(TokenTest, ABadTokenEndsTheChannel) {
  client_.Say(JoinTasks("1"));
  EXPECT_THAT(Refresh("a.b.c"),
              ElementsAre(R"(["1",null,"realtime:a","system",{"extension":"system",)"
                          R"("status":"error","message":"The token provided is not a valid JWT",)"
                          R"("channel":"a"}])",
                          kClosed));
  EXPECT_EQ(client_.session.channels(), 0u);
  client_.Say(JoinTasks("1"));
  EXPECT_THAT(Refresh(loop_.Token(1, -3)),
              ElementsAre(HasSubstr("Token has expired 3 seconds ago"), kClosed));
  Insert(1);
  EXPECT_THAT(client_.transport.Take(), IsEmpty());
}

TEST_F(TokenTest, AnotherUsersTokenEndsTheChannel) {
  client_.Say(JoinTasks("1", "{}", loop_.Token(1, 3'600, "ada")));
  EXPECT_THAT(Refresh(loop_.Token(1, 3'600, "bob")),
              ElementsAre(HasSubstr("The token belongs to another user"), kClosed));
}

TEST_F(TokenTest, AChannelOutlivesItsTokenByTheGraceOnly) {
  client_.Say(JoinTasks("1", "{}", loop_.Token(1, 60)));
  loop_.Advance(seconds{84});
  EXPECT_THAT(client_.transport.Take(), IsEmpty());
  loop_.Advance(seconds{2});
  EXPECT_THAT(client_.transport.Take(),
              ElementsAre(AnyOf(HasSubstr("Token has expired 25 seconds ago"),
                                HasSubstr("Token has expired 26 seconds ago")),
                          kClosed));
  EXPECT_EQ(client_.session.channels(), 0u);
  EXPECT_EQ(loop_.session_metrics.expired.value(), 1u);
}

TEST_F(TokenTest, ARefreshWithinTheGraceKeepsTheChannel) {
  client_.Say(JoinTasks("1", "{}", loop_.Token(1, 60)));
  loop_.Advance(seconds{70});
  EXPECT_THAT(Refresh(loop_.Token(1, 3'600)), ElementsAre(HasSubstr(kSubscribed)));
  loop_.Advance(seconds{3'600});
  EXPECT_EQ(client_.session.channels(), 1u);
  loop_.Advance(seconds{30});
  EXPECT_EQ(client_.session.channels(), 0u);
}

TEST_F(TokenTest, OtherJoinsDoNotProlongAnEndedToken) {
  client_.Say(JoinTasks("1", "{}", loop_.Token(1, 60)));
  for (int i = 0; i < 5; ++i) {
    loop_.Advance(seconds{20});
    client_.Say(JoinTasks("2", "{}", loop_.Token(1), "realtime:b"));
  }
  EXPECT_EQ(client_.session.channels(), 1u);
  EXPECT_EQ(loop_.session_metrics.expired.value(), 1u);
}

TEST_F(TokenTest, OneChannelsEndLeavesTheOthers) {
  client_.Say(JoinTasks("1", "{}", loop_.Token(1, 60)));
  client_.Say(JoinTasks("2", "{}", loop_.Token(1, 7'200), "realtime:b"));
  loop_.Advance(seconds{90});
  EXPECT_EQ(client_.session.channels(), 1u);
  client_.transport.Take();
  Insert(1);
  EXPECT_THAT(client_.transport.Take(), ElementsAre(HasSubstr("realtime:b")));
}

TEST_F(TokenTest, AStepOfTheWallClockIsNoticed) {
  client_.Say(JoinTasks("1"));
  loop_.clock.StepWall(std::chrono::hours{2});
  loop_.Advance(std::chrono::minutes{6});
  EXPECT_EQ(client_.session.channels(), 0u);
}

}  // namespace
}  // namespace tw::session
