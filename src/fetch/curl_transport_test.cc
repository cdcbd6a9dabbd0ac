#include "fetch/curl_transport.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <sstream>
#include <thread>

#include "testing/matchers.h"

namespace tw::fetch {
namespace {

using ::testing::HasSubstr;
using testing::FailsWith;

// Answers every connection by a script over loopback, one request per connection.
class ScriptedServer {
 public:
  using Script = std::function<void(int socket, const std::string& head)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Run(); });
  }
  ~ScriptedServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + path;
  }
  uint16_t port() const { return port_; }
  int requests() const { return requests_.load(); }

 private:
  void Run() {
    for (;;) {
      const int peer = accept(listener_, nullptr, nullptr);
      if (peer < 0) return;
      std::string head;
      char bytes[4096];
      while (head.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = recv(peer, bytes, sizeof(bytes), 0);
        if (got <= 0) break;
        head.append(bytes, static_cast<size_t>(got));
      }
      ++requests_;
      script_(peer, head);
      close(peer);
    }
  }

  Script script_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<int> requests_{0};
  std::thread thread_;
};

void Say(int peer, const std::string& text) {
  (void)send(peer, text.data(), text.size(), MSG_NOSIGNAL);
}

std::string Answer(const std::string& status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + headers + "\r\n" + body;
}

class CurlTransportTest : public ::testing::Test {
 protected:
  void Start(AddressGuard guard = AddressGuard({*ParseRange("127.0.0.0/8")})) {
    auto started = CurlTransport::Start({.guard = std::move(guard)}, SystemClock(), metrics_);
    ASSERT_TRUE(started.ok()) << started.error();
    transport_ = std::move(*started);
  }
  Result<Response> Get(Request request) {
    if (transport_ == nullptr) Start();
    std::promise<Result<Response>> promise;
    auto future = promise.get_future();
    transport_->Send(std::move(request),
                     [&promise](Result<Response> result) { promise.set_value(std::move(result)); });
    return future.get();
  }

  telemetry::Registry metrics_;
  std::unique_ptr<CurlTransport> transport_;
};

TEST_F(CurlTransportTest, AnAnswerHasStatusHeadersAndBody) {
  std::string head;
  ScriptedServer server([&](int peer, const std::string& text) {
    head = text;
    Say(peer, Answer("429 Too Many Requests", "Retry-After: 7\r\nX-Two: a b\r\n", "{\"no\":1}"));
  });
  const auto answer = Get({.url = server.url("/x?y=1"), .headers = {{"X-One", "1"}}});
  ASSERT_TRUE(answer.ok()) << answer.error();
  EXPECT_EQ(answer->status, 429);
  EXPECT_EQ(answer->body, "{\"no\":1}");
  EXPECT_EQ(answer->Find("x-two"), "a b");
  EXPECT_EQ(RetryAfter(*answer, WallTime()), std::chrono::seconds(7));
  EXPECT_THAT(head, HasSubstr("GET /x?y=1 HTTP/1.1"));
  EXPECT_THAT(head, HasSubstr("X-One: 1"));
}

// S1: loopback, link-local and private targets are refused before anything is sent.
TEST_F(CurlTransportTest, S1_RefusesAddressesThatAreNotPublic) {
  ScriptedServer server([](int peer, const std::string&) { Say(peer, Answer("200 OK", "", "")); });
  Start(AddressGuard());
  for (const std::string& url :
       {server.url(), "http://localhost:" + std::to_string(server.port()) + "/",
        std::string("http://169.254.169.254/latest/meta-data/"), std::string("http://[::1]/"),
        std::string("http://0x7f000001:") + std::to_string(server.port()) + "/",
        std::string("http://2130706433:") + std::to_string(server.port()) + "/",
        std::string("http://[::ffff:127.0.0.1]:") + std::to_string(server.port()) + "/"}) {
    EXPECT_THAT(Get({.url = url}), FailsWith(ErrorCode::kPermissionDenied)) << url;
  }
  EXPECT_EQ(server.requests(), 0);
}

TEST_F(CurlTransportTest, S1_ARedirectToARefusedAddressIsNotFollowed) {
  ScriptedServer server([](int peer, const std::string&) {
    Say(peer, Answer("302 Found", "Location: http://169.254.169.254/secret\r\n", ""));
  });
  EXPECT_THAT(Get({.url = server.url()}),
              FailsWith(ErrorCode::kPermissionDenied, HasSubstr("169.254.169.254 (link-local)")));
}

TEST_F(CurlTransportTest, OnlyHttpIsSpoken) {
  for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "nothing",
                          ""}) {
    EXPECT_THAT(Get({.url = url}), FailsWith(ErrorCode::kInvalidArgument)) << url;
  }
}

TEST_F(CurlTransportTest, ARedirectKeepsCredentialsOnlyAtTheSameOrigin) {
  std::string elsewhere_head;
  ScriptedServer elsewhere([&](int peer, const std::string& head) {
    elsewhere_head = head;
    Say(peer, Answer("200 OK", "", "there"));
  });
  std::vector<std::string> heads;
  ScriptedServer server([&](int peer, const std::string& head) {
    heads.push_back(head);
    Say(peer, heads.size() == 1
                  ? Answer("301 Moved", "Location: /second\r\n", "")
                  : Answer("307 Moved", "Location: " + elsewhere.url("/third") + "\r\n", ""));
  });
  const auto answer = Get({.url = server.url(),
                           .headers = {{"Authorization", "Bearer secret"}, {"X-Key", "secret"}},
                           .credential_headers = {"x-key"}});
  ASSERT_TRUE(answer.ok()) << answer.error();
  EXPECT_EQ(answer->body, "there");
  EXPECT_EQ(answer->url, elsewhere.url("/third"));
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_THAT(heads[1], HasSubstr("Bearer secret"));
  EXPECT_THAT(elsewhere_head, ::testing::Not(HasSubstr("secret")));
}

TEST_F(CurlTransportTest, RedirectsEnd) {
  ScriptedServer server([](int peer, const std::string&) {
    Say(peer, Answer("302 Found", "Location: /again\r\n", ""));
  });
  EXPECT_THAT(Get({.url = server.url(), .redirects_max = 3}),
              FailsWith(ErrorCode::kResourceExhausted, HasSubstr("too many redirects")));
  EXPECT_EQ(server.requests(), 4);
}

TEST_F(CurlTransportTest, AnEndlessBodyIsCutAtTheLimit) {
  ScriptedServer server([](int peer, const std::string&) {
    Say(peer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    const std::string piece(1 << 16, 'x');
    for (int i = 0; i < 1'000; ++i) {
      if (send(peer, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) return;
    }
  });
  EXPECT_THAT(Get({.url = server.url(), .response_bytes_max = 100'000}),
              FailsWith(ErrorCode::kResourceExhausted, HasSubstr("too large")));
}

// 1 MB of zeros in about a kilobyte: the limit counts what comes out.
TEST_F(CurlTransportTest, ACompressedBodyIsLimitedByItsExpandedSize) {
  const std::string directory = std::filesystem::temp_directory_path();
  const std::string file = directory + "/tw-bomb-" + std::to_string(getpid());
  ASSERT_EQ(system(("head -c 1000000 /dev/zero | gzip > " + file).c_str()), 0);
  std::ifstream in(file, std::ios::binary);
  std::stringstream packed;
  packed << in.rdbuf();
  std::filesystem::remove(file);
  ScriptedServer server([&](int peer, const std::string&) {
    Say(peer, Answer("200 OK", "Content-Encoding: gzip\r\n", packed.str()));
  });
  EXPECT_THAT(Get({.url = server.url(), .response_bytes_max = 999'999}),
              FailsWith(ErrorCode::kResourceExhausted));
  const auto whole = Get({.url = server.url(), .response_bytes_max = 1'000'000});
  ASSERT_TRUE(whole.ok()) << whole.error();
  EXPECT_EQ(whole->body.size(), 1'000'000u);
}

TEST_F(CurlTransportTest, ASilentServerAndASlowOneMeetTheirDeadlines) {
  std::promise<void> release;
  auto released = release.get_future().share();
  ScriptedServer silent([&](int, const std::string&) { released.wait(); });
  EXPECT_THAT(Get({.url = silent.url(),
                   .deadlines = {.first_byte = std::chrono::milliseconds(50)}}),
              FailsWith(ErrorCode::kUnavailable, HasSubstr("in time")));
  ScriptedServer slow([&](int peer, const std::string&) {
    Say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
    released.wait();
  });
  EXPECT_THAT(Get({.url = slow.url(), .deadlines = {.total = std::chrono::milliseconds(100)}}),
              FailsWith(ErrorCode::kUnavailable, HasSubstr("in time")));
  release.set_value();
}

TEST_F(CurlTransportTest, ACutOffBodyIsNoAnswer) {
  ScriptedServer server([](int peer, const std::string&) {
    Say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  });
  EXPECT_THAT(Get({.url = server.url()}), FailsWith(ErrorCode::kUnavailable));
}

TEST_F(CurlTransportTest, ABodyMayGoIntoAFile) {
  ScriptedServer server(
      [](int peer, const std::string&) { Say(peer, Answer("200 OK", "", "a,b\n1,2\n")); });
  const std::string file =
      std::filesystem::temp_directory_path() / ("tw-saved-" + std::to_string(getpid()));
  const auto answer = Get({.url = server.url(), .save_to = file});
  ASSERT_TRUE(answer.ok()) << answer.error();
  EXPECT_EQ(answer->body, "");
  EXPECT_EQ(answer->body_bytes, 8u);
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), "a,b\n1,2\n");
  std::filesystem::remove(file);
}

TEST_F(CurlTransportTest, PostSendsItsBodyAndFollowsNoRedirect) {
  std::string seen;
  ScriptedServer server([&](int peer, const std::string& head) {
    seen = head;
    Say(peer, Answer("302 Found", "Location: /elsewhere\r\n", ""));
  });
  const auto answer = Get({.method = Method::kPost, .url = server.url(), .body = "{}"});
  ASSERT_TRUE(answer.ok()) << answer.error();
  EXPECT_EQ(answer->status, 302);
  EXPECT_THAT(seen, HasSubstr("POST / HTTP/1.1"));
  EXPECT_EQ(server.requests(), 1);
}

TEST_F(CurlTransportTest, StoppingEndsWhatIsUnderWay) {
  std::promise<void> release;
  auto released = release.get_future().share();
  ScriptedServer silent([&](int, const std::string&) { released.wait(); });
  Start();
  std::promise<Result<Response>> promise;
  transport_->Send({.url = silent.url()},
                   [&](Result<Response> result) { promise.set_value(std::move(result)); });
  transport_.reset();
  EXPECT_THAT(promise.get_future().get(), FailsWith(ErrorCode::kUnavailable));
  release.set_value();
}

TEST(PublicUrlTest, HasNoSecrets) {
  EXPECT_EQ(PublicUrl("https://user:pass@host.example:8/a/b?key=secret#x"),
            "https://host.example:8/a/b");
  EXPECT_EQ(PublicUrl("https://host.example/a@b"), "https://host.example/a@b");
  EXPECT_EQ(PublicUrl("what"), "(no URL)");
}

TEST(RetryAfterTest, ReadsSecondsDatesAndResets) {
  const WallTime now = *ParseTimestamp("2026-01-02T03:04:05Z");
  const auto wait = [&](std::vector<Header> headers) {
    return RetryAfter(Response{.headers = std::move(headers)}, now);
  };
  using std::chrono::seconds;
  EXPECT_EQ(wait({{"Retry-After", "3600"}}), seconds(3600));
  EXPECT_EQ(wait({{"retry-after", "Fri, 02 Jan 2026 03:05:05 GMT"}}), seconds(60));
  EXPECT_EQ(wait({{"retry-after", "Fri, 02 Jan 2026 03:00:00 GMT"}}), seconds(0));
  EXPECT_EQ(wait({{"X-RateLimit-Reset", "30"}}), seconds(30));
  EXPECT_EQ(wait({{"X-RateLimit-Reset", "1767323055"}}), seconds(10));
  EXPECT_EQ(wait({{"X-RateLimit-Reset", "1767323055000"}}), seconds(10));
  EXPECT_EQ(wait({{"Retry-After", "1"}, {"X-RateLimit-Reset", "30"}}), seconds(30));
  EXPECT_EQ(wait({}), std::nullopt);
  EXPECT_EQ(wait({{"Retry-After", "soon"}}), std::nullopt);
}

}  // namespace
}  // namespace tw::fetch
