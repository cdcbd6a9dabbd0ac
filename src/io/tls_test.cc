#include "io/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "io/loop.h"
#include "io/stream.h"
#include "io/testing_tls.h"
#include "testing/matchers.h"

namespace tw::io {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;

// Sends back what it gets, doubled; "end" closes.
class Doubler final : public StreamHandler {
 public:
  explicit Doubler(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {
    stream_->Start(*this);
  }
  size_t OnBytes(std::span<char> bytes) override {
    const std::string_view text(bytes.data(), bytes.size());
    stream_->Send(SharedBytes::Copy(text));
    stream_->Send(SharedBytes::Copy(text));
    if (text.ends_with("end")) stream_->Close();
    return bytes.size();
  }
  void OnClosed(CloseCause cause) override { closed = cause; }
  std::optional<CloseCause> closed;

 private:
  std::unique_ptr<Stream> stream_;
};

class TlsServer {
 public:
  explicit TlsServer(const TestCertificate& certificate) {
    auto context = TlsContext::Create(certificate.certificate, certificate.key);
    EXPECT_TRUE(context.ok());
    slot_ = *context;
    auto listener = Listener::Listen(
        loop_, "127.0.0.1", 0,
        [this](std::unique_ptr<Stream> stream) {
          handlers.push_back(std::make_unique<Doubler>(std::move(stream)));
        },
        &slot_);
    listener_ = std::move(*listener);
    thread_ = std::thread([this] { loop_.Run(); });
  }
  ~TlsServer() {
    loop_.Stop();
    thread_.join();
    handlers.clear();
    listener_.reset();
  }
  void OnLoop(std::function<void()> task) {
    std::promise<void> done;
    loop_.Post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  void Replace(const TestCertificate& certificate) {
    OnLoop([&] { slot_ = *TlsContext::Create(certificate.certificate, certificate.key); });
  }
  uint16_t port() const { return listener_->port(); }
  std::vector<std::unique_ptr<Doubler>> handlers;

 private:
  Loop loop_{SystemClock()};
  TlsSlot slot_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

TEST(TlsContextTest, SaysWhatIsWrongWithFiles) {
  const TestCertificate one = MakeTestCertificate(), two = MakeTestCertificate();
  EXPECT_THAT(TlsContext::Create("", one.key), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(TlsContext::Create(one.certificate, ""), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(TlsContext::Create(one.key, one.certificate),
              FailsWith(ErrorCode::kInvalidArgument));
  const auto mixed = TlsContext::Create(one.certificate, two.key);
  ASSERT_FALSE(mixed.ok());
  EXPECT_THAT(mixed.error().message, HasSubstr("not the certificate's"));
}

TEST(TlsTest, BytesGoBothWaysAndTheEndIsOrderly) {
  TlsServer server(MakeTestCertificate());
  TestTlsClient client(server.port());
  ASSERT_TRUE(client.connected());
  EXPECT_TRUE(client.Send("tide"));
  EXPECT_EQ(client.Read(8), "tidetide");
  EXPECT_TRUE(client.Send("the end"));
  EXPECT_EQ(client.Read(100), "the endthe end");
  EXPECT_EQ(SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN)
      << "close_notify came";
}

TEST(TlsTest, MoreThanTheKernelTakesArrivesWhole) {
  TlsServer server(MakeTestCertificate());
  TestTlsClient client(server.port());
  ASSERT_TRUE(client.connected());
  std::string sent;
  for (int i = 0; sent.size() < 8'000'000; ++i) sent += std::to_string(i) + ",";
  std::thread writer([&] {
    for (size_t at = 0; at < sent.size(); at += 100'000) client.Send(sent.substr(at, 100'000));
  });
  writer.join();
  // Chunks come back doubled: the sum of bytes is known, the order within is not.
  EXPECT_EQ(client.Read(sent.size() * 2).size(), sent.size() * 2);
}

TEST(TlsTest, OldVersionsAreRefused) {
  TlsServer server(MakeTestCertificate());
  EXPECT_FALSE(TestTlsClient(server.port(), TLS1_VERSION).connected());
  EXPECT_FALSE(TestTlsClient(server.port(), TLS1_1_VERSION).connected());
  EXPECT_TRUE(TestTlsClient(server.port(), TLS1_2_VERSION).connected());
}

TEST(TlsTest, AlpnIsHttp11OrNothing) {
  TlsServer server(MakeTestCertificate());
  TestTlsClient both(server.port(), TLS1_3_VERSION, "\x02h2\x08http/1.1");
  ASSERT_TRUE(both.connected());
  const unsigned char* chosen = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(both.ssl(), &chosen, &size);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(chosen), size), "http/1.1");
  EXPECT_FALSE(TestTlsClient(server.port(), TLS1_3_VERSION, "\x02h2").connected());
}

TEST(TlsTest, ANewCertificateIsForNewConnections) {
  TlsServer server(MakeTestCertificate("first"));
  TestTlsClient before(server.port());
  EXPECT_EQ(before.PeerName(), "first");
  server.Replace(MakeTestCertificate("second"));
  TestTlsClient after(server.port());
  EXPECT_EQ(after.PeerName(), "second");
  EXPECT_TRUE(before.Send("x"));
  EXPECT_EQ(before.Read(2), "xx");
}

TEST(TlsTest, PlainTextEndsTheConnectionAlone) {
  TlsServer server(MakeTestCertificate());
  {
    const int plain = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(plain, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_GT(send(plain, "GET / HTTP/1.1\r\n\r\n", 18, 0), 0);
    char byte[256];
    while (recv(plain, byte, sizeof byte, 0) > 0) {  // An alert, then the end.
    }
    close(plain);
  }
  TestTlsClient client(server.port());
  EXPECT_TRUE(client.Send("x"));
  EXPECT_EQ(client.Read(2), "xx");
}

// Abuse case 17: a hello that never comes, and one that stops half-way.
TEST(TlsTest, AHandshakeThatDoesNotGoOnIsGivenUp) {
  TlsServer server(MakeTestCertificate());
  for (const std::string_view start : {"", "\x16\x03\x01\x02\x00\x01"}) {
    const int silent = socket(AF_INET, SOCK_STREAM, 0);
    const timeval wait{20, 0};
    setsockopt(silent, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(silent, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (!start.empty()) send(silent, start.data(), start.size(), 0);
    char byte;
    const ssize_t got = recv(silent, &byte, 1, 0);
    EXPECT_TRUE(got == 0 || (got < 0 && errno == ECONNRESET));
    close(silent);
  }
}

TEST(TlsTest, AClientThatRenegotiatesIsRefused) {
  TlsServer server(MakeTestCertificate());
  TestTlsClient client(server.port(), TLS1_2_VERSION);
  ASSERT_TRUE(client.connected());
  SSL_renegotiate(client.ssl());
  EXPECT_LE(SSL_do_handshake(client.ssl()), 0);
}

}  // namespace
}  // namespace tw::io
