#include "websocket/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "websocket/testing_cases.h"
#include "websocket/testing_frames.h"

namespace tw::websocket {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using Strings = std::vector<std::string>;

TEST(DecoderTest, Conformance) {
  const std::vector<Case> cases = AllCases();
  EXPECT_GE(cases.size(), 300u);
  for (const Case& test : cases) {
    EXPECT_THAT(Events(test.stream), ElementsAreArray(test.events)) << test.name;
  }
}

TEST(DecoderTest, EveryCutGivesTheSameEvents) {
  for (const Case& test : AllCases()) {
    // All cuts into two; of long streams only those near both ends, where headers are.
    for (size_t cut = 0; cut <= test.stream.size(); ++cut) {
      if (cut > 300 && cut + 300 < test.stream.size()) continue;
      Decoder decoder(Role::kServer);
      const Strings pieces = {test.stream.substr(0, cut), test.stream.substr(cut)};
      ASSERT_THAT(Events(decoder, pieces), ElementsAreArray(test.events))
          << test.name << " " << cut;
    }
    if (test.stream.size() > 2000) continue;
    Decoder decoder(Role::kServer);
    Strings bytes;
    for (const char byte : test.stream) bytes.emplace_back(1, byte);
    ASSERT_THAT(Events(decoder, bytes), ElementsAreArray(test.events)) << test.name;
  }
}

// Random legal conversations, cut at random, against what was put in.
TEST(DecoderTest, RandomConversationsInRandomPieces) {
  SeededRandom random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string stream;
    Strings expected;
    for (uint64_t message = random.Below(6); message > 0; --message) {
      const bool text = random.Percent(50);
      std::string whole;
      for (uint64_t fragments = 1 + random.Below(4), n = fragments; n > 0; --n) {
        const uint64_t size = random.Percent(10) ? random.Below(70'000) : random.Below(200);
        const std::string part = random.Hex(size / 2);
        const uint8_t opcode = n < fragments ? 0 : text ? 1 : 2;
        stream += Masked(static_cast<uint8_t>((n == 1 ? 0x80 : 0) | opcode), part);
        whole += part;
        if (n > 1 && random.Percent(30)) {
          const std::string ping = random.Hex(random.Below(63));
          stream += Masked(kPing, ping);
          expected.push_back("ping:" + ping);
        }
      }
      expected.push_back((text ? "text:" : "binary:") + whole);
    }
    Strings pieces;
    for (size_t at = 0; at < stream.size();) {
      const size_t size = 1 + random.Below(random.Percent(50) ? 20 : 20'000);
      pieces.push_back(stream.substr(at, size));
      at += size;
    }
    Decoder decoder(Role::kServer,
                    {.in_place_bytes_max = static_cast<uint32_t>(random.Below(500))});
    ASSERT_EQ(Events(decoder, pieces), expected) << round;
    ASSERT_TRUE(decoder.IsIdle());
  }
}

TEST(DecoderTest, MessageLimitIsExactOverAllFragments) {
  const DecoderOptions options{.message_bytes_max = 10};
  EXPECT_THAT(Events(Masked(kText, "0123456789"), options), ElementsAre("text:0123456789"));
  EXPECT_THAT(Events(Masked(kText, "0123456789a"), options), ElementsAre("error:1009"));
  EXPECT_THAT(Events(Masked(kTextStart, "01234") + Masked(kLast, "56789"), options),
              ElementsAre("text:0123456789"));
  EXPECT_THAT(Events(Masked(kTextStart, "01234") + Masked(kLast, "56789a"), options),
              ElementsAre("error:1009"));
  EXPECT_THAT(Events(Masked(kTextStart, "0123456789") + Masked(kLast, ""), options),
              ElementsAre("text:0123456789"));
  EXPECT_THAT(Events(Masked(kText, "0123456789") + Masked(kText, "0123456789"), options),
              ElementsAre("text:0123456789", "text:0123456789"));
}

TEST(DecoderTest, FragmentLimitCountsEmptyOnesAndStartsAnewPerMessage) {
  const DecoderOptions options{.fragments_max = 3};
  const std::string three = Masked(kTextStart, "") + Masked(kMiddle, "") + Masked(kLast, "x");
  EXPECT_THAT(Events(three + three, options), ElementsAre("text:x", "text:x"));
  const std::string four = Masked(kTextStart, "") + Masked(kMiddle, "") + Masked(kMiddle, "");
  EXPECT_THAT(Events(four + Masked(kLast, "x"), options), ElementsAre("error:1008"));
  std::string flood = Masked(kBinaryStart, "");
  for (int i = 0; i < 20'000; ++i) flood += Masked(kMiddle, "1");
  EXPECT_THAT(Events(flood), ElementsAre("error:1008"));
}

TEST(DecoderTest, TellsHowManyBytesAreMissing) {
  Decoder decoder(Role::kServer);
  std::string frame = Masked(kText, std::string(300, 'x'));
  const auto missing = [&](size_t size) {
    std::span<char> input(frame.data(), size);
    const Event event = decoder.Next(input);
    EXPECT_EQ(event.kind, Event::Kind::kNeedMore);
    EXPECT_EQ(input.size(), size < 8 ? size : size - 8) << "the header is taken when it is whole";
    return event.bytes_missing;
  };
  EXPECT_EQ(missing(0), 2u);
  EXPECT_EQ(missing(1), 1u);
  EXPECT_EQ(missing(2), 2u);
  EXPECT_EQ(missing(4), 4u);
  EXPECT_EQ(missing(7), 1u);
  EXPECT_EQ(missing(8), 300u);
}

TEST(DecoderTest, WholeMessagesStayWhereTheyAre) {
  Decoder decoder(Role::kServer, {.in_place_bytes_max = 10});
  std::string stream = Masked(kText, std::string(200, 'x')) + Masked(kText, "short");
  std::span<char> input(stream);
  EXPECT_EQ(decoder.Next(input).payload.data(), stream.data() + 8);
  const Event event = decoder.Next(input);
  EXPECT_EQ(event.payload.data() + event.payload.size(), stream.data() + stream.size());
}

TEST(DecoderTest, LongMessagesNeedOnlyASmallReadBuffer) {
  Decoder decoder(Role::kServer, {.in_place_bytes_max = 100});
  const std::string payload(100'000, 'x');
  const std::string stream = Masked(kText, payload);
  std::string buffer;
  Event event;
  for (const char byte : stream) {
    buffer += byte;
    std::span<char> input(buffer);
    event = decoder.Next(input);
    buffer.erase(0, buffer.size() - input.size());
    ASSERT_LE(buffer.size(), 114u);
  }
  EXPECT_EQ(event.kind, Event::Kind::kText);
  EXPECT_EQ(event.payload, payload);
}

TEST(DecoderTest, ControlFramesStayApartFromTheMessageTheyInterrupt) {
  const std::string ping(125, 'p');
  const std::string stream = Masked(kTextStart, "ab") + Masked(kPing, ping) + Masked(kLast, "cd");
  Decoder decoder(Role::kServer, {.in_place_bytes_max = 0});
  Strings bytes;
  for (const char byte : stream) bytes.emplace_back(1, byte);
  EXPECT_THAT(Events(decoder, bytes), ElementsAre("ping:" + ping, "text:abcd"));
}

TEST(DecoderTest, BadTextFailsBeforeItsFrameIsWhole) {
  for (const uint32_t in_place_bytes_max : {0u, 16'384u}) {
    Decoder decoder(Role::kServer, {.in_place_bytes_max = in_place_bytes_max});
    const std::string frame = Masked(kText, "\xed\xa0" + std::string(1000, 'x'));
    std::string start = frame.substr(0, 10);
    std::span<char> input(start);
    EXPECT_EQ(Describe(decoder.Next(input)), "error:1007");
  }
}

TEST(DecoderTest, AnErrorIsToldAgain) {
  Decoder decoder(Role::kServer);
  std::string stream = "\xff\xff";
  std::span<char> input(stream);
  EXPECT_EQ(decoder.Next(input).code, CloseCode::kProtocolError);
  EXPECT_TRUE(input.empty());
  input = std::span<char>(stream);
  EXPECT_EQ(decoder.Next(input).kind, Event::Kind::kError);
  EXPECT_TRUE(input.empty());
}

TEST(DecoderTest, ClientRefusesMaskedFrames) {
  Decoder decoder(Role::kClient);
  std::string stream = std::string("\x81\x02hi") + Masked(kText, "no");
  EXPECT_THAT(Events(decoder, std::span(&stream, 1)), ElementsAre("text:hi", "error:1002"));
}

TEST(DecoderTest, IsIdleBetweenMessagesOnly) {
  Decoder decoder(Role::kServer);
  EXPECT_TRUE(decoder.IsIdle());
  std::string start = Masked(kTextStart, "a");
  std::span<char> input(start);
  (void)decoder.Next(input);
  EXPECT_FALSE(decoder.IsIdle());
  std::string last = Masked(kLast, "b");
  input = last;
  (void)decoder.Next(input);
  EXPECT_TRUE(decoder.IsIdle());
}

TEST(DecoderTest, IsSmall) {
  EXPECT_LE(sizeof(Decoder), 104u);
}

}  // namespace
}  // namespace tw::websocket
