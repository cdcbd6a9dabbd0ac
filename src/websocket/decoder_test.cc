#include "websocket/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "websocket/testing_frames.h"

namespace tw::websocket {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using Strings = std::vector<std::string>;

constexpr uint8_t kText = 0x81, kBinary = 0x82, kClose = 0x88, kPing = 0x89, kPong = 0x8a;
// Fragments: the first without FIN, then continuations without, then one with.
constexpr uint8_t kTextStart = 0x01, kBinaryStart = 0x02, kMiddle = 0x00, kLast = 0x80;

std::string CloseWith(uint16_t code, std::string_view reason = "") {
  std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code)};
  return Masked(kClose, payload += reason);
}

// A masked header that announces `size` in eight bytes, without the payload.
std::string Announce(uint8_t first, uint64_t size) {
  std::string out = {static_cast<char>(first), '\xff'};
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  return out + "mask";
}

struct Case {
  std::string name;
  std::string stream;
  Strings events;
};

// Numbers are sections of the Autobahn test suite, whose cases these follow.
std::vector<Case> FramingCases() {
  std::vector<Case> cases;
  // 1: lengths.
  for (const size_t size : {0, 1, 125, 126, 127, 128, 65535, 65536}) {
    const std::string payload(size, '*');
    cases.push_back(
        {"1.1 text of " + std::to_string(size), Masked(kText, payload), {"text:" + payload}});
    cases.push_back(
        {"1.2 binary of " + std::to_string(size), Masked(kBinary, payload), {"binary:" + payload}});
  }
  cases.push_back({"binary is not validated", Masked(kBinary, "\xff\xfe"), {"binary:\xff\xfe"}});
  // 2: ping and pong.
  const std::string longest(125, '\xfe');
  cases.push_back({"2.1 empty ping", Masked(kPing, ""), {"ping:"}});
  cases.push_back({"2.3 ping with bytes", Masked(kPing, "\xff\xfe"), {"ping:\xff\xfe"}});
  cases.push_back({"2.4 longest ping", Masked(kPing, longest), {"ping:" + longest}});
  cases.push_back({"2.5 ping of 126", Masked(kPing, std::string(126, 'x')), {"error:1002"}});
  cases.push_back({"2.5 pong of 126", Masked(kPong, std::string(126, 'x')), {"error:1002"}});
  cases.push_back({"2.5 close of 126", Masked(kClose, std::string(126, 'x')), {"error:1002"}});
  cases.push_back(
      {"2.7 unsolicited pong", Masked(kPong, "x") + Masked(kPing, "y"), {"pong:x", "ping:y"}});
  // 3: reserved bits, alone and after a good message.
  for (uint8_t rsv = 1; rsv < 8; ++rsv) {
    for (const uint8_t first : {kText, kBinary, kPing, kPong, kClose, kTextStart}) {
      cases.push_back({"3 RSV " + std::to_string(rsv) + " opcode " + std::to_string(first),
                       Masked(kText, "a") + Masked(static_cast<uint8_t>(first | rsv << 4), "b"),
                       {"text:a", "error:1002"}});
    }
  }
  // 4: reserved opcodes.
  for (const uint8_t opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) {
    cases.push_back({"4 opcode " + std::to_string(opcode),
                     Masked(kText, "a") + Masked(static_cast<uint8_t>(0x80 | opcode), "b"),
                     {"text:a", "error:1002"}});
  }
  return cases;
}

std::vector<Case> FragmentationCases() {
  return {
      {"5.1 fragmented ping", Masked(0x09, "a") + Masked(kLast, "b"), {"error:1002"}},
      {"5.2 fragmented pong", Masked(0x0a, "a") + Masked(kLast, "b"), {"error:1002"}},
      {"fragmented close", Masked(0x08, "") + Masked(kLast, ""), {"error:1002"}},
      {"5.3 two fragments", Masked(kTextStart, "ab") + Masked(kLast, "cd"), {"text:abcd"}},
      {"two binary fragments",
       Masked(kBinaryStart, "\xff") + Masked(kLast, "\xfe"),
       {"binary:\xff\xfe"}},
      {"5.6 ping between fragments",
       Masked(kTextStart, "ab") + Masked(kPing, "p") + Masked(kLast, "cd"),
       {"ping:p", "text:abcd"}},
      {"5.9 continuation of nothing", Masked(kLast, "a") + Masked(kText, "b"), {"error:1002"}},
      {"5.12 open continuation of nothing", Masked(kMiddle, "a"), {"error:1002"}},
      {"5.15 continuation after the last",
       Masked(kTextStart, "a") + Masked(kLast, "b") + Masked(kLast, "c"),
       {"text:ab", "error:1002"}},
      {"5.18 text within text", Masked(kTextStart, "a") + Masked(kText, "b"), {"error:1002"}},
      {"binary within text", Masked(kTextStart, "a") + Masked(kBinaryStart, "b"), {"error:1002"}},
      {"5.19 pings all over",
       Masked(kTextStart, "1") + Masked(kMiddle, "2") + Masked(kPing, "x") + Masked(kMiddle, "3") +
           Masked(kMiddle, "4") + Masked(kPing, "y") + Masked(kLast, "5"),
       {"ping:x", "ping:y", "text:12345"}},
      {"close between fragments",
       Masked(kTextStart, "ab") + CloseWith(1000) + Masked(kLast, "c"),
       {"close:1000:"}},
      {"empty fragments",
       Masked(kTextStart, "") + Masked(kMiddle, "") + Masked(kLast, ""),
       {"text:"}},
      {"empty first and last",
       Masked(kBinaryStart, "") + Masked(kMiddle, "m") + Masked(kLast, ""),
       {"binary:m"}},
      {"two fragmented messages",
       Masked(kTextStart, "a") + Masked(kLast, "b") + Masked(kBinaryStart, "c") +
           Masked(kLast, "d"),
       {"text:ab", "binary:cd"}},
  };
}

std::vector<Case> Utf8Cases() {
  const std::string kosme = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
  std::vector<Case> cases = {
      {"6.1 empty text", Masked(kText, ""), {"text:"}},
      {"6.2 valid text", Masked(kText, kosme), {"text:" + kosme}},
      {"6.2 fragmented between characters",
       Masked(kTextStart, kosme.substr(0, 2)) + Masked(kLast, kosme.substr(2)),
       {"text:" + kosme}},
      {"6.3 invalid text", Masked(kText, kosme + "\xed\xa0\x80" + "edited"), {"error:1007"}},
      {"6.4 fails in the second of three fragments",
       Masked(kTextStart, kosme) + Masked(kMiddle, "\xf4\x90\x80\x80"),
       {"error:1007"}},
      {"ends within a character", Masked(kText, "\xce"), {"error:1007"}},
      {"last fragment ends within a character",
       Masked(kTextStart, "a") + Masked(kLast, "\xe2\x82"),
       {"error:1007"}},
      {"last fragment empty within a character",
       Masked(kTextStart, "\xe2\x82") + Masked(kLast, ""),
       {"error:1007"}},
      {"character across three fragments with a ping",
       Masked(kTextStart, "\xe2") + Masked(kMiddle, "\x82") + Masked(kPing, "\xff") +
           Masked(kLast, "\xac"),
       {"ping:\xff", "text:€"}},
      {"a character does not continue in the next message",
       Masked(kText, "a") + Masked(kText, "\x80"),
       {"text:a", "error:1007"}},
  };
  std::string bytewise;
  for (size_t i = 0; i < kosme.size(); ++i) {
    bytewise += Masked(i == 0                  ? kTextStart
                       : i + 1 == kosme.size() ? kLast
                                               : kMiddle,
                       kosme.substr(i, 1));
  }
  cases.push_back({"6.2.3 one byte per fragment", bytewise, {"text:" + kosme}});
  // 6.5-6.23 after Markus Kuhn's UTF-8 test file.
  for (const char* good :
       {"\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xef\xbf\xbf", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbd", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xef\xbf\xbe"}) {
    cases.push_back({"6 valid", Masked(kText, good), {"text:" + std::string(good)}});
  }
  for (const char* bad : {"\x80",
                          "\xbf",
                          "\x80\xbf",
                          "\xc0 ",
                          "\xe0 ",
                          "\xf0 ",
                          "\xf8 ",
                          "\xfe",
                          "\xff",
                          "\xc0\xaf",
                          "\xe0\x80\xaf",
                          "\xf0\x80\x80\xaf",
                          "\xc1\xbf",
                          "\xe0\x9f\xbf",
                          "\xf0\x8f\xbf\xbf",
                          "\xf8\x88\x80\x80\x80",
                          "\xfc\x84\x80\x80\x80\x80",
                          "\xf4\x90\x80\x80",
                          "\xed\xa0\x80",
                          "\xed\xbf\xbf",
                          "\xed\xa0\x80\xed\xb0\x80",
                          "\xe0\x80",
                          "\xf0\x80\x80",
                          "\xdf",
                          "\xef\xbf",
                          "\xf7\xbf\xbf\xbf"}) {
    cases.push_back({"6 invalid", Masked(kText, bad), {"error:1007"}});
  }
  return cases;
}

std::vector<Case> CloseCases() {
  std::vector<Case> cases = {
      {"7.1 messages after a close are swallowed",
       Masked(kText, "a") + CloseWith(1000) + Masked(kText, "b") + Masked(kPing, ""),
       {"text:a", "close:1000:"}},
      {"even broken ones", CloseWith(1001) + "\xff\xff\xff\xff", {"close:1001:"}},
      {"7.3.1 without code", Masked(kClose, ""), {"close:1005:"}},
      {"7.3.2 one byte", Masked(kClose, "\x03"), {"error:1002"}},
      {"7.3.4 with reason", CloseWith(1000, "done"), {"close:1000:done"}},
      {"7.3.5 longest reason",
       CloseWith(1000, std::string(123, 'r')),
       {"close:1000:" + std::string(123, 'r')}},
      {"7.3.6 reason too long", CloseWith(1000, std::string(124, 'r')), {"error:1002"}},
      {"7.5 reason not UTF-8", CloseWith(1000, "\xce\xba\xed\xa0\x80"), {"error:1007"}},
      {"reason ends within a character", CloseWith(1000, "\xe2\x82"), {"error:1007"}},
  };
  for (const uint16_t code : {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013,
                              1014, 3000, 3999, 4000, 4999}) {
    cases.push_back({"7.7 code", CloseWith(code), {"close:" + std::to_string(code) + ":"}});
  }
  for (const uint16_t code :
       {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}) {
    cases.push_back({"7.9 code " + std::to_string(code), CloseWith(code), {"error:1002"}});
  }
  return cases;
}

std::vector<Case> LengthCases() {
  using enum LengthForm;
  const auto padded = [](uint8_t first, size_t size, LengthForm form) {
    return Masked(RawFrame{.first = first, .payload = std::string(size, 'x'), .form = form});
  };
  return {
      {"unmasked",
       std::string("\x81\x01"
                   "a"),
       {"error:1002"}},
      {"unmasked control", std::string("\x89\x00", 2), {"error:1002"}},
      {"0 in two bytes", padded(kText, 0, kTwoBytes), {"error:1002"}},
      {"125 in two bytes", padded(kBinary, 125, kTwoBytes), {"error:1002"}},
      {"0 in eight bytes", padded(kText, 0, kEightBytes), {"error:1002"}},
      {"126 in eight bytes", padded(kBinary, 126, kEightBytes), {"error:1002"}},
      {"65535 in eight bytes", padded(kBinary, 65535, kEightBytes), {"error:1002"}},
      {"ping with a two-byte length", padded(kPing, 1, kTwoBytes), {"error:1002"}},
      {"2^63 announced", Announce(kBinary, uint64_t{1} << 63), {"error:1009"}},
      {"2^64-1 announced", Announce(kBinary, UINT64_MAX), {"error:1009"}},
      {"2^63-1 announced", Announce(kBinary, INT64_MAX), {"error:1009"}},
      {"2^32+1 announced", Announce(kText, (uint64_t{1} << 32) + 1), {"error:1009"}},
      {"one byte over the limit", Announce(kText, 5'000'001), {"error:1009"}},
      {"2^64-1 announced after a fragment",
       Masked(kBinaryStart, "abc") + Announce(kLast, UINT64_MAX),
       {"error:1009"}},
      {"together one byte over the limit",
       Masked(kBinaryStart, "abc") + Announce(kLast, 4'999'998),
       {"error:1009"}},
  };
}

std::vector<Case> AllCases() {
  std::vector<Case> all;
  for (auto make : {FramingCases, FragmentationCases, Utf8Cases, CloseCases, LengthCases}) {
    for (Case& test : make()) all.push_back(std::move(test));
  }
  return all;
}

TEST(DecoderTest, Conformance) {
  const std::vector<Case> cases = AllCases();
  EXPECT_GE(cases.size(), 150u);
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
  EXPECT_LE(sizeof(Decoder), 96u);
}

}  // namespace
}  // namespace tw::websocket
