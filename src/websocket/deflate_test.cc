#include "websocket/deflate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/random.h"
#include "websocket/frame_compressor.h"
#include "websocket/shared_frame.h"
#include "websocket/testing_cases.h"

namespace tw::websocket {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

std::optional<DeflateAgreement> Choose(std::string_view header) {
  const HeaderView headers[] = {{"Sec-WebSocket-Extensions", header}};
  return ChooseDeflate(headers);
}

TEST(ChooseDeflateTest, TakesTheFirstOfferThatCanBeServed) {
  for (const char* header :
       {"permessage-deflate", "Permessage-Deflate", "permessage-deflate;client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8", "permessage-deflate ; server_max_window_bits=15",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits=\"10\"", ", permessage-deflate ,,",
        "x-webkit-deflate-frame, permessage-deflate", "foo; bar=1; baz=\"q\", permessage-deflate",
        "permessage-deflate; unknown, permessage-deflate"}) {
    EXPECT_THAT(Choose(header), Optional(DeflateAgreement{})) << header;
  }
  EXPECT_EQ(Choose("permessage-deflate; server_max_window_bits=9")->window_bits, 9);
  EXPECT_EQ(Choose("permessage-deflate; server_max_window_bits=12, permessage-deflate")->window_bits,
            12);
  EXPECT_EQ(Choose("permessage-deflate; server_max_window_bits=8, permessage-deflate")->window_bits,
            15);
}

TEST(ChooseDeflateTest, DeclinesEverythingElse) {
  for (const char* header :
       {"", "constructor", "permessage-deflate2", "permessage-bzip2",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=a",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits=09",
        "permessage-deflate; client_max_window_bits=\"10",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_max_window_bits; client_max_window_bits=10",
        "permessage-deflate; foo", "permessage-deflate;", "permessage-deflate;;",
        "permessage-deflate foo", "permessage-deflate=1", "=", ";", "permessage-deflate\x01",
        "permessage-deflate, @"}) {
    EXPECT_EQ(Choose(header), std::nullopt) << header;
  }
}

TEST(ChooseDeflateTest, FiveHundredOffersAreReadNoFurtherThanTheLimit) {
  std::string header;
  for (int i = 0; i < 500; ++i) header += "permessage-deflate; client_max_window_bits=7, ";
  EXPECT_EQ(Choose(header + "permessage-deflate"), std::nullopt);
  EXPECT_EQ(Choose("permessage-deflate, " + header), DeflateAgreement{});
  const std::vector<HeaderView> lines(500, {"sec-websocket-extensions", "foo"});
  EXPECT_EQ(ChooseDeflate(lines), std::nullopt);
}

TEST(DeflateAnswerTest, NamesBothDirectionsAndTheWindow) {
  EXPECT_EQ(DeflateAnswer({}),
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
            "client_no_context_takeover\r\n");
  EXPECT_EQ(DeflateAnswer({.window_bits = 10}),
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
            "client_no_context_takeover; server_max_window_bits=10\r\n");
}

// A text of `size` bytes that compresses as prose does.
std::string Prose(Random& random, size_t size) {
  static constexpr const char* kWords[] = {"tide ", "wire ", "change ", "row ", "\"id\":", "{}, "};
  std::string text;
  while (text.size() < size) text += random.Percent(80) ? kWords[random.Below(6)] : random.Hex(2);
  text.resize(size);
  return text;
}

TEST(InflaterTest, GivesBackWhatWasCompressedForEveryWindow) {
  SeededRandom random(11);
  for (uint8_t bits = kWindowBitsMin; bits <= kWindowBitsMax; ++bits) {
    Deflater deflater(1 + bits % 9, bits);
    for (const size_t size : {0, 1, 5, 100, 4'096, 40'000, 300'000}) {
      for (const std::string& text : {Prose(random, size), random.Hex(size / 2)}) {
        const std::string compressed(deflater.Compress(text));
        Inflater inflater;
        std::string out;
        for (size_t at = 0; at < compressed.size(); at += 1'000) {
          ASSERT_EQ(inflater.Feed(std::string_view(compressed).substr(at, 1'000), out, 1 << 20),
                    Inflater::Result::kOk);
        }
        ASSERT_EQ(inflater.Finish(out, 1 << 20), Inflater::Result::kOk) << size;
        ASSERT_EQ(out, text);
      }
    }
  }
}

TEST(InflaterTest, ABombStopsAtTheLimitWithoutMemoryForMore) {
  Deflater deflater(9, 15);
  const std::string zeros(64 << 20, '\0');
  const std::string bomb(deflater.Compress(zeros));
  ASSERT_LT(bomb.size(), 70'000u);
  constexpr size_t kMax = 1'000'000;
  Inflater inflater;
  std::string out;
  EXPECT_EQ(inflater.Feed(bomb, out, kMax), Inflater::Result::kTooBig);
  EXPECT_LE(out.size(), kMax);
  EXPECT_LE(out.capacity(), kMax * 3 / 2);
}

TEST(InflaterTest, TheLimitIsExact) {
  Deflater deflater(1, 15);
  const std::string compressed(deflater.Compress(std::string(1'000, 'x')));
  for (const uint64_t bytes_max : {999u, 1'000u}) {
    Inflater inflater;
    std::string out;
    auto result = inflater.Feed(compressed, out, bytes_max);
    if (result == Inflater::Result::kOk) result = inflater.Finish(out, bytes_max);
    EXPECT_EQ(result, bytes_max == 999 ? Inflater::Result::kTooBig : Inflater::Result::kOk);
  }
}

// The examples of RFC 7692 §7.2.3.
TEST(InflaterTest, ReadsTheExamplesOfTheRfc) {
  const auto inflate = [](std::string_view bytes) -> std::string {
    Inflater inflater;
    std::string out;
    if (inflater.Feed(bytes, out, 100) != Inflater::Result::kOk) return "corrupt";
    return inflater.Finish(out, 100) == Inflater::Result::kOk ? out : "corrupt";
  };
  EXPECT_EQ(inflate("\xf2\x48\xcd\xc9\xc9\x07" + std::string(1, '\0')), "Hello");
  EXPECT_EQ(inflate({"\x00\x05\x00\xfa\xffHello\x00", 11}), "Hello") << "stored";
  EXPECT_EQ(inflate({"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8}), "Hello") << "BFINAL";
  EXPECT_EQ(inflate({"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13}), "Hello")
      << "two blocks";
  EXPECT_EQ(inflate(std::string_view("\0", 1)), "") << "an empty message";
  EXPECT_EQ(inflate("\xff\xff\xff"), "corrupt");
  EXPECT_EQ(inflate("\xf2\x48\xcd"), "corrupt") << "cut off";
  EXPECT_EQ(inflate("\x06"), "corrupt") << "reserved block type";
}

std::string Deflated(uint8_t first, std::string_view text) {
  Deflater deflater(6, 15);
  return Masked(static_cast<uint8_t>(first | 0x40), deflater.Compress(text));
}

constexpr DecoderOptions kAgreed{.inflated_bytes_max = 1'000'000};

struct Compressed {
  std::string name;
  std::string stream;
  std::vector<std::string> events;
};

std::vector<Compressed> CompressedCases() {
  const std::string text = "tide tide tide tide tide €";
  Deflater deflater(6, 15);
  const std::string whole(deflater.Compress(text));
  const std::string bad(deflater.Compress("abc\xff" "def"));
  std::vector<Compressed> cases = {
      {"text", Deflated(kText, text), {"text:" + text}},
      {"binary", Deflated(kBinary, "\xff\xff\xff"), {"binary:\xff\xff\xff"}},
      {"empty", Deflated(kText, ""), {"text:"}},
      {"uncompressed stays allowed", Masked(kText, text), {"text:" + text}},
      {"mixed", Deflated(kText, "a") + Masked(kText, "b") + Deflated(kBinary, "c"),
       {"text:a", "text:b", "binary:c"}},
      {"two fragments", Masked(kTextStart | 0x40, whole.substr(0, 4)) + Masked(kLast, whole.substr(4)),
       {"text:" + text}},
      {"empty fragments", Masked(kTextStart | 0x40, "") + Masked(kMiddle, whole) + Masked(kLast, ""),
       {"text:" + text}},
      {"ping between", Masked(kTextStart | 0x40, whole.substr(0, 9)) + Masked(kPing, "p") +
                           Masked(kLast, whole.substr(9)),
       {"ping:p", "text:" + text}},
      {"RSV1 on a continuation", Masked(kTextStart | 0x40, whole.substr(0, 4)) +
                                     Masked(kLast | 0x40, whole.substr(4)),
       {"error:1002"}},
      {"RSV1 on a later fragment of a plain message",
       Masked(kTextStart, "a") + Masked(kLast | 0x40, whole), {"error:1002"}},
      {"RSV2", Masked(kText | 0x20, "a"), {"error:1002"}},
      {"RSV1 and RSV3", Masked(kText | 0x50, whole), {"error:1002"}},
      {"not UTF-8", Masked(kText | 0x40, bad), {"error:1007"}},
      {"not UTF-8, told before the end", Masked(kTextStart | 0x40, bad), {"error:1007"}},
      {"as binary it is fine", Masked(kBinary | 0x40, bad), {"binary:abc\xff" "def"}},
      {"corrupt", Masked(kBinary | 0x40, "\xff\xff\xff\xff"), {"error:1007"}},
      {"cut off", Masked(kText | 0x40, whole.substr(0, 5)), {"error:1007"}},
      {"bytes behind the last block", Masked(kText | 0x40, whole + "\xff\xff"), {"error:1007"}},
      {"bomb", Deflated(kBinary, std::string(20'000'000, 'x')), {"error:1009"}},
      {"close", Deflated(kText, "a") + CloseWith(1000), {"text:a", "close:1000:"}},
      {"text cut within a character", Deflated(kText, "\xe2\x82"), {"error:1007"}},
  };
  for (const uint8_t control : {kPing, kPong, kClose}) {
    cases.push_back({"RSV1 on control", Masked(control | 0x40, ""), {"error:1002"}});
  }
  // 12: sizes of the suite, as text and as binary.
  for (const size_t size : {16, 64, 256, 1'024, 4'096, 16'384, 65'536, 131'072}) {
    std::string message;
    while (message.size() < size) message += "{\"AutobahnPython\": [" + std::to_string(size) + "]}";
    message.resize(size);
    cases.push_back({"12.1 of " + std::to_string(size), Deflated(kText, message), {"text:" + message}});
    cases.push_back(
        {"12.2 of " + std::to_string(size), Deflated(kBinary, message), {"binary:" + message}});
  }
  return cases;
}

TEST(DecoderDeflateTest, Conformance) {
  for (const auto& test : CompressedCases()) {
    EXPECT_EQ(Events(test.stream, kAgreed), test.events) << test.name;
    Decoder decoder(Role::kServer, kAgreed);
    std::vector<std::string> pieces;
    for (size_t at = 0; at < test.stream.size(); at += 7) pieces.push_back(test.stream.substr(at, 7));
    EXPECT_EQ(Events(decoder, pieces), test.events) << test.name << ", in pieces";
  }
}

// What holds without the extension holds with it, but for RSV1 on the first frame of a message.
TEST(DecoderDeflateTest, PlainConversationsGoAsBefore) {
  for (const Case& test : AllCases()) {
    if (test.name.starts_with("3 RSV")) continue;
    EXPECT_EQ(Events(test.stream, kAgreed), test.events) << test.name;
  }
}

TEST(DecoderDeflateTest, WithoutAnAgreementRsv1IsAnError) {
  EXPECT_THAT(Events(Deflated(kText, "hello")), ElementsAre("error:1002"));
}

TEST(DecoderDeflateTest, BothLimitsHold) {
  Deflater deflater(1, 15);
  SeededRandom random(5);
  const std::string noise = random.Hex(3'000);
  const std::string stream = Masked(kText | 0x40, deflater.Compress(noise));
  EXPECT_THAT(Events(stream, {.message_bytes_max = 2'000, .inflated_bytes_max = 10'000}),
              ElementsAre("error:1009"))
      << "as sent";
  EXPECT_THAT(Events(stream, {.message_bytes_max = 10'000, .inflated_bytes_max = 5'999}),
              ElementsAre("error:1009"))
      << "expanded";
  EXPECT_THAT(Events(stream, {.message_bytes_max = 10'000, .inflated_bytes_max = 6'000}),
              ElementsAre("text:" + noise));
}

TEST(FrameCompressorTest, CompressesOnceForAllReadersOfAFrame) {
  FrameCompressor compressor({});
  const io::SharedBytes frame = ShareFrame(Opcode::kText, std::string(2'000, 'x'));
  const io::SharedBytes first = compressor.Compress(frame, 15);
  EXPECT_EQ(compressor.Compress(frame, 15).view().data(), first.view().data());
  EXPECT_EQ(compressor.compressions(), 1u);
  EXPECT_LT(first.size(), 60u);
  EXPECT_NE(compressor.Compress(frame, 10).view().data(), first.view().data());
  EXPECT_EQ(compressor.compressions(), 2u) << "another window";
  std::string stream(first.view());
  Decoder decoder(Role::kClient, kAgreed);
  EXPECT_THAT(Events(decoder, std::span(&stream, 1)), ElementsAre("text:" + std::string(2'000, 'x')));
}

TEST(FrameCompressorTest, SmallAndIncompressibleFramesGoAsTheyAre) {
  FrameCompressor compressor({.level = 1, .bytes_min = 512});
  const io::SharedBytes small = ShareFrame(Opcode::kText, std::string(511, 'x'));
  EXPECT_EQ(compressor.Compress(small, 15).view().data(), small.view().data());
  EXPECT_EQ(compressor.compressions(), 0u);
  std::string noise;
  SeededRandom source(3);
  while (noise.size() < 600) noise += static_cast<char>(source.Next());
  const io::SharedBytes random = ShareFrame(Opcode::kBinary, noise);
  EXPECT_EQ(compressor.Compress(random, 15).view().data(), random.view().data());
}

TEST(SharedFrameTest, PayloadAndOpcodeAreWhatWasGiven) {
  for (const size_t size : {0, 1, 125, 126, 65'535, 65'536}) {
    const std::string payload(size, 'p');
    const io::SharedBytes frame = ShareFrame(Opcode::kBinary, payload);
    EXPECT_EQ(PayloadOf(frame), payload);
    EXPECT_EQ(OpcodeOf(frame), Opcode::kBinary);
  }
}

}  // namespace
}  // namespace tw::websocket
