// Abuse cases 1 to 19 (HTTP and the handshake), each against a whole server over loopback; 14 is in
// server_test.cc, 17 (TLS) in io/tls_test.cc and tests/component/drain.test.mjs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <thread>
#include <vector>

#include "app/abuse_support.h"

namespace tw::app {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class AbuseHttpTest : public AbuseFixture {
 protected:
  void TearDown() override {
    if (server_ != nullptr) ExpectOthersServed();
  }
};

struct Case {
  const char* name;
  std::string bytes;
  std::vector<int> statuses;  // Any of them.
};

std::string Chunked(std::string_view chunks) {
  return "POST /hooks/outreach/dev HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
         std::string(chunks);
}

// A second request behind a broken one must never be executed: it would leave a second answer.
std::string Smuggling(std::string_view headers) {
  return "POST /hooks/outreach/dev HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) +
         "\r\nGET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

std::vector<Case> ClosingCases() {
  std::string many;
  for (int i = 0; i < 2'000; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  std::vector<Case> cases = {
      {"4: 2 000 headers", Get("/", many), {431}},
      {"4: 64 KiB of headers", Get("/", "X: " + std::string(64 << 10, 'x') + "\r\n"), {431}},
      {"4: a request line of 64 KiB", Get("/" + std::string(64 << 10, 'x')), {414}},
      {"5: CL and TE", Smuggling("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), {400}},
      {"5: CL 0 and TE", Smuggling("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"), {400}},
      {"5: two different CL", Smuggling("Content-Length: 3\r\nContent-Length: 4\r\n"), {400}},
      {"5: CL list", Smuggling("Content-Length: 3, 4\r\n"), {400}},
      {"5: CL +5", Smuggling("Content-Length: +5\r\n"), {400}},
      {"5: CL 0x5", Smuggling("Content-Length: 0x5\r\n"), {400}},
      {"5: CL -1", Smuggling("Content-Length: -1\r\n"), {400}},
      {"5: CL 2^64+5", Smuggling("Content-Length: 18446744073709551621\r\n"), {400, 413}},
      {"6: TE gzip last", Smuggling("Transfer-Encoding: chunked, gzip\r\n"), {400, 501}},
      {"6: TE gzip first", Smuggling("Transfer-Encoding: gzip, chunked\r\n"), {400, 501}},
      {"6: TE xchunked", Smuggling("Transfer-Encoding: xchunked\r\n"), {400, 501}},
      {"6: TE with a space", Smuggling("Transfer-Encoding : chunked\r\n"), {400, 501}},
      {"6: TE twice", Smuggling("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
       {400, 501}},
      {"7: chunk size overflow", Chunked("fffffffffffffffff\r\nx"), {400, 413}},
      {"7: chunk of 2^63", Chunked("8000000000000000\r\nx"), {400, 413}},
      {"7: bare LF in an extension", Chunked("2;a\nb\r\n{}\r\n0\r\n\r\n"), {400}},
      {"7: bare LF behind the size", Chunked("2\n{}\r\n0\r\n\r\n"), {400}},
      {"7: chunk longer than its size", Chunked("2\r\n{}x\r\n0\r\n\r\n"), {400}},
      {"7: long extensions", Chunked("2;" + std::string(100 << 10, 'x') + "\r\n{}\r\n"), {400, 413}},
      {"7: huge trailers",
       Chunked("2\r\n{}\r\n0\r\nX: " + std::string(64 << 10, 'x') + "\r\n\r\n"), {400, 413, 431}},
      {"8: bare CR in a header", Get("/", "X: a\rb\r\n"), {400}},
      {"8: NUL in a header", Get("/", std::string("X: a\0b\r\n", 8)), {400}},
      {"8: obs-fold", Get("/", "X: a\r\n b\r\n"), {400}},
      {"8: bare LF ends a line", "GET / HTTP/1.1\nHost: localhost\n\n", {400}},
      {"8: a header without a name", Get("/", ": x\r\n"), {400}},
      {"8: a space in a name", Get("/", "X Y: x\r\n"), {400}},
      {"10: no key", Get("/realtime/v1/websocket", "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                                   "Sec-WebSocket-Version: 13\r\n"), {400}},
      {"10: bad key", Get("/realtime/v1/websocket",
                          "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
                          "\r\nSec-WebSocket-Key: AAAA\r\n"), {400}},
      {"10: version 12", Get("/realtime/v1/websocket",
                             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
                             "12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), {426}},
      {"10: HTTP/1.0", "GET /realtime/v1/websocket HTTP/1.0\r\n" + std::string(kUpgradeHeaders) +
                           "\r\n", {400}},
      {"10: POST", "POST /realtime/v1/websocket HTTP/1.1\r\nHost: localhost\r\n" +
                       std::string(kUpgradeHeaders) + "\r\n", {405}},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", {400}},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", {400}},
  };
  // Frames before authentication are no requests: cases 20 to 33, each as it is.
  const std::vector<std::string> frames = {
      "\x81\x05hello", "\xc1\x85mask", "\x83\x80mask", "\x89\xfe\xff\xff",
      "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", std::string("\x00\x80mask\x00\x80", 8)};
  for (const std::string& frame : frames) {
    cases.push_back({"a frame before the handshake", frame + "\r\n\r\n", {400}});
  }
  return cases;
}

TEST_F(AbuseHttpTest, WhatIsBrokenIsRefusedAndTheConnectionClosed) {
  Start();
  for (const Case& test : ClosingCases()) {
    const Outcome outcome = Send(test.bytes);
    EXPECT_THAT(test.statuses, ::testing::Contains(outcome.status)) << test.name;
    EXPECT_TRUE(outcome.closed) << test.name << ": the next request must not be executed";
  }
  EXPECT_EQ(Query("select count(*) from tidewire_log"), Query("select count(*) from tidewire_log"));
}

TEST_F(AbuseHttpTest, Case10TheVersionThatWouldDoIsNamed) {
  Start();
  const Answer answer = Ask(Get("/realtime/v1/websocket",
                                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-"
                                "Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
  EXPECT_EQ(answer.status, 426);
  EXPECT_EQ(answer.Header("sec-websocket-version"), "13");
}

TEST_F(AbuseHttpTest, Case1AThousandSlowHeadsEndAtTheDeadlineAndOthersAreServed) {
  limits().request_timeout = 1s;
  Start();
  std::vector<std::unique_ptr<TestClient>> slow;
  for (int i = 0; i < 1'000; ++i) {
    slow.push_back(std::make_unique<TestClient>(port()));
    ASSERT_TRUE(slow.back()->Send("GET / HT"));
  }
  EXPECT_EQ(Ask(Get("/health/live")).status, 200) << "while they hang";
  for (const auto& client : slow) EXPECT_EQ(client->ReadAnswer().status, 408);
}

TEST_F(AbuseHttpTest, Case2ASlowBodyIs408AndNothingIsStored) {
  limits().request_timeout = 1s;
  Start();
  TestClient client(port());
  client.Send("POST /hooks/outreach/dev HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  EXPECT_EQ(client.ReadAnswer().status, 408);
  EXPECT_TRUE(client.ReadsEnd());
  EXPECT_EQ(Metric("tidewire_hooks_total{outcome=\"accepted\"}"), 0);
}

TEST_F(AbuseHttpTest, Case3WhoDoesNotReadItsAnswersIsCut) {
  limits().outbox_age_max = 1s;
  Start();
  TestClient client(port(), 4'096);
  const std::string service = Bearer(TokenOf("service_role"));
  // More answers than the kernel takes.
  for (int i = 0; i < 400; ++i) {
    if (!client.Send(Get("/metrics", service))) break;
  }
  const auto until = SystemClock().Mono() + 15s;
  while (Metric("tidewire_gateway_slow_readers_total") == 0 && SystemClock().Mono() < until) {
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_EQ(Metric("tidewire_gateway_slow_readers_total"), 1);
}

TEST_F(AbuseHttpTest, Case9TenThousandPipelinedRequestsAreServedInBoundedMemory) {
  Start();
  ExpectOthersServed();
  const size_t before = ResidentBytes();
  TestClient client(port());
  constexpr int kRequests = 10'000;
  std::thread writer([&] {
    std::string batch;
    for (int i = 0; i < 100; ++i) batch += Get("/health/live");
    for (int i = 0; i < kRequests / 100; ++i) client.Send(batch);
  });
  int answered = 0;
  while (answered < kRequests && client.ReadAnswer().status == 200) ++answered;
  writer.join();
  EXPECT_EQ(answered, kRequests);
  EXPECT_LT(ResidentBytes(), before + (32u << 20));
}

TEST_F(AbuseHttpTest, Case11And12LongProtocolsAndStrangeExtensionsAreDeclined) {
  configuration_.main.server.compression.enabled = true;
  Start();
  const std::string token = TokenOf("anon");
  std::string offers;
  for (int i = 0; i < 500; ++i) offers += "permessage-deflate; x, ";
  for (const std::string& headers :
       {"Sec-WebSocket-Protocol: b" + std::string(12 << 10, ' ') + "x\r\n",
        std::string("Sec-WebSocket-Extensions: constructor\r\n"),
        std::string("Sec-WebSocket-Extensions: __proto__; toString\r\n"),
        std::string("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=7\r\n"),
        std::string("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=16\r\n"),
        std::string("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=a\r\n"),
        "Sec-WebSocket-Extensions: " + offers + "x\r\n"}) {
    const Answer answer = Ask(Upgrade(token, headers));
    EXPECT_EQ(answer.status, 101) << headers.substr(0, 90);
    EXPECT_EQ(answer.Header("sec-websocket-extensions"), "") << headers.substr(0, 90);
  }
  EXPECT_EQ(Ask(Upgrade(token, "Sec-WebSocket-Protocol: b" + std::string(32 << 10, ' ') + "x\r\n"))
                .status, 431);
}

TEST_F(AbuseHttpTest, Case13OnlyListedOrigins) {
  limits().allowed_origins = {"https://app.example.com"};
  Start();
  const std::string token = TokenOf("anon");
  const auto status = [&](std::string_view headers) { return Ask(Upgrade(token, headers)).status; };
  for (const char* origin :
       {"https://evil.example", "null", "https://app.example.com.evil",
        "https://evilapp.example.com", "https://APP.example.com", "https://app.example.com.",
        "https://a@app.example.com", "http://app.example.com", "https://app.example.com:8443"}) {
    EXPECT_EQ(status("Origin: " + std::string(origin) + "\r\n"), 403) << origin;
  }
  EXPECT_EQ(status("Origin: https://app.example.com\r\n"), 101);
  EXPECT_EQ(status("Cookie: session=1\r\n"), 403);
  EXPECT_EQ(status("Authorization: Bearer x\r\n"), 101);
  EXPECT_EQ(status("Origin: https://app.example.com\r\nOrigin: https://evil.example\r\n"), 403);
}

TEST_F(AbuseHttpTest, Case15PathTricksLeadNowhere) {
  options_.assets = {{"/index.html", "<p>"}};
  Start();
  for (const char* path :
       {"/%2e%2e/etc/passwd", "/../etc/passwd", "//etc/passwd", "/admin/..;/", "/a%2fb",
        "/index.html%00", "/.%2e/index.html", "/assets/../../secret", "/%5c..%5c", "/rest/v1/..%2f..",
        "/rest/v1//notes", "/hooks/../metrics", "/realtime/v1/websocket/../../../metrics"}) {
    const int status = Ask(Get(path, Bearer(TokenOf("service_role")))).status;
    EXPECT_TRUE(status == 400 || status == 404) << path << " " << status;
  }
}

TEST_F(AbuseHttpTest, Case16ForwardedAddressesAreNotBelieved) {
  Start();
  EXPECT_EQ(Ask(Post("/hooks/outreach/wrong", "{}", "X-Forwarded-For: 6.6.6.6\r\n"
                                                    "Forwarded: for=6.6.6.6\r\n")).status, 401);
  const auto until = SystemClock().Mono() + 10s;
  while (Query("select count(*) from tidewire_refused") < 1 && SystemClock().Mono() < until) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(Query("select count(*) from tidewire_refused where remote_address = '127.0.0.1'"), 1);
}

TEST_F(AbuseHttpTest, Case18AStormOfHandshakesIsSpreadAndThenRefused) {
  limits().accepts_per_second = 5;
  Start();
  ExpectOthersServed();
  std::vector<std::unique_ptr<TestClient>> storm;
  for (int i = 0; i < 100; ++i) {
    storm.push_back(std::make_unique<TestClient>(port()));
    storm.back()->Send(Upgrade(TokenOf("anon")));
  }
  ExpectOthersServed();
  int opened = 0, refused = 0;
  for (const auto& client : storm) {
    const Answer answer = client->ReadAnswer();
    if (answer.status == 101) ++opened;
    if (answer.status == 503) ++refused;
    if (answer.status == 503) {
      EXPECT_NE(answer.Header("retry-after"), "");
    }
  }
  EXPECT_EQ(opened + refused, 100);
  // Each of two loops has its half of the rate, rounded down: two at once and four while waiting,
  // less those of ExpectOthersServed.
  EXPECT_GE(opened, 10);
  EXPECT_GE(refused, 10);
  EXPECT_GE(Metric("tidewire_gateway_accepts_delayed_total"), 8);
}

TEST_F(AbuseHttpTest, Case19WithoutDescriptorsAcceptingPausesAndRecovers) {
  Start();
  ExpectOthersServed();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  std::vector<int> held;
  // Everything this process may open, but one: the next connection's own end.
  rlimit low = before;
  low.rlim_cur = 512;
  setrlimit(RLIMIT_NOFILE, &low);
  for (int fd; (fd = dup(0)) >= 0;) held.push_back(fd);
  close(held.back());
  held.pop_back();
  TestClient waiting(port());  // Takes the last one: the server cannot accept it.
  waiting.Send(Get("/health/live"));
  std::this_thread::sleep_for(300ms);
  witness_->SendText(R"([null,"w","phoenix","heartbeat",{}])");
  EXPECT_THAT(witness_->ReadFrame().payload, HasSubstr("phx_reply")) << "others are served";
  for (const int fd : held) close(fd);
  setrlimit(RLIMIT_NOFILE, &before);
  // Refused by the reserve, or accepted once there was room again.
  const int status = waiting.ReadAnswer().status;
  EXPECT_TRUE(status == 200 || status == 0) << status;
}

}  // namespace
}  // namespace tw::app
