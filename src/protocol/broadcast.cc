#include "protocol/broadcast.h"

#include "base/check.h"
#include "base/strings.h"

namespace tw::protocol {
namespace {

constexpr char kUserBroadcastPush = 3;
constexpr char kUserBroadcast = 4;
// kind, joinRefLen, refLen, topicLen, eventLen, metaLen, encoding
constexpr size_t kHeaderBytes = 7;

std::unexpected<Error> Malformed() {
  return Fail(ErrorCode::kInvalidArgument, "malformed binary broadcast");
}

std::string Latin1ToUtf8(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xc0 | byte >> 6));
      out.push_back(static_cast<char>(0x80 | (byte & 0x3f)));
    }
  }
  return out;
}

}  // namespace

Result<UserBroadcastPush> ParseUserBroadcastPush(std::string_view message) {
  if (message.size() < kHeaderBytes || message[0] != kUserBroadcastPush) return Malformed();
  const auto length = [&](size_t at) { return static_cast<unsigned char>(message[at]); };
  // Where the encoding stands, 0 or 1; a printable character there is the join ref of a client
  // that sends no metaLen.
  const bool has_meta_length = length(6) <= 1;
  if (!has_meta_length && length(6) < ' ') return Malformed();
  const size_t meta_length = has_meta_length ? length(5) : 0;
  const unsigned char encoding = has_meta_length ? length(6) : length(5);
  if (encoding > 1) return Malformed();
  std::string_view rest = message.substr(has_meta_length ? kHeaderBytes : kHeaderBytes - 1);
  if (rest.size() < size_t{length(1)} + length(2) + length(3) + length(4) + meta_length) {
    return Malformed();
  }
  const auto take = [&](size_t bytes) {
    const std::string_view part = rest.substr(0, bytes);
    rest.remove_prefix(bytes);
    return part;
  };
  UserBroadcastPush push;
  if (const auto join_ref = take(length(1)); !join_ref.empty()) push.join_ref = join_ref;
  if (const auto ref = take(length(2)); !ref.empty()) push.ref = ref;
  push.topic = take(length(3));
  const std::string_view event = take(length(4));
  push.event = IsUtf8(event) ? std::string(event) : Latin1ToUtf8(event);
  take(meta_length);
  push.payload = rest;
  push.encoding = static_cast<BroadcastEncoding>(encoding);
  // Conversion can double an event; raw bytes go on in a binary message, which could not hold it.
  if (push.encoding == BroadcastEncoding::kRaw && push.event.size() > kBinaryNameBytesMax) {
    return Malformed();
  }
  return push;
}

std::string EncodeUserBroadcast(std::string_view topic, std::string_view event,
                                BroadcastEncoding encoding, std::string_view payload,
                                std::string_view meta) {
  TW_CHECK(topic.size() <= kBinaryNameBytesMax && event.size() <= kBinaryNameBytesMax);
  if (meta.size() > kBinaryNameBytesMax) meta = {};
  std::string message;
  message.reserve(5 + topic.size() + event.size() + meta.size() + payload.size());
  message.push_back(kUserBroadcast);
  message.push_back(static_cast<char>(topic.size()));
  message.push_back(static_cast<char>(event.size()));
  message.push_back(static_cast<char>(meta.size()));
  message.push_back(static_cast<char>(encoding));
  message += topic;
  message += event;
  message += meta;
  message += payload;
  return message;
}

std::string BroadcastPayload(std::string_view event, std::string_view payload_json) {
  json::Writer writer;
  writer.Object().Key("type").String("broadcast").Key("event").String(event);
  writer.Key("payload").Raw(payload_json).End();
  return writer.Take();
}

}  // namespace tw::protocol
