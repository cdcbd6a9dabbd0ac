#include "websocket/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "base/strings.h"
#include "websocket/decoder.h"
#include "websocket/utf8.h"

namespace tw::websocket {
namespace {

constexpr MaskKey kKey = {'\x37', '\xfa', '\x21', '\x3d'};

// RFC 6455 §5.7.
TEST(EncodeFrameTest, ExamplesOfTheRfc) {
  std::string out;
  EncodeFrame(out, Opcode::kText, "Hello");
  EXPECT_EQ(out, "\x81\x05Hello");
  out.clear();
  EncodeFrame(out, Opcode::kText, "Hello", kKey);
  EXPECT_EQ(out, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  out.clear();
  EncodeFrame(out, Opcode::kBinary, std::string(256, 'x'));
  EXPECT_EQ(out.substr(0, 4), std::string("\x82\x7e\x01\x00", 4));
  out.clear();
  EncodeFrame(out, Opcode::kBinary, std::string(65536, 'x'));
  EXPECT_EQ(out.substr(0, 10), std::string("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10));
}

TEST(EncodeFrameTest, EveryLengthFormRoundTripsBothWays) {
  for (const size_t size : {0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 70000}) {
    const std::string payload(size, 'p');
    std::string to_client, to_server;
    EncodeFrame(to_client, Opcode::kBinary, payload);
    EncodeFrame(to_server, Opcode::kBinary, payload, kKey);
    char header[kHeaderBytesMax];
    EXPECT_EQ(EncodeHeader(header, Opcode::kBinary, size) + size, to_client.size());
    for (const Role role : {Role::kClient, Role::kServer}) {
      Decoder decoder(role);
      std::span<char> input(role == Role::kClient ? to_client : to_server);
      const Event event = decoder.Next(input);
      EXPECT_EQ(event.kind, Event::Kind::kBinary) << size;
      EXPECT_EQ(event.payload, payload);
      EXPECT_TRUE(input.empty());
    }
  }
}

TEST(EncodeFrameTest, AppendsToWhatIsThere) {
  std::string out = "before";
  EncodeFrame(out, Opcode::kPong, "", kKey);
  EXPECT_EQ(out, "before\x8a\x80\x37\xfa\x21\x3d");
}

TEST(MaskTest, IsItsOwnInverseAtEveryOffsetAndSize) {
  SeededRandom random(1);
  for (size_t size = 0; size < 70; ++size) {
    const std::string original = random.Hex(35).substr(0, size);
    std::string whole = original;
    Mask(whole, kKey);
    for (size_t i = 0; i < size; ++i) ASSERT_EQ(whole[i], original[i] ^ kKey[i % 4]);
    for (size_t cut = 0; cut <= size; ++cut) {
      std::string parts = whole;
      Mask(std::span(parts).first(cut), kKey);
      Mask(std::span(parts).subspan(cut), kKey, cut);
      ASSERT_EQ(parts, original);
    }
  }
}

TEST(ClosePayloadTest, HoldsCodeAndReason) {
  EXPECT_EQ(ClosePayload(CloseCode::kServiceRestart, "bye"),
            "\x03\xf4"
            "bye");
  EXPECT_EQ(ClosePayload(CloseCode::kNoStatus, "never sent"), "");
}

TEST(ClosePayloadTest, CutsTheReasonAtACharacter) {
  EXPECT_EQ(ClosePayload(CloseCode::kNormal, std::string(200, 'a')).size(), kControlBytesMax);
  std::string reason(121, 'a');
  reason += "€";  // Would end at byte 124; 123 fit.
  const std::string payload = ClosePayload(CloseCode::kNormal, reason);
  EXPECT_EQ(payload.size(), 2u + 121u);
  EXPECT_TRUE(IsUtf8(payload.substr(2)));
}

TEST(CloseCodeTest, SendableOnesAfterTheRegistry) {
  const auto sendable = [](int code) { return IsSendable(CloseCode{static_cast<uint16_t>(code)}); };
  for (const int code : {1000, 1001, 1002, 1003, 1007, 1008, 1011, 1014, 3000, 3999, 4000, 4999}) {
    EXPECT_TRUE(sendable(code)) << code;
  }
  for (const int code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    EXPECT_FALSE(sendable(code)) << code;
  }
}

TEST(Utf8ValidatorTest, AgreesWithTheWholeTextCheckHoweverItIsCut) {
  SeededRandom random(2);
  constexpr std::string_view kPieces[] = {
      "a",    "abcdefgh", "\xc3\xa9",     "\xe2\x82\xac", "\xf0\x9f\x98\x80",
      "\x80", "\xc0",     "\xed\xa0\x80", "\xf4\x90",     "\xe0\x9f",
      "\xf8"};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    const bool with_bad = random.Percent(50);
    for (uint64_t n = random.Below(8); n > 0; --n) {
      text += kPieces[random.Below(with_bad ? std::size(kPieces) : 5)];
    }
    if (random.Percent(20) && !text.empty()) text.pop_back();
    Utf8Validator validator;
    bool valid = true;
    for (size_t at = 0; valid && at < text.size();) {
      const size_t size = 1 + random.Below(5);
      valid = validator.Feed(std::string_view(text).substr(at, size));
      at += size;
    }
    ASSERT_EQ(valid && validator.IsComplete(), IsUtf8(text)) << ::testing::PrintToString(text);
  }
}

TEST(Utf8ValidatorTest, FailsAtTheFirstImpossibleByte) {
  for (const auto& [good, bad] : {std::pair<std::string_view, char>{"\xed", '\xa0'},
                                  {"\xe0", '\x9f'},
                                  {"\xf0", '\x8f'},
                                  {"\xf4", '\x90'},
                                  {"ab", '\xc1'},
                                  {"\xe2\x82", 'a'},
                                  {"", '\xf5'}}) {
    Utf8Validator validator;
    EXPECT_TRUE(validator.Feed(good));
    EXPECT_FALSE(validator.Feed(std::string_view(&bad, 1)));
  }
}

}  // namespace
}  // namespace tw::websocket
