#include "ingest/webhook/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/matchers.h"

namespace tw::ingest {
namespace {

using ::testing::HasSubstr;
using testing::FailsWith;

HandshakeConfig Preset(std::string name) {
  HandshakeConfig config;
  config.preset = config::Located<std::string>(std::move(name));
  config.verify_token = config::Secret("agreed");
  config.secret = config::Secret("key");
  return config;
}

struct Case {
  const char* preset;
  const char* method;
  const char* query;
  const char* body;
  const char* answer;  // Null: no handshake.
  int status = 200;
};

// The HMACs were computed with openssl.
constexpr Case kCases[] = {
    {"meta-challenge", "GET", "hub.mode=subscribe&hub.verify_token=agreed&hub.challenge=11%2058", "",
     "11 58"},
    {"meta-challenge", "GET", "hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1", "",
     "{\"error\":\"forbidden\"}", 403},
    {"meta-challenge", "GET", "hub.mode=subscribe&hub.challenge=1", "",
     "{\"error\":\"forbidden\"}", 403},
    {"meta-challenge", "GET", "", "", nullptr},
    {"meta-challenge", "GET", "hub.mode=unsubscribe&hub.verify_token=agreed", "", nullptr},
    {"meta-challenge", "POST", "hub.mode=subscribe&hub.verify_token=agreed&hub.challenge=1", "",
     nullptr},
    {"slack", "POST", "", R"({"type":"url_verification","challenge":"3eZb"})", "3eZb"},
    {"slack", "POST", "", R"({"type":"event_callback"})", nullptr},
    {"slack", "POST", "", "not json", nullptr},
    {"nylas", "GET", "challenge=abc", "", "abc"},
    {"microsoft-graph", "POST", "validationToken=a%2Bb", "", "a+b"},
    {"zoom", "POST", "", R"({"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}})",
     "{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\",\"encryptedToken\":"
     "\"f2b3627702c43576251dc6a643384a2eb050e6e1d078adecf3415e1416944a43\"}"},
    {"x", "GET", "crc_token=challenge_string", "", "{\"response_token\":\"sha256=7Ilri86FeNN5O70zgyNKoxcUyq4CJYPJL5pA+lZXg60=\"}"},
};

TEST(HandshakeTest, W31_PresetsAnswerTheirProvidersAndNothingElse) {
  for (const Case& one : kCases) {
    const auto handshake = Handshake::Create(Preset(one.preset));
    ASSERT_TRUE(handshake.ok()) << one.preset << handshake.error();
    const auto answer =
        handshake->Judge({.method = one.method, .query = one.query, .body = one.body});
    ASSERT_EQ(answer.has_value(), one.answer != nullptr) << one.preset << " " << one.query;
    if (!answer) continue;
    EXPECT_EQ(answer->status, one.status) << one.preset;
    EXPECT_EQ(answer->body, one.answer) << one.preset;
  }
}

TEST(HandshakeTest, OnlyTheUnsignedOnesComeBeforeAuthentication) {
  EXPECT_TRUE(Handshake::Create(Preset("slack"))->needs_authentication());
  EXPECT_TRUE(Handshake::Create(Preset("zoom"))->needs_authentication());
  EXPECT_FALSE(Handshake::Create(Preset("meta-challenge"))->needs_authentication());
}

TEST(HandshakeTest, AnOversizedChallengeIsNotReflected) {
  const auto handshake = Handshake::Create(Preset("nylas"));
  const std::string query = "challenge=" + std::string(2'000, 'x');
  EXPECT_EQ(handshake->Judge({.method = "GET", .query = query})->status, 403);
}

TEST(HandshakeTest, IncompleteRulesAreRefusedAtLoad) {
  EXPECT_THAT(Handshake::Create(Preset("meta-chalenge")),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("did you mean 'meta-challenge'?")));
  HandshakeConfig config = Preset("meta-challenge");
  config.verify_token = {};
  EXPECT_THAT(Handshake::Create(config), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("verify_token")));
  config = Preset("zoom");
  config.secret = {};
  EXPECT_THAT(Handshake::Create(config), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("secret")));
  EXPECT_THAT(Handshake::Create({}), FailsWith(ErrorCode::kInvalidArgument));
  config = {};
  config.method = "GET";
  config.echo_query = "c";
  EXPECT_THAT(Handshake::Create(config), FailsWith(ErrorCode::kInvalidArgument, HasSubstr("told from")));
}

}  // namespace
}  // namespace tw::ingest
