// RFC 6455 and RFC 7692 as the gateway answers them over loopback: the codec's table of
// conversations, each on a connection of its own, behind authentication.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/test_support.h"
#include "websocket/deflate.h"
#include "websocket/testing_cases.h"

namespace tw::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kHeartbeat = R"([null,"7","phoenix","heartbeat",{}])";

// What a client sees of a conversation's events: pongs and the close. Messages that are no Phoenix
// messages are dropped.
std::vector<std::string> AnswersTo(const std::vector<std::string>& events) {
  std::vector<std::string> answers;
  for (const std::string& event : events) {
    if (event.starts_with("ping:")) answers.push_back("pong:" + event.substr(5));
    if (event.starts_with("close:")) answers.push_back(event.substr(0, 10) + ":");
    if (event.starts_with("error:")) answers.push_back("close:" + event.substr(6) + ":");
  }
  return answers;
}

class GatewayConformanceTest : public ::testing::Test {
 protected:
  void Check(const std::string& name, const std::string& stream,
             const std::vector<std::string>& events, std::string_view extensions = "") {
    TestClient client(gateway_.port());
    ASSERT_EQ(client.Upgrade(gateway_.services.Token(1), extensions),
              "HTTP/1.1 101 Switching Protocols");
    client.Send(stream);
    const auto answers = AnswersTo(events);
    for (const std::string& answer : answers) {
      ASSERT_THAT(client.Event(), StartsWith(answer)) << name;
    }
    if (!answers.empty() && answers.back().starts_with("close:")) {
      EXPECT_TRUE(client.Ends()) << name;
      return;
    }
    client.Send(websocket::Masked(0x81, kHeartbeat));
    EXPECT_THAT(client.Event(), HasSubstr("phx_reply")) << name;
  }

  TestGateway gateway_;
};

TEST_F(GatewayConformanceTest, EveryConversationEndsAsTheTableSays) {
  gateway_.Start();
  for (const auto& test : websocket::AllCases()) {
    Check(test.name, test.stream, test.events);
  }
}

TEST_F(GatewayConformanceTest, TheyEndTheSameWithCompressionAgreed) {
  gateway_.limits.compression.enabled = true;
  gateway_.Start();
  for (const auto& test : websocket::AllCases()) {
    if (test.name.starts_with("3 RSV")) continue;  // RSV1 has a meaning here.
    Check(test.name, test.stream, test.events,
          "Sec-WebSocket-Extensions: permessage-deflate\r\n");
  }
}

std::string Deflated(std::string_view text) {
  websocket::Deflater deflater(6, 15);
  return websocket::Masked(0xc1, deflater.Compress(text));
}

TEST_F(GatewayConformanceTest, CompressionIsOffUnlessConfigured) {
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(TestClient::UpgradeRequest(gateway_.services.Token(1),
                                         "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
  EXPECT_THAT(client.Response(), ::testing::Not(HasSubstr("Extensions")));
  client.Send(Deflated(kHeartbeat));
  EXPECT_THAT(client.Event(), StartsWith("close:1002:"));
}

TEST_F(GatewayConformanceTest, CompressedMessagesAreReadAndLargeAnswersCompressed) {
  gateway_.limits.compression.enabled = true;
  gateway_.Start();
  TestClient client(gateway_.port());
  client.Send(TestClient::UpgradeRequest(gateway_.services.Token(1),
                                         "Sec-WebSocket-Extensions: permessage-deflate; "
                                         "server_max_window_bits=10\r\n"));
  EXPECT_THAT(client.Response(), HasSubstr("server_max_window_bits=10\r\n"));
  client.Send(Deflated(kHeartbeat));
  EXPECT_THAT(client.Event(), HasSubstr("phx_reply"));
  const std::string join =
      R"(["1","1","realtime:room","phx_join",{"config":{"broadcast":{"self":true},)"
      R"("presence":{"enabled":false}}}])";
  client.Send(Deflated(join));
  EXPECT_THAT(client.Event(), HasSubstr("phx_reply"));
  const std::string large(20'000, 'x');
  client.Send(Deflated(R"(["1","2","realtime:room","broadcast",{"type":"broadcast","event":"e",)"
                       R"("payload":{"text":")" + large + R"("}}])"));
  EXPECT_THAT(client.Event(), HasSubstr(large));
  gateway_.OnLoop([&] { EXPECT_EQ(gateway_.gateway->compressor().compressions(), 1u); });
  EXPECT_LT(client.bytes_received(), 2'000u);
}

TEST_F(GatewayConformanceTest, ABombEndsItsOwnConnection) {
  gateway_.limits.compression.enabled = true;
  gateway_.limits.compression.inflated_bytes_max = 1 << 20;
  gateway_.Start();
  const std::string bomb = Deflated(std::string(64 << 20, '0'));
  TestClient other(gateway_.port());
  ASSERT_THAT(other.Upgrade(gateway_.services.Token(1)), HasSubstr("101"));
  TestClient client(gateway_.port());
  client.Upgrade(gateway_.services.Token(1), "Sec-WebSocket-Extensions: permessage-deflate\r\n");
  client.Send(bomb);
  EXPECT_THAT(client.Event(), StartsWith("close:1009:"));
  EXPECT_TRUE(client.Ends());
  other.Send(websocket::Masked(0x81, kHeartbeat));
  EXPECT_THAT(other.Event(), HasSubstr("phx_reply"));
}

}  // namespace
}  // namespace tw::gateway
