// Abuse cases 20 to 51, as far as they are the transports' and the protocol's: each against a whole
// server over loopback, behind authentication. What a frame sent before the handshake gets is in
// abuse_http_test.cc; the table of conversations (20 to 24, 27, 28, 30, 33) also runs in
// gateway/conformance_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "app/abuse_support.h"
#include "crypto/encoding.h"
#include "websocket/deflate.h"
#include "websocket/testing_cases.h"

namespace tw::app {
namespace {

using namespace std::chrono_literals;
using websocket::kLast;
using websocket::kMiddle;
using websocket::kPing;
using websocket::kPong;
using websocket::kText;
using websocket::kTextStart;
using websocket::Masked;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kHeartbeat = R"([null,"7","phoenix","heartbeat",{}])";

class AbuseWebSocketTest : public AbuseFixture {
 protected:
  void TearDown() override {
    ExpectOthersServed();
    ExpectConnectionsGone();
  }
  // The code of the close frame that comes, after other frames; -1 when the stream just ends.
  static int CloseCode(TestClient& client) {
    for (;;) {
      const Frame frame = client.ReadFrame();
      if (frame.opcode < 0) return -1;
      if (frame.opcode == 8) return frame.close_code();
    }
  }
  int CloseCodeOf(std::string_view bytes) {
    const auto client = Open();
    client->Send(bytes);
    return CloseCode(*client);
  }
  // The client is still served: what was sent to it before ends with the heartbeat's reply.
  static std::string AliveAfter(TestClient& client) {
    client.SendText(kHeartbeat);
    std::string all;
    for (;;) {
      const Frame frame = client.ReadFrame();
      if (frame.opcode < 0 || frame.opcode == 8) return "GONE " + all;
      all += frame.payload + "\n";
      if (frame.payload.starts_with(R"([null,"7","phoenix","phx_reply")")) return all;
    }
  }
};

TEST_F(AbuseWebSocketTest, EveryConversationOfTheTableEndsAsItSays) {
  Start();
  for (const auto& test : websocket::AllCases()) {
    const std::string& last = test.events.empty() ? "" : test.events.back();
    if (!last.starts_with("error:")) continue;
    EXPECT_EQ(CloseCodeOf(test.stream), std::atoi(last.c_str() + 6)) << test.name;
  }
}

TEST_F(AbuseWebSocketTest, Case24AnAnnouncedLengthAllocatesNothing) {
  Start();
  ExpectOthersServed();
  const size_t before = ResidentBytes();
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(Open());
    clients.back()->Send(websocket::Announce(0x82, 4'999'999));  // Within the limit, never sent.
  }
  ExpectOthersServed();
  EXPECT_LT(ResidentBytes(), before + (16u << 20));
}

TEST_F(AbuseWebSocketTest, Case25AMillionFragmentsEndAtTheLimit) {
  Start();
  for (const std::string_view payload : {"", "x"}) {
    const auto client = Open();
    std::string batch;
    for (int i = 0; i < 10'000; ++i) batch += Masked(kMiddle, payload);
    client->Send(Masked(kTextStart, payload));
    bool open = true;
    for (int i = 0; i < 100 && open; ++i) open = client->Send(batch);
    const int code = CloseCode(*client);
    // The close frame may be lost behind our own bytes, which the server no longer reads.
    EXPECT_TRUE(code == 1008 || code == -1) << code;
  }
  EXPECT_EQ(Metric("tidewire_gateway_protocol_errors_total"), 2);
}

TEST_F(AbuseWebSocketTest, Case26AMessageThatNeverEndsEndsItsConnection) {
  limits().message_timeout = 1s;
  Start();
  const auto client = Open();
  int code = 0;
  std::thread reader([&] { code = CloseCode(*client); });
  client->Send(Masked(kTextStart, "a"));
  for (int i = 0; i < 40 && code == 0; ++i) {
    std::this_thread::sleep_for(50ms);
    if (!client->Send(Masked(kMiddle, "a"))) break;
  }
  reader.join();
  EXPECT_EQ(code, 1008);
}

TEST_F(AbuseWebSocketTest, Case29ABombIsStoppedAtTheLimit) {
  configuration_.main.server.compression.enabled = true;
  configuration_.main.server.compression.expanded_max = config::MiB(1);
  Start();
  ExpectOthersServed();
  std::string bomb(websocket::Deflater(9, 15).Compress(std::string(256u << 20, '\0')));
  const size_t before = ResidentBytes();
  for (const bool fragmented : {false, true}) {
    TestClient client(port());
    ASSERT_EQ(client.Ask(Upgrade(TokenOf("anon"), "Sec-WebSocket-Extensions: permessage-deflate\r\n"))
                  .status, 101);
    if (fragmented) {
      client.Send(Masked(0x42, bomb.substr(0, 1'000)) + Masked(kMiddle, bomb.substr(1'000, 60'000)));
    } else {
      client.Send(Masked(0xc2, bomb));
    }
    EXPECT_EQ(CloseCode(client), 1009);
  }
  ExpectOthersServed();
  EXPECT_LT(ResidentBytes(), before + (8u << 20));
}

TEST_F(AbuseWebSocketTest, Case31APingFloodIsClosedAndCase32PongsAreCounted) {
  Start();
  const auto pinger = Open();
  std::string flood;
  for (int i = 0; i < 1'000; ++i) flood += Masked(kPing, "flood");
  pinger->Send(flood);
  EXPECT_EQ(CloseCode(*pinger), 1008);
  const auto ponger = Open();
  std::string pongs;
  for (int i = 0; i < 10'000; ++i) pongs += Masked(kPong, "");
  ponger->Send(pongs);
  EXPECT_THAT(AliveAfter(*ponger), HasSubstr("phx_reply"));
  EXPECT_EQ(Metric("tidewire_gateway_unasked_pongs_total"), 10'000);
}

TEST_F(AbuseWebSocketTest, Case34WhatComesBehindACloseIsDiscardedAndTheSocketEnds) {
  Start();
  const auto client = Open();
  client->Send(websocket::CloseWith(1000));
  const auto until = SystemClock().Mono() + 5s;
  bool open = true;
  while (open && SystemClock().Mono() < until) open = client->Send(Masked(kText, kHeartbeat));
  EXPECT_FALSE(open) << "still open after 5 s";
}

TEST_F(AbuseWebSocketTest, Case35WhoNeverClosesAndNeverReadsIsClosedByTime) {
  Start();
  const auto client = Open(4'096);
  client->Send(Masked(kText, "\xff"));  // 1007; the client does not answer and does not read.
  ExpectOthersServed();
  ExpectConnectionsGone();
}

TEST_F(AbuseWebSocketTest, Case37TheFirstFrameMayComeWithTheHandshakeOrByteByByte) {
  Start();
  const std::string bytes = Upgrade(TokenOf("anon")) + Masked(kText, kHeartbeat);
  TestClient one(port());
  one.Send(bytes);
  EXPECT_EQ(one.ReadAnswer().status, 101);
  EXPECT_THAT(one.ReadFrame().payload, HasSubstr("phx_reply"));
  TestClient many(port());
  many.SendByteByByte(bytes);
  EXPECT_EQ(many.ReadAnswer().status, 101);
  EXPECT_THAT(many.ReadFrame().payload, HasSubstr("phx_reply"));
}

TEST_F(AbuseWebSocketTest, Case38StrangeJsonIsDroppedOrTakenAndTheSocketStays) {
  Start();
  std::string keys = "{";
  for (int i = 0; i < 100'000; ++i) keys += "\"k" + std::to_string(i) + "\":1,";
  keys += "\"k\":1}";
  const auto message = [](std::string_view payload) {
    return R"(["1","1","realtime:x","phx_join",)" + std::string(payload) + "]";
  };
  for (const std::string& text :
       {message(std::string(10'000, '[') + std::string(10'000, ']')),
        message("{\"" + std::string(1 << 20, 'k') + "\":1}"), message(keys),
        message(R"({"config":{},"config":{"private":false}})"), message(R"({"a":1e999})"),
        message(R"({"a":-0,"b":18446744073709551616,"c":1e-999})"), message(R"({"a":"\ud800"})"),
        "\xef\xbb\xbf" + message("{}"), std::string("{\"a\":"), std::string("[]"),
        std::string("null"), std::string("0"), std::string("\"\"")}) {
    const auto client = Open();
    client->SendText(text);
    EXPECT_THAT(AliveAfter(*client), Not(HasSubstr("GONE"))) << text.substr(0, 60);
  }
}

TEST_F(AbuseWebSocketTest, Case40TenThousandJoinsMeetTheLimitAndTheSocketStays) {
  limits().outbox_max = config::MiB(8);
  Start();
  const auto client = Open();
  std::thread writer([&] {
    for (int i = 0; i < 10'000; ++i) {
      const std::string n = std::to_string(i);
      client->SendText("[\"" + n + "\",\"" + n + "\",\"realtime:t" + n + "\",\"phx_join\",{}]");
    }
  });
  int joined = 0, refused = 0;
  while (joined + refused < 10'000) {
    const Frame frame = client->ReadFrame();
    ASSERT_GE(frame.opcode, 0);
    if (frame.payload.find("phx_reply") == std::string::npos) continue;
    const bool ok = frame.payload.find("\"status\":\"ok\"") != std::string::npos;
    ++(ok ? joined : refused);
  }
  writer.join();
  EXPECT_EQ(joined, 100);
  EXPECT_EQ(Metric("tidewire_session_channels"), 100);
}

TEST_F(AbuseWebSocketTest, Case41StrangeTopicsGetAnErrorAndLeakNothing) {
  Start();
  const auto listener = Open();
  listener->SendText(R"(["1","1","realtime:room","phx_join",{}])");
  EXPECT_THAT(listener->ReadFrame().payload, HasSubstr("\"ok\""));
  const auto client = Open();
  for (const std::string& topic :
       {std::string(""), std::string("room"), std::string("realtime:"), "realtime:" + std::string(10'000, 'x'),
        std::string("realtime:a\\u0000b"), std::string("realtime:a\\r\\nb"), std::string("$sys.x"),
        std::string("phoenix2")}) {
    client->SendText("[\"1\",\"1\",\"" + topic + "\",\"phx_join\",{}]");
    const std::string seen = AliveAfter(*client);
    EXPECT_THAT(seen, Not(HasSubstr("GONE"))) << topic.substr(0, 40);
    EXPECT_THAT(seen, Not(HasSubstr("\"status\":\"ok\",\"response\":{\"postgres"))) << topic.substr(0, 40);
  }
  // No folding: a star, another case and a look-alike are topics of their own.
  int ref = 10;
  for (const char* topic : {"realtime:*", "realtime:ROOM", "realtime:r\u043e\u043em", "realtime:room "}) {
    const std::string r = std::to_string(++ref);
    client->SendText("[\"" + r + "\",\"" + r + "\",\"" + topic + "\",\"phx_join\",{}]");
    client->SendText("[\"" + r + "\",\"" + r + "\",\"" + topic +
                     "\",\"broadcast\",{\"type\":\"broadcast\",\"event\":\"e\",\"payload\":{}}]");
    EXPECT_THAT(AliveAfter(*client), Not(HasSubstr("GONE")));
  }
  EXPECT_THAT(AliveAfter(*listener), Not(HasSubstr("broadcast")));
}

TEST_F(AbuseWebSocketTest, Case42MessagesForNoChannelGetAnErrorAndStaleOnesNothing) {
  Start();
  const auto client = Open();
  client->SendText(R"(["1","2","realtime:none","broadcast",{"event":"e"}])");
  EXPECT_THAT(AliveAfter(*client), HasSubstr("unmatched topic"));
  client->SendText(R"(["1","1","realtime:room","phx_join",{"config":{"broadcast":{"self":true}}}])");
  client->SendText(R"(["0","3","realtime:room","broadcast",{"type":"broadcast","event":"stale"}])");
  EXPECT_THAT(AliveAfter(*client), Not(HasSubstr("stale")));
  client->SendText(R"(["1","4","realtime:room","phx_leave",{}])");
  client->SendText(R"(["1","5","realtime:room","broadcast",{"type":"broadcast","event":"late"}])");
  EXPECT_THAT(AliveAfter(*client), HasSubstr("unmatched topic"));
}

TEST_F(AbuseWebSocketTest, Case43JoiningAndLeavingInALoopLeavesNothing) {
  limits().outbox_max = config::MiB(64);
  Start();
  const auto client = Open();
  std::thread writer([&] {
    for (int i = 0; i < 5'000; ++i) {
      client->SendText(R"(["1","1","realtime:a","phx_join",{"config":{"postgres_changes":)"
                       R"([{"event":"*","schema":"public","table":"notes"}]}}])");
      client->SendText(R"(["1","2","realtime:a","phx_leave",{}])");
    }
    client->SendText(kHeartbeat);
  });
  for (Frame frame = client->ReadFrame(); frame.payload.find("heartbeat") == std::string::npos;
       frame = client->ReadFrame()) {
    if (frame.opcode != 1 || frame.payload.starts_with(R"([null,"7","phoenix")")) break;
  }
  writer.join();
  EXPECT_EQ(Metric("tidewire_session_channels"), 0);
}

TEST_F(AbuseWebSocketTest, Case44ABroadcastIsTakenAtTheLimitAndRefusedOneByteAbove) {
  Start();
  const auto client = Open();
  client->SendText(R"(["1","1","realtime:a","phx_join",{"config":{"broadcast":{"ack":true}}}])");
  (void)AliveAfter(*client);
  const std::string head = R"({"type":"broadcast","event":"e","payload":{"x":")", tail = "\"}}";
  for (const size_t over : {0u, 1u}) {
    const std::string payload =
        head + std::string(3'000'500 - head.size() - tail.size() + over, 'x') + tail;
    client->SendText(R"(["1","2","realtime:a","broadcast",)" + payload + "]");
    const std::string seen = AliveAfter(*client);
    EXPECT_THAT(seen, HasSubstr(over == 0 ? R"("status":"ok")" : "payload_size_exceeded"));
  }
}

TEST_F(AbuseWebSocketTest, Case47And48FiltersAreRefusedAtTheJoinOrTakenAsValues) {
  Start();
  std::string terms, list = "in.(";
  for (int i = 0; i < 10'000; ++i) terms += "id=eq.1,";
  for (int i = 0; i < 50'000; ++i) list += "1,";
  for (const std::string& filter :
       {terms + "id=eq.1", "id=" + list + "1)", std::string("id=eq.x"), std::string("nothing=eq.1"),
        std::string("id"), std::string("=eq.1"), std::string("id=bad.1"),
        "id=" + std::string(3'000, '(')}) {
    const auto client = Open();
    client->SendText(R"(["1","1","realtime:a","phx_join",{"config":{"postgres_changes":[{"event":"*",)"
                     R"("schema":"public","table":"notes","filter":")" + filter + R"("}]}}])");
    EXPECT_THAT(AliveAfter(*client), HasSubstr("\"status\":\"error\"")) << filter.substr(0, 40);
  }
  for (const std::string filter :
       {"title=eq.'; drop table notes; --", "title=match.(a+)+$", "title=eq.\\\" or 1=1"}) {
    const auto client = Open();
    client->SendText(R"(["1","1","realtime:a","phx_join",{"config":{"postgres_changes":[{"event":"*",)"
                     R"("schema":"public","table":"notes","filter":")" + filter + R"("}]}}])");
    EXPECT_THAT(AliveAfter(*client), Not(HasSubstr("GONE"))) << filter;
  }
  for (const char* table : {"notes\\\"; drop table notes; --", "notes'", "tidewire_log", "sqlite_master"}) {
    const auto client = Open();
    client->SendText(std::string(R"(["1","1","realtime:a","phx_join",{"config":{"postgres_changes":)") +
                     R"([{"event":"*","schema":"public","table":")" + table + R"("}]}}])");
    EXPECT_THAT(AliveAfter(*client), HasSubstr("Unable to subscribe")) << table;
  }
  EXPECT_EQ(Query("select count(*) from notes"), 3);
}

TEST_F(AbuseWebSocketTest, Case49PositionsThatCannotBeAreNotRecovered) {
  Start();
  for (const char* since :
       {"0000000000000001:0", "x", "-1", ":", "1:-1", "18446744073709551616:1",
        "0000000000000001:18446744073709551615", "0000000000000001:99999999999999999999"}) {
    const auto client = Open();
    client->SendText(std::string(R"(["1","1","realtime:a","phx_join",{"config":{"tidewire":{"since":")") +
                     since + R"("}}}])");
    std::string reply;
    do reply = client->ReadFrame().payload;
    while (!reply.empty() && reply.find("phx_reply") == std::string::npos);
    EXPECT_THAT(reply, HasSubstr("\"recovered\":false")) << since;
  }
}

TEST_F(AbuseWebSocketTest, Case52To63BadTokensAreRefusedEverywhere) {
  Start();
  const std::string good = TokenOf("anon");
  const std::string tail = good.substr(good.find('.'));
  std::vector<std::string> bad = {"x", "a.b.c", "..", good + "x", good.substr(1),
                                  std::string(20'000, 'a'), "sb_secret_unknown"};
  for (const char* header :
       {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"NONE"})", R"({})", R"({"alg":["HS256"]})",
        R"({"alg":"RS256"})", R"({"alg":"ES256"})", R"({"alg":"HS512"})",
        R"({"alg":"HS256","kid":"../../dev/null"})", R"({"alg":"HS256","jku":"http://127.0.0.1:1/"})"}) {
    bad.push_back(crypto::EncodeBase64Url(header) + tail);
  }
  for (const std::string& token : bad) {
    EXPECT_EQ(Ask(Upgrade(token)).status / 100, 4) << token.substr(0, 60);
    EXPECT_EQ(Ask(Get("/rest/v1/notes", Bearer(token))).status / 100, 4) << token.substr(0, 60);
    EXPECT_EQ(Ask(Get("/realtime/v1/sse?apikey=" + token)).status / 100, 4) << token.substr(0, 60);
  }
  for (int i = 0; i < 2'000; ++i) {  // 63, in small: each is refused, none is worth a log line.
    ASSERT_EQ(Ask(Get("/rest/v1/notes", Bearer("bad." + std::to_string(i) + ".token"))).status, 401);
  }
}

TEST_F(AbuseWebSocketTest, Case61AnotherUsersTokenEndsTheChannel) {
  Start();
  const auto client = Open();
  client->SendText(R"(["1","1","realtime:a","phx_join",{"access_token":")" +
                   TokenOf("authenticated", "alice") + R"("}])");
  (void)AliveAfter(*client);
  client->SendText(R"(["1","2","realtime:a","access_token",{"access_token":")" +
                   TokenOf("authenticated", "bob") + R"("}])");
  EXPECT_THAT(AliveAfter(*client), HasSubstr("phx_close"));
}

TEST_F(AbuseWebSocketTest, Case77TextsCannotMakeEventsOfTheirOwn) {
  Start();
  TestClient reader(port());
  const std::string join = "%5B%221%22%2C%221%22%2C%22realtime%3Aroom%22%2C%22phx_join%22%2C%7B%7D%5D";
  ASSERT_EQ(reader.AskHead(Get("/realtime/v1/sse?vsn=2.0.0&apikey=" + TokenOf("anon") + "&join=" + join)),
            200);
  (void)reader.ReadUntil("phx_reply");
  const auto sender = Open();
  sender->SendText(R"(["1","1","realtime:room","phx_join",{}])");
  (void)AliveAfter(*sender);
  // As text, and as a binary push whose JSON holds raw line ends between its tokens.
  sender->SendText(R"(["1","2","realtime:room","broadcast",{"type":"broadcast","event":"a\r\n\r\nevent: evil)"
                   R"(\r\ndata: x","payload":{"\u2028":"\u0000\r\n"}}])");
  const std::string payload = "{\r\n\r\n\"event\":\n\n\"id: 666\"\r,\"a\":1}";
  std::string push("\x03\x01\x01\x0d\x01\x00\x01" "11realtime:rooma", 23);
  sender->SendFrame(websocket::Opcode::kBinary, push + payload);
  sender->SendText(R"(["1","9","realtime:room","broadcast",{"type":"broadcast","event":"last"}])");
  const std::string seen = reader.ReadUntil("\"last\"");
  EXPECT_THAT(seen, Not(HasSubstr("\r")));
  size_t at = 0;
  while (at < seen.size()) {  // Every line begins as one of ours.
    const size_t end = std::min(seen.find('\n', at), seen.size());
    const std::string line = seen.substr(at, end - at);
    EXPECT_TRUE(line.empty() || line.starts_with("data: ") || line.starts_with("id: 0") ||
                line.starts_with("id: ") || line.starts_with(":") || line.starts_with("\""))
        << line;
    EXPECT_FALSE(line.starts_with("id: 666"));
    EXPECT_FALSE(line.starts_with("event: evil"));
    at = end + 1;
  }
}

}  // namespace
}  // namespace tw::app
