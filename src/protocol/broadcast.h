// Broadcast messages: what one client of a channel says to the others (realtime-protocol §2.3, §4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/json.h"

namespace tw::protocol {

// How the payload of a broadcast is to be read.
enum class BroadcastEncoding : uint8_t { kRaw = 0, kJson = 1 };

// A binary message of kind 3 (client → server, version 2 only). Views into the message.
struct UserBroadcastPush {
  std::optional<std::string_view> join_ref;
  std::optional<std::string_view> ref;
  std::string_view topic;
  std::string event;  // UTF-8; what old clients send as Latin-1 is converted.
  std::string_view payload;
  BroadcastEncoding encoding = BroadcastEncoding::kJson;
};

// Understands the layout with and without the metaLen byte (client 2.81.0-2.84.0 omits it).
// Errors: kInvalidArgument: another kind or encoding, shorter than its lengths say, or raw bytes with
// an event that is longer than kBinaryNameBytesMax as UTF-8.
Result<UserBroadcastPush> ParseUserBroadcastPush(std::string_view message);

// The longest topic or event that a binary message can carry.
inline constexpr size_t kBinaryNameBytesMax = 255;

// A binary message of kind 4 (server → client). `topic` and `event` are at most
// kBinaryNameBytesMax bytes (checked); `meta` is JSON of an object, or empty, and left out when it
// is longer than that.
std::string EncodeUserBroadcast(std::string_view topic, std::string_view event,
                                BroadcastEncoding encoding, std::string_view payload,
                                std::string_view meta = {});

// The payload object of a text broadcast: {"type":"broadcast","event":…,"payload":…}.
// `payload_json` must be JSON.
std::string BroadcastPayload(std::string_view event, std::string_view payload_json);

}  // namespace tw::protocol
