#include "protocol/broadcast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "testing/matchers.h"

namespace tw::protocol {
namespace {

using std::string_literals::operator""s;
using testing::FailsWith;
using testing::IsOk;

// The example of realtime-protocol §2.3.
const std::string kExample = "\x03\x01\x01\x0a\x02\x00\x01"s + "67realtime:ahi" + R"({"n":1})";

// A message of kind 3 from its parts, in the layout with metaLen.
std::string Push(std::string_view join_ref, std::string_view ref, std::string_view topic,
                 std::string_view event, std::string_view meta, char encoding,
                 std::string_view payload) {
  std::string message(1, '\x03');
  for (const std::string_view part : {join_ref, ref, topic, event, meta}) {
    message.push_back(static_cast<char>(part.size()));
  }
  message.push_back(encoding);
  for (const std::string_view part : {join_ref, ref, topic, event, meta, payload}) message += part;
  return message;
}

// The same as client 2.81.0-2.84.0 sends it: without metaLen.
std::string PushWithoutMetaLength(std::string_view join_ref, std::string_view ref,
                                  std::string_view topic, std::string_view event, char encoding,
                                  std::string_view payload) {
  std::string message = Push(join_ref, ref, topic, event, "", encoding, payload);
  return message.erase(5, 1);
}

TEST(BroadcastPushTest, ReadsTheExampleOfTheSpecification) {
  const auto push = ParseUserBroadcastPush(kExample);
  ASSERT_THAT(push, IsOk());
  EXPECT_EQ(push->join_ref, "6");
  EXPECT_EQ(push->ref, "7");
  EXPECT_EQ(push->topic, "realtime:a");
  EXPECT_EQ(push->event, "hi");
  EXPECT_EQ(push->payload, R"({"n":1})");
  EXPECT_EQ(push->encoding, BroadcastEncoding::kJson);
}

// Stock phoenix, and realtime-js 2.81 to 2.83 for a bare ArrayBuffer.
TEST(BroadcastPushTest, PhoenixOwnBinaryPushIsRawBytes) {
  const std::string header{'\0', '\1', '\1', '\12', '\11'};
  const std::string whole = header + "67realtime:abroadcast" + std::string("\0\xff", 2);
  const auto push = ParseUserBroadcastPush(whole);
  ASSERT_TRUE(push.ok());
  EXPECT_EQ(push->join_ref, "6");
  EXPECT_EQ(push->ref, "7");
  EXPECT_EQ(push->topic, "realtime:a");
  EXPECT_EQ(push->event, "broadcast");
  EXPECT_EQ(push->encoding, BroadcastEncoding::kRaw);
  EXPECT_EQ(push->payload, std::string_view("\0\xff", 2));
  EXPECT_FALSE(ParseUserBroadcastPush(header + "67realtime:aphx_leaves").ok());
  for (size_t size = 0; size < whole.size() - 2; ++size) {
    EXPECT_FALSE(ParseUserBroadcastPush(std::string_view(whole).substr(0, size)).ok()) << size;
  }
}

TEST(BroadcastPushTest, MetaIsSkipped) {
  const std::string message = Push("1", "2", "t", "e", R"({"persist":true})", 1, "{}");
  const auto push = ParseUserBroadcastPush(message);
  ASSERT_THAT(push, IsOk());
  EXPECT_EQ(push->event, "e");
  EXPECT_EQ(push->payload, "{}");
}

TEST(BroadcastPushTest, RefsOfLengthZeroAreNull) {
  const std::string message = Push("", "", "t", "e", "", 0, "\x00\xff"s);
  const auto push = ParseUserBroadcastPush(message);
  ASSERT_THAT(push, IsOk());
  EXPECT_EQ(push->join_ref, std::nullopt);
  EXPECT_EQ(push->ref, std::nullopt);
  EXPECT_EQ(push->encoding, BroadcastEncoding::kRaw);
  EXPECT_EQ(push->payload, "\x00\xff"s);
}

TEST(BroadcastPushTest, ReadsTheLayoutWithoutMetaLength) {
  for (const char encoding : {'\0', '\1'}) {
    const std::string message =
        PushWithoutMetaLength("12", "3", "realtime:b", "go", encoding, "[]");
    const auto push = ParseUserBroadcastPush(message);
    ASSERT_THAT(push, IsOk());
    EXPECT_EQ(push->join_ref, "12");
    EXPECT_EQ(push->ref, "3");
    EXPECT_EQ(push->topic, "realtime:b");
    EXPECT_EQ(push->event, "go");
    EXPECT_EQ(push->payload, "[]");
    EXPECT_EQ(static_cast<char>(push->encoding), encoding);
  }
}

TEST(BroadcastPushTest, EventsAreUtf8OrElseLatin1) {
  EXPECT_EQ(ParseUserBroadcastPush(Push("1", "2", "t", "caf\xc3\xa9", "", 1, "{}"))->event,
            "caf\xc3\xa9");
  EXPECT_EQ(ParseUserBroadcastPush(Push("1", "2", "t", "caf\xe9", "", 1, "{}"))->event,
            "caf\xc3\xa9");
  EXPECT_EQ(ParseUserBroadcastPush(Push("1", "2", "t", "\xff\x80", "", 1, "{}"))->event,
            "\xc3\xbf\xc2\x80");
}

// Raw bytes go on as kind 4, whose event is at most 255 bytes; as text an event may be longer.
TEST(BroadcastPushTest, ALatin1EventThatOutgrowsItsLengthByteIsRefusedForRawBytesOnly) {
  const std::string fits = std::string(1, 'a') + std::string(127, '\xe9');
  const std::string grows(128, '\xe9');
  EXPECT_EQ(ParseUserBroadcastPush(Push("1", "2", "t", fits, "", 0, "x"))->event.size(), 255u);
  EXPECT_THAT(ParseUserBroadcastPush(Push("1", "2", "t", grows, "", 0, "x")),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_EQ(ParseUserBroadcastPush(Push("1", "2", "t", grows, "", 1, "{}"))->event.size(), 256u);
}

TEST(BroadcastPushTest, EachLengthMayBe255) {
  const std::string longest(255, 'x');
  const std::string message = Push(longest, longest, longest, longest, longest, 0, "!");
  const auto push = ParseUserBroadcastPush(message);
  ASSERT_THAT(push, IsOk());
  EXPECT_EQ(push->topic, longest);
  EXPECT_EQ(push->payload, "!");
}

TEST(BroadcastPushTest, ThePayloadMayBeEmpty) {
  EXPECT_EQ(ParseUserBroadcastPush(Push("1", "2", "t", "e", "", 0, ""))->payload, "");
}

TEST(BroadcastPushTest, EveryCutBeforeThePayloadIsRefused) {
  for (size_t size = 0; size < kExample.size() - 7; ++size) {
    EXPECT_THAT(ParseUserBroadcastPush(std::string_view(kExample).substr(0, size)),
                FailsWith(ErrorCode::kInvalidArgument))
        << size;
  }
}

TEST(BroadcastPushTest, OtherKindsAndEncodingsAreRefused) {
  for (const char kind : {'\1', '\2', '\4', '\xff'}) {
    std::string message = kExample;
    message[0] = kind;
    EXPECT_THAT(ParseUserBroadcastPush(message), FailsWith(ErrorCode::kInvalidArgument));
  }
  for (const char encoding : {'\2', '\x1f'}) {
    EXPECT_THAT(ParseUserBroadcastPush(Push("1", "2", "t", "e", "", encoding, "{}")),
                FailsWith(ErrorCode::kInvalidArgument));
  }
  EXPECT_THAT(ParseUserBroadcastPush(PushWithoutMetaLength("12", "3", "t", "e", '\2', "{}")),
              FailsWith(ErrorCode::kInvalidArgument));
}

TEST(BroadcastTest, KindFourHasTheBytesOfTheSpecification) {
  EXPECT_EQ(EncodeUserBroadcast("realtime:a", "hi", BroadcastEncoding::kRaw, "\x00\x01"s),
            "\x04\x0a\x02\x00\x00"s + "realtime:ahi" + "\x00\x01"s);
  EXPECT_EQ(EncodeUserBroadcast("realtime:a", "hi", BroadcastEncoding::kJson, "{}"),
            "\x04\x0a\x02\x00\x01"s + "realtime:ahi{}");
  const std::string longest(kBinaryNameBytesMax, 'x');
  EXPECT_EQ(EncodeUserBroadcast(longest, longest, BroadcastEncoding::kRaw, "").substr(0, 5),
            "\x04\xff\xff\x00\x00"s);
}

TEST(BroadcastDeathTest, KindFourRefusesLongerNames) {
  const std::string longer(kBinaryNameBytesMax + 1, 'x');
  EXPECT_DEATH(EncodeUserBroadcast(longer, "e", BroadcastEncoding::kRaw, ""), "");
  EXPECT_DEATH(EncodeUserBroadcast("t", longer, BroadcastEncoding::kRaw, ""), "");
}

TEST(BroadcastTest, TheTextPayloadNamesTypeEventAndPayload) {
  EXPECT_EQ(BroadcastPayload("say \"hi\"", R"({"n":1.0})"),
            R"({"type":"broadcast","event":"say \"hi\"","payload":{"n":1.0}})");
}

}  // namespace
}  // namespace tw::protocol
