// Hooks over loopback: what senders are told, and what is kept.
#include <gmock/gmock.h>

#include <thread>

#include "app/test_server.h"

namespace tw::app {
namespace {

using ::testing::HasSubstr;

class ServerHooksTest : public ServerFixture {
 protected:
  // Waits until the query gives `wanted`; the last answer.
  int64_t WaitFor(std::string_view sql, int64_t wanted) {
    const auto until = SystemClock().Mono() + 10s;
    int64_t got = Query(sql);
    while (got != wanted && SystemClock().Mono() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
      got = Query(sql);
    }
    return got;
  }
};

std::string Replied(int lead, std::string_view workspace = "37") {
  const std::string id = std::to_string(lead);
  return R"({"event":{"type":"CONTACT_REPLIED","workspace_id":)" + std::string(workspace) +
         R"(},"data":{"lead":{"id":)" + id + R"(,"email":"lead)" + id +
         R"(@example.com"},"reply":{"id":)" + id + R"(,"date_received":"2026-01-02T03:04:05Z"}}})";
}

TEST_F(ServerHooksTest, AnAcceptedDeliveryIsAnsweredAsConfiguredAndApplied) {
  Start();
  const Answer answer = Ask(Post("/hooks/outreach/dev", Replied(1)));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"ok":true})");
  EXPECT_EQ(answer.Header("content-type"), "application/json");
  EXPECT_EQ(WaitFor("select count(*) from client_leads", 1), 1);
}

TEST_F(ServerHooksTest, AWrongTokenIs401TellsNothingAndIsKept) {
  Start();
  for (const char* path : {"/hooks/outreach/wrong", "/hooks/outreach/Dev", "/hooks/outreach/de",
                           "/hooks/outreach/devv"}) {
    const Answer answer = Ask(Post(path, Replied(1)));
    EXPECT_EQ(answer.status, 401) << path;
    EXPECT_EQ(answer.body.find("dev"), std::string::npos) << answer.body;
  }
  EXPECT_EQ(WaitFor("select count(*) from tidewire_refused", 4), 4);
  EXPECT_EQ(Query("select count(*) from client_leads"), 0);
}

TEST_F(ServerHooksTest, ABodyThatIsNoJsonIs400) {
  Start();
  for (const char* body : {"", "{", "hello", "{\"a\":\x01}"}) {
    EXPECT_EQ(Ask(Post("/hooks/outreach/dev", body)).status, 400) << body;
  }
}

TEST_F(ServerHooksTest, ATooLargeBodyIs413BeforeItIsSent) {
  Start();
  for (const char* headers :
       {"Content-Length: 1048577\r\n", "Content-Length: 18446744073709551615\r\n",
        "Content-Length: 1048577\r\nExpect: 100-continue\r\n"}) {
    TestClient client(port());
    const Answer answer = client.Ask("POST /hooks/outreach/dev HTTP/1.1\r\nHost: a\r\n" +
                                     std::string(headers) + "\r\n");
    EXPECT_EQ(answer.status, 413) << headers;
    EXPECT_TRUE(client.ReadsEnd());
  }
  TestClient chunked(port());
  EXPECT_EQ(chunked
                .Ask("POST /hooks/outreach/dev HTTP/1.1\r\nHost: a\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n100001\r\n")
                .status,
            413);
  // The largest body fits.
  std::string body = Replied(1);
  body.insert(body.size() - 1, std::string((1 << 20) - body.size(), ' '));
  EXPECT_EQ(Ask(Post("/hooks/outreach/dev", body)).status, 200);
}

TEST_F(ServerHooksTest, AChunkedBodyAnd100ContinueAreUnderstood) {
  Start();
  EXPECT_EQ(Ask("POST /hooks/outreach/dev HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                "\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")
                .status,
            200);
  TestClient client(port());
  const Answer go_on = client.Ask(
      "POST /hooks/outreach/dev HTTP/1.1\r\nHost: a\r\n"
      "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(go_on.status, 100);
  EXPECT_EQ(client.Ask("{}").status, 200);
}

TEST_F(ServerHooksTest, ManySendersAreAllAnsweredAndAppliedOnce) {
  limits().loops = 2;
  Start();
  constexpr int kSenders = 8;
  constexpr int kEach = 25;
  std::vector<std::thread> senders;
  std::atomic<int> accepted = 0;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      TestClient client(port());
      for (int i = 0; i < kEach; ++i) {
        const int lead = sender * kEach + i + 1;
        if (client.Ask(Post("/hooks/outreach/dev", Replied(lead))).status == 200) ++accepted;
      }
    });
  }
  for (auto& thread : senders) thread.join();
  EXPECT_EQ(accepted.load(), kSenders * kEach);
  EXPECT_EQ(WaitFor("select count(*) from client_leads", kSenders * kEach), kSenders * kEach);
  EXPECT_EQ(WaitFor("select sum(replies_mtd) from client_metrics", kSenders * kEach),
            kSenders * kEach);
}

// What was answered with 200 is applied, whatever comes after the answer.
TEST_F(ServerHooksTest, WhatWasAcceptedSurvivesARestart) {
  Start();
  for (int lead = 1; lead <= 20; ++lead) {
    ASSERT_EQ(Ask(Post("/hooks/outreach/dev", Replied(lead))).status, 200);
  }
  server_.reset();
  Start();
  EXPECT_EQ(WaitFor("select count(*) from client_leads", 20), 20);
}

TEST_F(ServerHooksTest, ASenderThatLeavesBeforeItsAnswerHarmsNobody) {
  Start();
  for (int lead = 1; lead <= 30; ++lead) {
    TestClient client(port());
    client.Send(Post("/hooks/outreach/dev", Replied(lead)));
  }
  EXPECT_EQ(Ask(Post("/hooks/outreach/dev", Replied(31))).status, 200);
  EXPECT_EQ(WaitFor("select count(*) from client_leads where lead_email = 'lead31@example.com'", 1),
            1);
}

}  // namespace
}  // namespace tw::app
