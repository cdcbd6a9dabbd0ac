// What only the gateway itself can show: limits that are short here, peers that do not read,
// answers that come late. The whole server's routes and refusals: app/server_test.cc.
#include "gateway/gateway.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>

#include "gateway/test_support.h"

namespace tw::gateway {

TestClient::TestClient(uint16_t port, int receive_bytes)
    : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
  const timeval wait{5, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  if (receive_bytes > 0) {
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

TestClient::~TestClient() {
  close(socket_);
}

void TestClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool TestClient::More() {
  char bytes[16 * 1024];
  const ssize_t got = recv(socket_, bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(got));
  bytes_received_ += static_cast<size_t>(got);
  return true;
}

std::string TestClient::Response() {
  for (;;) {
    const size_t head = buffer_.find("\r\n\r\n");
    if (head != std::string::npos) {
      size_t body = 0;
      const size_t length = buffer_.find("Content-Length: ");
      if (length < head) body = static_cast<size_t>(std::atoll(buffer_.c_str() + length + 16));
      if (buffer_.size() >= head + 4 + body) {
        std::string response = buffer_.substr(0, head + 4 + body);
        buffer_.erase(0, response.size());
        return response;
      }
    }
    if (!More()) return {};
  }
}

std::string TestClient::Until(std::string_view mark) {
  size_t at;
  while ((at = buffer_.find(mark)) == std::string::npos) {
    if (!More()) return std::exchange(buffer_, {});
  }
  std::string text = buffer_.substr(0, at + mark.size());
  buffer_.erase(0, text.size());
  return text;
}

void TestClient::Close() {
  close(socket_);
  socket_ = -1;
}

std::string TestClient::Event() {
  for (;;) {
    std::span<char> rest(buffer_);
    const websocket::Event event = decoder_.Next(rest);
    std::string text = websocket::Describe(event);
    buffer_.erase(0, buffer_.size() - rest.size());
    if (event.kind != websocket::Event::Kind::kNeedMore) return text;
    if (!More()) return "end";
  }
}

bool TestClient::Ends() {
  char bytes[4'096];
  for (;;) {
    const ssize_t got = recv(socket_, bytes, sizeof bytes, 0);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return true;
    if (got < 0) return false;
  }
}

std::string TestClient::UpgradeRequest(std::string_view token, std::string_view extra_headers) {
  return Get("/realtime/v1/websocket?vsn=2.0.0&apikey=" + std::string(token),
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + std::string(extra_headers));
}

std::string TestClient::Upgrade(std::string_view token, std::string_view extra_headers) {
  Send(UpgradeRequest(token, extra_headers));
  const std::string response = Response();
  return response.substr(0, response.find('\r'));
}

TestGateway::TestGateway() {
  std::string pattern = ::testing::TempDir() + "tidewire-XXXXXX";
  directory_ = mkdtemp(pattern.data());
  store_ = ingest::Must(store::Store::Open(
      directory_ + "/t.db", {.durability = sqlite::Durability::kOff}, SystemRandom()));
  ingest::MustOk(store_->ApplySchema(ingest::ReadExample("schema.sql"), "schema.sql"));
  ingest::Must(capture::Capture::Install(*store_, {"client_leads"}, metrics));
  const std::string yaml = ingest::ReadExample("outreach.yaml");
  const auto config = ingest::Must(ingest::LoadSourceConfig(yaml, "outreach.yaml", environment_));
  source_ = ingest::Must(ingest::CompileSource(config, yaml, store_->database()));
  endpoints_ = ingest::Must(ingest::EndpointSet::Create({&source_, 1}));
  files_ = io::MakePosixFileSystem(directory_);
}

void TestGateway::Start() {
  readers_ =
      ingest::Must(query::ReaderPool::Start(directory_ + "/t.db", store_->epoch(), {}, metrics));
  changelog::SegmentLogOptions log;
  log.name = "inbox";
  auto opened = ingest::Must(ingest::Inbox::Open(*files_, "inbox", SystemRandom(), metrics, log));
  inbox = std::make_unique<ingest::InboxWriter>(
      std::move(opened), inbox_options, SystemClock(), metrics, *this, nullptr, [](const Error&) {},
      inbox_drive);
  // The loop's own timers and clock; the rest as the session's tests have it.
  session_services_ = std::make_unique<session::SessionServices>(
      session::SessionServices{.feed = services.feed,
                               .history = services.history,
                               .bus = services.bus,
                               .verifier = services.verifier,
                               .catalog = services.services->catalog,
                               .channel_policy = services.channel_policy,
                               .rates = services.rates,
                               .random = services.random,
                               .timers = loop_.timers(),
                               .clock = services.clock,
                               .limits = services.limits,
                               .metrics = services.session_metrics});
  gateway = std::make_unique<Gateway>(
      Gateway::Wiring{.loop = loop_,
                      .loop_index = 0,
                      .sessions = *session_services_,
                      .readers = *readers_,
                      .epoch = store_->epoch(),
                      .endpoints = endpoints_,
                      .inbox = *inbox,
                      .keep_refused = [this](ingest::Delivery&&, std::string) { ++refused; },
                      .assets = assets_,
                      .readiness = *this,
                      .demo_config = "",
                      .metrics = gateway_metrics,
                      .limits = limits,
                      .random = SystemRandom()});
  listener_ = ingest::Must(io::Listener::Listen(
      loop_, "127.0.0.1", 0,
      [this](std::unique_ptr<io::Stream> stream) { gateway->OnAccept(std::move(stream)); }));
  port_ = listener_->port();
  thread_ = std::thread([this] { loop_.Run(); });
}

TestGateway::~TestGateway() {
  inbox->Stop();
  loop_.Stop();
  thread_.join();
  readers_.reset();
  listener_.reset();
  gateway.reset();
  store_.reset();
  std::filesystem::remove_all(directory_);
}

void TestGateway::OnLoop(std::function<void()> task) {
  std::promise<void> done;
  loop_.Post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

void TestGateway::OnDurable(std::span<const ingest::Completion> group) {
  for (const auto& completion : group) {
    loop_.Post([this, id = completion.token.id] { gateway->OnHooksDurable({id}); });
  }
}

void TestGateway::OnFailed(std::span<const ingest::Completion> group, const Error& error) {
  for (const auto& completion : group) {
    loop_.Post([this, id = completion.token.id, code = error.code] {
      gateway->OnHooksFailed({id}, code);
    });
  }
}

namespace {

using router::Task;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kHook = "/hooks/outreach/dev";

class GatewayTest : public ::testing::Test {
 protected:
  // A client that has joined "tasks" as organisation 1 and read the two answers.
  std::unique_ptr<TestClient> Subscriber(int receive_bytes = 0) {
    auto client = std::make_unique<TestClient>(gateway_.port(), receive_bytes);
    EXPECT_EQ(client->Upgrade(gateway_.services.Token(1)), "HTTP/1.1 101 Switching Protocols");
    client->Send(websocket::Masked(0x81, session::JoinTasks("1")));
    EXPECT_THAT(client->Event(), HasSubstr("phx_reply"));
    EXPECT_THAT(client->Event(), HasSubstr("Subscribed to PostgreSQL"));
    return client;
  }
  void Insert(size_t title_bytes = 1) {
    gateway_.OnLoop([&] {
      gateway_.services.commits.Insert(Task(++rows_, 1, "open", std::string(title_bytes, 'x')));
      gateway_.services.Commit();
    });
  }

  TestGateway gateway_;
  int rows_ = 0;
};

TEST_F(GatewayTest, AHookIsAnsweredOnlyWhenItIsDurable) {
  gateway_.inbox_drive = ingest::InboxWriter::Drive::kManual;
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(Post(kHook, "{}") + Get("/health/live"));
  while (gateway_.gateway_metrics.hooks_accepted.value() == 0) std::this_thread::yield();
  EXPECT_EQ(gateway_.inbox->durable_head(), 0u);
  EXPECT_EQ(gateway_.gateway_metrics.requests.value(), 1u);  // The next one waits behind it.
  EXPECT_TRUE(gateway_.inbox->Pump());
  EXPECT_EQ(StatusOf(client.Response()), 200);
  EXPECT_THAT(client.Response(), HasSubstr(R"({"status":"ok"})"));
  EXPECT_EQ(gateway_.inbox->durable_head(), 1u);
}

TEST_F(GatewayTest, AnOverloadedInboxSaysWhenToComeBack) {
  gateway_.inbox_options.queue_bytes_max = 1;
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(Post(kHook, "{}"));
  const std::string response = client.Response();
  EXPECT_EQ(StatusOf(response), 503);
  EXPECT_THAT(response, HasSubstr("\r\nRetry-After: "));
  EXPECT_EQ(gateway_.gateway_metrics.hooks_overload.value(), 1u);
}

TEST_F(GatewayTest, AHookThatNobodyHasIs404WhateverItsBody) {
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(Post("/hooks/nobody/dev", std::string(1'000, 'x')));
  EXPECT_EQ(StatusOf(client.Response()), 404);
  EXPECT_EQ(gateway_.gateway_metrics.hooks_too_large.value(), 0u);
}

TEST_F(GatewayTest, ARefusedDeliveryIsKept) {
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(Post("/hooks/outreach/wrong", "{}"));
  EXPECT_EQ(StatusOf(client.Response()), 401);
  EXPECT_EQ(gateway_.refused.load(), 1);
}

TEST_F(GatewayTest, OnlyLoopbackNamesAreAnsweredInDevelopment) {
  gateway_.limits.hosts = Hosts::kLoopback;
  gateway_.Start();
  const auto status = [&](std::string_view host) {
    TestClient client(gateway_.port());
    client.Send("GET /health/live HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
    return StatusOf(client.Response());
  };
  for (const char* host : {"localhost", "LOCALHOST:4000", "127.0.0.1:1", "[::1]", "[::1]:80"}) {
    EXPECT_EQ(status(host), 200) << host;
  }
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "[::1].evil.example",
                           "localhost.evil.example:80", "[::2]"}) {
    EXPECT_EQ(status(host), 421) << host;
  }
}

TEST_F(GatewayTest, WhoDoesNotReadItsAnswersGetsNoMoreRequestsIn) {
  gateway_.limits.outbox_bytes_max = 16 * 1024;
  gateway_.Start();
  TestClient client(gateway_.port(), 4 * 1024);
  constexpr int kRequests = 8'000;  // Their answers are several kilobytes each.
  std::string requests;
  for (int i = 0; i < kRequests; ++i) requests += Get("/metrics");
  std::thread sender([&] { client.Send(requests); });
  uint64_t before = 1;
  for (uint64_t now = 0; now != before || now == 0;) {
    before = now;
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    now = gateway_.gateway_metrics.requests.value();
  }
  EXPECT_LT(gateway_.gateway_metrics.requests.value(), uint64_t{kRequests} / 2);
  for (int i = 0; i < kRequests; ++i) ASSERT_EQ(StatusOf(client.Response()), 200) << i;
  sender.join();
}

TEST_F(GatewayTest, AFrameLargerThanTheOutboxReachesAReaderThatKeepsUp) {
  gateway_.limits.outbox_bytes_max = 64 * 1024;
  gateway_.Start();
  const auto client = Subscriber();
  Insert(200'000);
  EXPECT_GT(client->Event().size(), 200'000u);
  Insert();
  EXPECT_THAT(client->Event(), HasSubstr(R"("id":2)"));
  EXPECT_EQ(gateway_.gateway_metrics.slow_consumers.value(), 0u);
}

// Two channels of one connection, so that a change is in both or in neither when the outbox is full.
TEST_F(GatewayTest, ASlowReaderOfRowsGoesOnFromTheLogAndMissesNothing) {
  gateway_.limits.outbox_bytes_max = 64 * 1024;
  gateway_.Start();
  const auto slow = Subscriber(4 * 1024);
  slow->Send(websocket::Masked(0x81, session::JoinTasks("2", "{}", "", "realtime:b")));
  EXPECT_THAT(slow->Event(), HasSubstr("phx_reply"));
  EXPECT_THAT(slow->Event(), HasSubstr("Subscribed to PostgreSQL"));
  while (gateway_.gateway_metrics.lagging.value() == 0 && rows_ < 5'000) Insert(10'000);
  for (int i = 0; i < 50; ++i) Insert(10'000);
  EXPECT_EQ(gateway_.gateway_metrics.lagging.value(), 1u);
  std::map<std::string, int> next = {{"realtime:a", 1}, {"realtime:b", 1}};
  int caught_up = 0;
  while (caught_up < 2) {
    const std::string event = slow->Event();
    ASSERT_THAT(event, StartsWith("text:"));
    if (event.find("caught_up") != std::string::npos) ++caught_up;
    if (event.find("postgres_changes\",{\"ids") == std::string::npos) continue;
    const std::string topic = event.find("realtime:a") != std::string::npos ? "realtime:a"
                                                                            : "realtime:b";
    ASSERT_THAT(event, HasSubstr("\"id\":" + std::to_string(next[topic]++) + ",")) << topic;
  }
  EXPECT_EQ(next["realtime:a"], rows_ + 1);
  EXPECT_EQ(next["realtime:b"], rows_ + 1);
  Insert();
  EXPECT_THAT(slow->Event(), HasSubstr("\"id\":" + std::to_string(rows_)));
  EXPECT_EQ(gateway_.gateway_metrics.slow_consumers.value(), 0u);
}

TEST_F(GatewayTest, WhoTakesNothingForTooLongIsCut) {
  gateway_.limits.outbox_age_max = std::chrono::milliseconds{300};
  gateway_.Start();
  const auto slow = Subscriber(4 * 1024);
  while (gateway_.gateway_metrics.lagging.value() == 0 && rows_ < 500) Insert(20'000);
  // Reading would help it: only its end is waited for.
  while (gateway_.gateway_metrics.slow_consumers.value() == 0) std::this_thread::yield();
  EXPECT_TRUE(slow->Ends());
}

TEST_F(GatewayTest, AtItsAgeAConnectionIsAskedToComeBack) {
  gateway_.limits.connection_age_max = std::chrono::milliseconds{200};
  gateway_.Start();
  const auto client = Subscriber();
  EXPECT_THAT(client->Event(), HasSubstr("Server requested disconnect"));
  EXPECT_THAT(client->Event(), StartsWith("close:1012:"));
  EXPECT_EQ(gateway_.gateway_metrics.rotated.value(), 1u);
}

TEST_F(GatewayTest, ADrainIsSpreadOverItsWindowAndRequestsAreServedMeanwhile) {
  gateway_.Start();
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(Subscriber());
  gateway_.OnLoop([&] { gateway_.gateway->BeginDrain(std::chrono::hours{1}); });
  EXPECT_EQ(gateway_.gateway_metrics.drain_remaining.value(), 10);
  TestClient other(gateway_.port());
  other.Send(Get("/health/live"));
  EXPECT_EQ(StatusOf(other.Response()), 200);
  TestClient late(gateway_.port());
  EXPECT_THAT(late.Upgrade(gateway_.services.Token(1)), HasSubstr("503"));
  gateway_.OnLoop([&] { gateway_.gateway->BeginDrain(std::chrono::milliseconds{0}); });
  for (const auto& client : clients) {
    EXPECT_THAT(client->Event(), HasSubstr("Server requested disconnect"));
    EXPECT_THAT(client->Event(), StartsWith("close:1012:"));
  }
  EXPECT_EQ(gateway_.gateway_metrics.drain_remaining.value(), 0);
}

TEST_F(GatewayTest, ASlowConsumerIsCutAndNobodyElse) {
  gateway_.limits.outbox_bytes_max = 64 * 1024;
  gateway_.limits.slow_clients = SlowClients::kCut;
  gateway_.Start();
  const auto slow = Subscriber(4 * 1024);
  const auto quick = Subscriber();
  int sent = 0;
  while (gateway_.gateway_metrics.slow_consumers.value() == 0 && sent < 5'000) {
    Insert(10'000);
    ++sent;
    ASSERT_THAT(quick->Event(), HasSubstr("postgres_changes"));
  }
  EXPECT_EQ(gateway_.gateway_metrics.slow_consumers.value(), 1u);
  EXPECT_TRUE(slow->Ends());
  Insert();
  EXPECT_THAT(quick->Event(), HasSubstr("postgres_changes"));
}

TEST_F(GatewayTest, TwoReplaysOfOneConnectionAreLargerThanItsOutboxAndArriveWhole) {
  gateway_.limits.outbox_bytes_max = 64 * 1024;
  gateway_.Start();
  constexpr int kChanges = 1'000;
  for (int i = 0; i < kChanges; ++i) Insert(2'000);
  TestClient client(gateway_.port(), 8 * 1024);
  ASSERT_THAT(client.Upgrade(gateway_.services.Token(1)), HasSubstr("101"));
  const std::string since = session::Since(0);
  client.Send(websocket::Masked(0x81, session::JoinTasks("1", since)) +
              websocket::Masked(0x81, session::JoinTasks("2", since, "", "realtime:b")));
  int caught_up = 0;
  int changes = 0;
  while (caught_up < 2) {
    const std::string event = client.Event();
    ASSERT_THAT(event, StartsWith("text:")) << changes;
    if (event.find("postgres_changes\",{\"ids") != std::string::npos) ++changes;
    if (event.find("caught_up") != std::string::npos) ++caught_up;
  }
  EXPECT_EQ(changes, 2 * kChanges);
  EXPECT_EQ(gateway_.gateway_metrics.slow_consumers.value(), 0u);
}

TEST_F(GatewayTest, ASilentPeerIsFoundAndOneThatAnswersStays) {
  gateway_.limits.ping_interval = std::chrono::milliseconds{100};
  gateway_.limits.pong_timeout = std::chrono::milliseconds{100};
  gateway_.Start();
  const auto silent = Subscriber();
  const auto lively = Subscriber();
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(lively->Event(), "ping:");
    lively->Send(websocket::Masked(0x8a, ""));
  }
  EXPECT_TRUE(silent->Ends());
  EXPECT_EQ(gateway_.gateway_metrics.half_open.value(), 1u);
}

TEST_F(GatewayTest, DrainTellsChannelsAndClosesAfterTheAnswersThatAreDue) {
  gateway_.inbox_drive = ingest::InboxWriter::Drive::kManual;
  gateway_.Start();
  const auto subscriber = Subscriber();
  TestClient idle(gateway_.port());
  idle.Send(Get("/health/live"));
  EXPECT_EQ(StatusOf(idle.Response()), 200);
  TestClient waiting(gateway_.port());
  waiting.Send(Post(kHook, "{}"));
  while (gateway_.gateway_metrics.hooks_accepted.value() == 0) std::this_thread::yield();
  gateway_.OnLoop([&] { gateway_.gateway->Drain(); });
  EXPECT_THAT(subscriber->Event(), HasSubstr("Server requested disconnect"));
  EXPECT_THAT(subscriber->Event(), StartsWith("close:1012"));
  EXPECT_TRUE(idle.Ends());
  gateway_.inbox->Pump();
  const std::string answer = waiting.Response();
  EXPECT_EQ(StatusOf(answer), 200);
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  EXPECT_TRUE(waiting.Ends());
}

TEST_F(GatewayTest, TheFirstMessageMayComeWithTheHandshake) {
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(TestClient::UpgradeRequest(gateway_.services.Token(1)) +
              websocket::Masked(0x81, R"([null,"7","phoenix","heartbeat",{}])"));
  EXPECT_EQ(StatusOf(client.Response()), 101);
  EXPECT_THAT(client.Event(), HasSubstr(R"([null,"7","phoenix","phx_reply")"));
}

TEST_F(GatewayTest, AMessageMuchLargerThanTheReadBufferIsTaken) {
  gateway_.Start();
  TestClient client(gateway_.port());
  ASSERT_THAT(client.Upgrade(gateway_.services.Token(1)), HasSubstr("101"));
  const std::string padding(1'000'000, 'x');
  client.Send(
      websocket::Masked(0x81, R"([null,"7","phoenix","heartbeat",{"x":")" + padding + R"("}])"));
  EXPECT_THAT(client.Event(), HasSubstr(R"([null,"7","phoenix","phx_reply")"));
}

TEST_F(GatewayTest, FramesThatBreakTheRulesCloseWithTheirCode) {
  gateway_.limits.message_bytes_max = 1'000;
  gateway_.Start();
  const auto close = [&](const std::string& bytes) {
    TestClient client(gateway_.port());
    EXPECT_THAT(client.Upgrade(gateway_.services.Token(1)), HasSubstr("101"));
    client.Send(bytes);
    return client.Event().substr(0, 10);
  };
  EXPECT_EQ(close(std::string("\x81\x02hi", 4)), "close:1002");
  EXPECT_EQ(close(websocket::Masked(0x81, std::string(1'001, 'x'))), "close:1009");
  EXPECT_EQ(close(websocket::Masked(0x81, "\xff")), "close:1007");
}

}  // namespace
}  // namespace tw::gateway
