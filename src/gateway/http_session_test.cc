// Server-sent events and long polling over loopback: the same sessions, positions and verdicts as
// on a socket.
#include "gateway/http_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/poll_session.h"
#include "gateway/test_support.h"

namespace tw::gateway {
namespace {

using router::Task;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Encode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char byte : text) {
    out += {'%', kDigits[static_cast<uint8_t>(byte) >> 4], kDigits[static_cast<uint8_t>(byte) & 15]};
  }
  return out;
}

// The text between `before` and the next '"'.
std::string Quoted(std::string_view text, std::string_view before) {
  const size_t at = text.find(before);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + before.size());
  return std::string(rest.substr(0, rest.find('"')));
}

class HttpSessionTest : public ::testing::Test {
 protected:
  std::string Token(int organization = 1) { return gateway_.services.Token(organization); }
  std::string Join() { return "&join=" + Encode(session::JoinTasks("1")); }
  std::string Sse(std::string_view more = "", std::string_view headers = "") {
    return Get("/realtime/v1/sse?vsn=2.0.0&apikey=" + Token() + std::string(more), headers);
  }
  std::string Poll(std::string_view more) {
    return Get("/realtime/v1/poll?vsn=2.0.0&apikey=" + Token() + std::string(more));
  }
  std::string PostTo(std::string_view path, std::string_view session, std::string_view body,
                     int organization = 1) {
    TestClient client(gateway_.port());
    client.Send(Post(std::string(path) + "?session=" + std::string(session) +
                         "&apikey=" + Token(organization),
                     body));
    return client.Response();
  }
  void Insert(int id) {
    gateway_.OnLoop([&] {
      gateway_.services.commits.Insert(Task(id, 1, "open", "t" + std::to_string(id)));
      gateway_.services.Commit();
    });
  }

  TestGateway gateway_;
};

TEST_F(HttpSessionTest, AnEventSourceJoinsGetsChangesAndResumesAtItsLastEventId) {
  gateway_.Start();
  std::string id;
  {
    TestClient client(gateway_.port());
    client.Send(Sse(Join()));
    EXPECT_THAT(client.Until("\r\n\r\n"),
                AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("text/event-stream"),
                      HasSubstr("Access-Control-Allow-Origin: *")));
    EXPECT_THAT(client.Until("\n\n"), HasSubstr("event: session\ndata: {\"session\":\"0-"));
    EXPECT_THAT(client.Until("\n\n"), HasSubstr("phx_reply"));
    EXPECT_THAT(client.Until("\n\n"), HasSubstr("Subscribed to PostgreSQL"));
    EXPECT_THAT(client.Until("\n\n"), StartsWith("id: "));
    Insert(1);
    EXPECT_THAT(client.Until("\n\n"), HasSubstr("\"t1\""));
    id = client.Until("\n\n");
    ASSERT_THAT(id, StartsWith("id: "));
  }
  Insert(2);
  TestClient again(gateway_.port());
  again.Send(Sse(Join(), "Last-Event-ID: " + id.substr(4, id.size() - 6) + "\r\n"));
  (void)again.Until("\r\n\r\n");
  (void)again.Until("\n\n");
  EXPECT_THAT(again.Until("\n\n"), HasSubstr("\"recovered\":true"));
  EXPECT_THAT(again.Until("\n\n"), AllOf(HasSubstr("\"t2\""), Not(HasSubstr("\"t1\""))));
  EXPECT_THAT(again.Until("\n\n"), HasSubstr("caught_up"));
}

TEST_F(HttpSessionTest, TransportsAreSwitchedAtThePosition) {
  gateway_.Start();
  // A socket's position …
  TestClient socket(gateway_.port());
  socket.Upgrade(Token());
  socket.Send(websocket::Masked(0x81, session::JoinTasks("1")));
  const std::string position = Quoted(socket.Event(), "\"position\":\"");
  ASSERT_NE(position, "");
  Insert(1);
  // … goes on with polling …
  TestClient poll(gateway_.port());
  poll.Send(Poll(Join() + "&last_event_id=" + Encode(position)));
  const std::string first = poll.Response();
  EXPECT_THAT(first, AllOf(HasSubstr("\"recovered\":true"), HasSubstr("\"t1\"")));
  const std::string next = Quoted(first, "],\"position\":\"");
  Insert(2);
  // … and that with events.
  TestClient sse(gateway_.port());
  sse.Send(Sse(Join() + "&last_event_id=" + Encode(next)));
  (void)sse.Until("\r\n\r\n");
  EXPECT_THAT(sse.Until("caught_up"),
              AllOf(HasSubstr("\"recovered\":true"), HasSubstr("\"t2\""), Not(HasSubstr("\"t1\""))));
}

TEST_F(HttpSessionTest, WhatIsPostedIsSaidByTheSession) {
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(Sse());
  (void)client.Until("\r\n\r\n");
  const std::string session = Quoted(client.Until("\n\n"), "{\"session\":\"");
  const std::string two = std::string(R"([null,"7","phoenix","heartbeat",{}])") + "\n\r\n" +
                          session::JoinTasks("1") + "\n";
  EXPECT_EQ(StatusOf(PostTo("/realtime/v1/sse", session, two)), 202);
  EXPECT_THAT(client.Until("\n\n"), HasSubstr(R"([null,"7","phoenix","phx_reply")"));
  EXPECT_THAT(client.Until("\n\n"), HasSubstr("postgres_changes"));
}

TEST_F(HttpSessionTest, ASessionIsItsOwnersOnly) {
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(Sse());
  (void)client.Until("\r\n\r\n");
  const std::string session = Quoted(client.Until("\n\n"), "{\"session\":\"");
  EXPECT_EQ(StatusOf(PostTo("/realtime/v1/sse", session, "x", 2)), 403);
  for (const char* other : {"", "0-", "0-0123456789abcdef0123456789abcdef", "9-x", "-", "1e3-a",
                            "7-0123456789abcdef0123456789abcdef"}) {
    EXPECT_EQ(StatusOf(PostTo("/realtime/v1/sse", other, "x")), 404) << other;
  }
  TestClient nobody(gateway_.port());
  nobody.Send(Post("/realtime/v1/sse?session=" + session, "x"));
  EXPECT_EQ(StatusOf(nobody.Response()), 401);
  // It ends with its stream.
  client.Close();
  while (gateway_.gateway_metrics.realtime_connections.value() > 0) std::this_thread::yield();
  EXPECT_EQ(StatusOf(PostTo("/realtime/v1/sse", session, "x")), 404);
}

TEST_F(HttpSessionTest, OpeningIsJudgedAsOnASocket) {
  gateway_.limits.allowed_origins = {"https://app.example.com"};
  gateway_.Start();
  for (const char* path : {"/realtime/v1/sse", "/realtime/v1/poll"}) {
    const auto status = [&](const std::string& query, std::string_view headers = "") {
      TestClient client(gateway_.port());
      client.Send(Get(path + query, headers));
      return StatusOf(client.Until("\r\n\r\n"));
    };
    EXPECT_EQ(status(""), 401);
    EXPECT_EQ(status("?apikey=x.y.z"), 401);
    EXPECT_EQ(status("?vsn=3.0.0&apikey=" + Token()), 403);
    EXPECT_EQ(status("?apikey=" + Token()), 200);
    EXPECT_EQ(status("?apikey=" + Token(), "Origin: https://app.example.com\r\n"), 200);
    EXPECT_EQ(status("?apikey=" + Token(), "Origin: https://evil.example\r\n"), 403);
    EXPECT_EQ(status("?apikey=" + Token(), "Cookie: a=b\r\n"), 403);
    EXPECT_EQ(status("", "Authorization: Bearer " + Token() + "\r\n"), 200);
  }
}

TEST_F(HttpSessionTest, GarbageAsLastEventIdIsAnUnknownPosition) {
  gateway_.Start();
  for (const char* id : {"x", "1", "1:2:3", "-1:-1", "99999999999999999999:1"}) {
    TestClient client(gateway_.port());
    client.Send(Sse(Join(), "Last-Event-ID: " + std::string(id) + "\r\n"));
    (void)client.Until("\r\n\r\n");
    EXPECT_THAT(client.Until("Subscribed"), HasSubstr("\"recovered\":false")) << id;
  }
  TestClient client(gateway_.port());
  client.Send(Sse("", "Last-Event-ID: " + std::string(1 << 20, '1') + "\r\n"));
  EXPECT_EQ(StatusOf(client.Until("\r\n\r\n")), 431);
}

TEST_F(HttpSessionTest, APollWaitsAndALostAnswerIsRepeatedUnderItsNumbers) {
  gateway_.Start();
  TestClient opening(gateway_.port());
  opening.Send(Poll(Join()));
  const std::string opened = opening.Response();
  EXPECT_THAT(opened, AllOf(HasSubstr("\"first\":1,\"seq\":2"), HasSubstr("phx_reply")));
  const std::string session = Quoted(opened, "{\"session\":\"");
  TestClient waiting(gateway_.port());
  waiting.Send(Poll("&session=" + session + "&ack=2"));
  while (gateway_.gateway_metrics.requests.value() < 2) std::this_thread::yield();
  Insert(1);
  const std::string answer = waiting.Response();
  EXPECT_THAT(answer, AllOf(HasSubstr("\"first\":3,\"seq\":3"), HasSubstr("\"t1\"")));
  // As if it had been lost: the same ack gets the same again.
  waiting.Send(Poll("&session=" + session + "&ack=2"));
  EXPECT_THAT(waiting.Response(), AllOf(HasSubstr("\"first\":3,\"seq\":3"), HasSubstr("\"t1\"")));
  waiting.Send(Poll("&session=" + session + "&ack=3"));
  while (gateway_.gateway_metrics.requests.value() < 4) std::this_thread::yield();
  Insert(2);
  EXPECT_THAT(waiting.Response(),
              AllOf(HasSubstr("\"first\":4"), HasSubstr("\"t2\""), Not(HasSubstr("\"t1\""))));
  EXPECT_EQ(StatusOf(PostTo("/realtime/v1/poll", session, R"([null,"9","phoenix","heartbeat",{}])")),
            202);
  waiting.Send(Poll("&session=" + session + "&ack=4"));
  EXPECT_THAT(waiting.Response(), HasSubstr("\"9\",\"phoenix\",\"phx_reply\""));
  waiting.Send(Poll("&session=" + session + "&ack=x"));
  EXPECT_EQ(StatusOf(waiting.Response()), 400);
}

TEST_F(HttpSessionTest, APollMaySayHowLongItWaitsAndHowLongTheSessionIsKept) {
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(Poll(Join()));
  const std::string session = Quoted(client.Response(), "{\"session\":\"");
  // Nothing to tell: with wait=0 the answer comes at once all the same, with the position.
  client.Send(Poll("&session=" + session + "&ack=2&wait=0&keep=0"));
  EXPECT_THAT(client.Response(), AllOf(HasSubstr("\"messages\":[]"), HasSubstr("\"position\"")));
  // It was not to be kept.
  for (bool kept = true; kept;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    gateway_.OnLoop([&] { kept = gateway_.gateway_metrics.realtime_connections.value() > 0; });
  }
  for (const char* bad : {"wait=26", "wait=-1", "wait=1.5", "keep=301", "keep=x"}) {
    client.Send(Poll("&session=" + session + "&ack=2&" + bad));
    EXPECT_EQ(StatusOf(client.Response()), 400) << bad;
  }
}

TEST_F(HttpSessionTest, APollingClientThatWasBehindGetsTheRestFromTheLog) {
  gateway_.limits.outbox_bytes_max = 64 * 1024;
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(Poll(Join()));
  std::string answer = client.Response();
  const std::string session = Quoted(answer, "{\"session\":\"");
  gateway_.OnLoop([&] {
    for (int i = 1; i <= 100; ++i) {
      gateway_.services.commits.Insert(Task(i, 1, "open", std::string(2'000, 'x')));
    }
    gateway_.services.Commit();
  });
  int next = 1;
  while (answer.find("caught_up") == std::string::npos) {
    const size_t seq = answer.find("\"seq\":");
    ASSERT_NE(seq, std::string::npos) << answer;
    client.Send(Poll("&session=" + session + "&ack=" +
                     std::to_string(std::atoi(answer.c_str() + seq + 6))));
    answer = client.Response();
    for (size_t at = 0; (at = answer.find("\"record\":{\"id\":", at)) != std::string::npos; ++at) {
      EXPECT_EQ(std::atoi(answer.c_str() + at + 15), next++);
    }
  }
  EXPECT_EQ(next, 101);
  EXPECT_EQ(gateway_.gateway_metrics.slow_consumers.value(), 0u);
}

TEST_F(HttpSessionTest, APollingClientThatDoesNotAskIsClosedAndItsMemoryFreed) {
  gateway_.limits.outbox_bytes_max = 64 * 1024;
  gateway_.services.limits.slow = protocol::SlowPolicy::kCut;
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(Poll(Join()));
  const std::string session = Quoted(client.Response(), "{\"session\":\"");
  gateway_.OnLoop([&] {
    for (int i = 1; i <= 100; ++i) {
      gateway_.services.commits.Insert(Task(i, 1, "open", std::string(2'000, 'x')));
    }
    gateway_.services.Commit();
  });
  EXPECT_EQ(gateway_.gateway_metrics.slow_consumers.value(), 1u);
  client.Send(Poll("&session=" + session + "&ack=2"));
  EXPECT_THAT(client.Response(), HasSubstr("\"closed\":{\"code\":1013"));
  client.Send(Poll("&session=" + session + "&ack=2"));
  EXPECT_EQ(StatusOf(client.Response()), 404);
}

TEST_F(HttpSessionTest, ADrainTellsBothKindsAndRefusesNewOnes) {
  gateway_.Start();
  TestClient sse(gateway_.port());
  sse.Send(Sse(Join()));
  (void)sse.Until("Subscribed");
  TestClient poll(gateway_.port());
  poll.Send(Poll(Join()));
  const std::string session = Quoted(poll.Response(), "{\"session\":\"");
  gateway_.OnLoop([&] { gateway_.gateway->BeginDrain(std::chrono::milliseconds{0}); });
  EXPECT_THAT(sse.Until("\"code\":1012"), HasSubstr("Server requested disconnect"));
  EXPECT_TRUE(sse.Ends());
  // The drain closes idle requests' connections: the client asks on a new one.
  TestClient again(gateway_.port());
  again.Send(Poll("&session=" + session + "&ack=2"));
  EXPECT_THAT(again.Response(),
              AllOf(HasSubstr("Server requested disconnect"), HasSubstr("\"closed\":{\"code\":1012")));
  TestClient late(gateway_.port());
  late.Send(Sse());
  EXPECT_THAT(late.Response(), AllOf(HasSubstr("503"), HasSubstr("Retry-After")));
}

}  // namespace
}  // namespace tw::gateway
