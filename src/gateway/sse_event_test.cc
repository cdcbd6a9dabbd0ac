#include "gateway/sse_event.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "websocket/shared_frame.h"

namespace tw::gateway {
namespace {

struct Event {
  std::string name = "message";
  std::string data;
  bool operator==(const Event&) const = default;
};

// What a browser reads, HTML Living Standard §9.2.6; `last_id` is set as it goes.
std::vector<Event> ReadAsBrowser(std::string_view stream, std::string* last_id = nullptr) {
  std::vector<Event> events;
  Event event;
  bool has_data = false;
  while (!stream.empty()) {
    const size_t end = stream.find_first_of("\r\n");
    std::string_view line = stream.substr(0, end);
    size_t used = line.size();
    if (end != std::string_view::npos) {
      used += stream.substr(end).starts_with("\r\n") ? 2 : 1;
    }
    stream.remove_prefix(used);
    if (line.empty()) {
      if (has_data) events.push_back(event);
      event = {};
      has_data = false;
      continue;
    }
    const size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "data") {
      if (has_data) event.data += '\n';
      event.data += value;
      has_data = true;
    } else if (field == "event") {
      event.name = value;
    } else if (field == "id" && last_id != nullptr) {
      *last_id = value;
    }
  }
  return events;
}

TEST(SseEventTest, IsWhatABrowserReads) {
  std::string out;
  AppendSseEvent(out, "session", "{\"a\":1}");
  AppendSseEvent(out, "", "plain");
  AppendSseEvent(out, "", "");
  EXPECT_EQ(ReadAsBrowser(out),
            (std::vector<Event>{{"session", "{\"a\":1}"}, {"message", "plain"}, {"message", ""}}));
}

// Abuse case 77.
TEST(SseEventTest, NoLineEndInDataBeginsAFieldOrAnEvent) {
  for (const std::string end : {"\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "\n\r"}) {
    std::string out;
    AppendSseEvent(out, "", "a" + end + "event: evil" + end + "id: 66" + end + "data: x" + end + "b");
    std::string last_id = "none";
    const auto events = ReadAsBrowser(out, &last_id);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].name, "message");
    EXPECT_EQ(last_id, "none");
    EXPECT_EQ(out.find('\r'), std::string::npos);
  }
}

TEST(SseEventTest, RandomTextsComeBackWithTheirLineEndsMadeEqual) {
  SeededRandom random(77);
  for (int round = 0; round < 2'000; ++round) {
    static constexpr std::string_view kPieces[] = {"\r", "\n", "\r\n", "data:", "id: 1", ":", " ",
                                                   "x", "event: e", std::string_view("\0", 1)};
    std::string text;
    for (uint64_t n = random.Below(12); n > 0; --n) text += kPieces[random.Below(10)];
    std::string wanted;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
      wanted += text[i] == '\r' ? '\n' : text[i];
    }
    std::string out;
    AppendSseEvent(out, "", text);
    const auto events = ReadAsBrowser(out);
    ASSERT_EQ(events.size(), 1u);
    ASSERT_EQ(events[0].data, wanted);
  }
}

TEST(SseEventTest, AnIdIsNoEvent) {
  std::string out, last_id;
  AppendSseId(out, "7:12");
  EXPECT_TRUE(ReadAsBrowser(out, &last_id).empty());
  EXPECT_EQ(last_id, "7:12");
}

TEST(SseEncoderTest, EncodesOncePerFrameAndBinaryInBase64) {
  SseEncoder encoder;
  const auto text = websocket::ShareFrame(websocket::Opcode::kText, "{}");
  const io::SharedBytes first = encoder.Encode(text);
  EXPECT_EQ(first.view(), "data: {}\n\n");
  EXPECT_EQ(encoder.Encode(text).view().data(), first.view().data());
  const auto binary = websocket::ShareFrame(websocket::Opcode::kBinary, "\xff\n");
  EXPECT_EQ(encoder.Encode(binary).view(), "event: binary\ndata: /wo=\n\n");
}

}  // namespace
}  // namespace tw::gateway
