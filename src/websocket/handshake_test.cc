#include "websocket/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace tw::websocket {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Headers = std::vector<HeaderView>;

const Headers kGood = {{"Host", "localhost:4000"},
                       {"Upgrade", "websocket"},
                       {"Connection", "Upgrade"},
                       {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
                       {"Sec-WebSocket-Version", "13"}};

std::expected<Upgrade, UpgradeRefusal> Parse(const Headers& headers,
                                             std::string_view method = "GET",
                                             std::string_view version = "1.1") {
  return ParseUpgrade({.method = method, .http_version = version, .headers = headers});
}

Headers With(std::string_view name, std::string_view value) {
  Headers headers = kGood;
  for (HeaderView& header : headers) {
    if (header.first == name) {
      header.second = value;
      return headers;
    }
  }
  headers.emplace_back(name, value);
  return headers;
}

Headers Without(std::string_view name) {
  Headers headers = kGood;
  std::erase_if(headers, [&](const HeaderView& header) { return header.first == name; });
  return headers;
}

int StatusOf(const std::expected<Upgrade, UpgradeRefusal>& result) {
  return result ? 101 : result.error().status;
}

// RFC 6455 §1.3.
TEST(ParseUpgradeTest, AnswersTheExampleOfTheRfc) {
  const auto upgrade = Parse(kGood);
  ASSERT_TRUE(upgrade.has_value());
  EXPECT_EQ(upgrade->accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(upgrade->subprotocol, "");
  std::string out;
  AppendUpgradeResponse(out, *upgrade, "X-Request-Id: 1\r\n");
  EXPECT_EQ(out,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Request-Id: 1\r\n\r\n");
}

TEST(ParseUpgradeTest, AcceptsListsAndAnyCase) {
  for (const auto& [name, value] : Headers{{"Upgrade", "WebSocket"},
                                           {"Upgrade", "h2c, websocket"},
                                           {"Upgrade", ",, websocket ,"},
                                           {"Connection", "keep-alive, Upgrade"},
                                           {"Connection", "upgrade"},
                                           {"Connection", "keep-alive,\t UPGRADE"},
                                           {"sec-websocket-extensions", "permessage-deflate"},
                                           {"Sec-WebSocket-Extensions", "constructor"}}) {
    EXPECT_EQ(StatusOf(Parse(With(name, value))), 101) << name << ": " << value;
  }
  Headers two = Without("Connection");
  two.emplace_back("connection", "keep-alive");
  two.emplace_back("CONNECTION", "Upgrade");
  EXPECT_EQ(StatusOf(Parse(two)), 101);
}

TEST(ParseUpgradeTest, RefusesWithTheStatusToAnswer) {
  EXPECT_EQ(StatusOf(Parse(kGood, "POST")), 405);
  EXPECT_EQ(StatusOf(Parse(kGood, "get")), 405);
  EXPECT_EQ(StatusOf(Parse(kGood, "GET", "1.0")), 400);
  EXPECT_EQ(StatusOf(Parse(kGood, "GET", "2.0")), 400);
  EXPECT_EQ(StatusOf(Parse(Without("Host"))), 400);
  EXPECT_EQ(StatusOf(Parse(With("host", "second"))), 400);
  EXPECT_EQ(StatusOf(Parse(Without("Upgrade"))), 426);
  EXPECT_EQ(StatusOf(Parse(With("Upgrade", "websockets"))), 426);
  EXPECT_EQ(StatusOf(Parse(With("Upgrade", "web socket"))), 426);
  EXPECT_EQ(StatusOf(Parse(Without("Connection"))), 400);
  EXPECT_EQ(StatusOf(Parse(With("Connection", "keep-alive"))), 400);
  EXPECT_EQ(StatusOf(Parse(With("Connection", "Upgraded"))), 400);
}

TEST(ParseUpgradeTest, VersionIsThirteen) {
  for (const char* version : {"", "8", "12", "14", "013", "13.0", "13, 8", "8, 13"}) {
    EXPECT_EQ(StatusOf(Parse(With("Sec-WebSocket-Version", version))), 426) << version;
  }
  EXPECT_EQ(StatusOf(Parse(Without("Sec-WebSocket-Version"))), 426);
  EXPECT_EQ(StatusOf(Parse(With("sec-websocket-version", "13"))), 426) << "repeated";
}

TEST(ParseUpgradeTest, KeyIsSixteenBytes) {
  for (const char* key : {"", "x", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ==="}) {
    const int expected = std::string_view(key) == "dGhlIHNhbXBsZSBub25jZQ" ? 101 : 400;
    EXPECT_EQ(StatusOf(Parse(With("Sec-WebSocket-Key", key))), expected) << key;
  }
  for (const char* key : {"dGhlIHNhbXBsZSBub25j", "dGhlIHNhbXBsZSBub25jZWVl",
                          "!!!!!!!!!!!!!!!!!!!!!!==", "dGhlIHNhbXBsZSBub25jZQ== ,x",
                          "dGhlIHNhbXBsZSBub25jZQ=="
                          "dGhlIHNhbXBsZSBub25jZQ=="}) {
    EXPECT_EQ(StatusOf(Parse(With("Sec-WebSocket-Key", key))), 400) << key;
  }
  EXPECT_EQ(StatusOf(Parse(Without("Sec-WebSocket-Key"))), 400);
  EXPECT_EQ(StatusOf(Parse(With("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="))), 400);
}

TEST(ParseUpgradeTest, ChoosesPhoenixOnlyWhenOffered) {
  const auto chosen = [](std::string_view offered) {
    return Parse(With("Sec-WebSocket-Protocol", offered))->subprotocol;
  };
  EXPECT_EQ(chosen("phoenix"), "phoenix");
  EXPECT_EQ(chosen("chat,phoenix , other"), "phoenix");
  EXPECT_EQ(chosen("Phoenix"), "");
  EXPECT_EQ(chosen("phoenix2"), "");
  EXPECT_EQ(chosen(""), "");
  std::string out;
  AppendUpgradeResponse(out, *Parse(With("Sec-WebSocket-Protocol", "phoenix")));
  EXPECT_THAT(out, HasSubstr("\r\nSec-WebSocket-Protocol: phoenix\r\n"));
}

TEST(ParseUpgradeTest, FindsTheTokenAmongTheProtocols) {
  const auto upgrade =
      Parse(With("Sec-WebSocket-Protocol", "phoenix, base64url.bearer.phx.YS5iLmM"));
  EXPECT_EQ(upgrade->bearer_token, "a.b.c");
  EXPECT_EQ(upgrade->subprotocol, "phoenix");
  EXPECT_EQ(Parse(With("Sec-WebSocket-Protocol", "base64url.bearer.phx.*"))->bearer_token, "");
}

TEST(ParseUpgradeTest, LongHeadersTakeLinearTime) {
  const std::string spaces = "b" + std::string(1 << 20, ' ') + "x";
  const std::string commas(1 << 20, ',');
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(StatusOf(Parse(With("Sec-WebSocket-Protocol", spaces))), 101);
  EXPECT_EQ(StatusOf(Parse(With("Sec-WebSocket-Protocol", commas))), 101);
  // Quadratic time would be minutes.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{5});
}

TEST(AppendUpgradeRefusalTest, NamesTheVersionThatWouldDo) {
  std::string out;
  AppendUpgradeRefusal(out, Parse(With("Sec-WebSocket-Version", "12")).error());
  EXPECT_THAT(out, HasSubstr("HTTP/1.1 426 Upgrade Required\r\n"));
  EXPECT_THAT(out, HasSubstr("\r\nSec-WebSocket-Version: 13\r\n"));
  EXPECT_THAT(out, HasSubstr("\r\nContent-Length: 43\r\n\r\n{\"error\":"));
  out.clear();
  AppendUpgradeRefusal(out, Parse(Without("Host")).error());
  EXPECT_THAT(out, HasSubstr("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"));
  EXPECT_THAT(out, Not(HasSubstr("Upgrade")));
  out.clear();
  AppendUpgradeRefusal(out, Parse(kGood, "POST").error());
  EXPECT_THAT(out, HasSubstr("405 Method Not Allowed\r\nConnection: close\r\nAllow: GET\r\n"));
}

TEST(AppendUpgradeRequestTest, WritesWhatParseUpgradeAccepts) {
  std::string out;
  AppendUpgradeRequest(out, "localhost:4000", "/socket/websocket?vsn=2.0.0", "the sample nonce");
  EXPECT_EQ(out,
            "GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: localhost:4000\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
}

}  // namespace
}  // namespace tw::websocket
