// protocol: what clients and server say on the realtime connection: Phoenix messages in both
// serialisations, the join payload, the payloads of row changes.
//
// Start here   message.h (frames) → join.h (what a client asks for) → change_payload.h (what it gets).
// Promises     Pure text in, values out, and back. Lenient where unmodified clients need it
//              (realtime-protocol §2.6), strict in shape otherwise.
// Source       Phoenix serializers V1 (objects) and V2 (arrays); shared spec realtime-protocol §2.
// Not here     WebSocket framing (websocket), who may join (session).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/json.h"

namespace tw::protocol {

// The `vsn` query parameter: 1.0.0 (also when missing) and 2.0.0.
enum class Version : uint8_t { kV1, kV2 };

// Accepts what "~> 1.0.0" and "~> 2.0.0" accept: 1.0.x and 2.0.x. Errors: kInvalidArgument.
Result<Version> ParseVersion(std::string_view vsn);

// A message from a client. The views live as long as the message.
struct ClientMessage {
  std::optional<std::string_view> join_ref;
  std::optional<std::string_view> ref;
  std::string_view topic;
  std::string_view event;
  json::Value payload;
  json::Document document;
};

// Parses a text message. A missing or null ref or join_ref is absent; a number is taken as its
// text. Errors: kInvalidArgument: not JSON, no topic or event, wrong shape for the version.
Result<ClientMessage> ParseClientMessage(std::string_view text, Version version);

// Who a server message is addressed to; each part null where the protocol leaves it null (§2.2).
struct Address {
  std::optional<std::string_view> join_ref;
  std::optional<std::string_view> ref;
  std::string_view topic;
};

// One server message as text; `payload` is JSON text of an object.
std::string EncodeMessage(Version version, const Address& address, std::string_view event,
                          std::string_view payload);

// The same in two halves, so that a payload can be written in between without a copy: appends all
// that stands before the payload; EndMessage all behind it.
void BeginMessage(std::string& out, Version version, const Address& address,
                  std::string_view event);
void EndMessage(std::string& out, Version version, const Address& address);

// phx_reply with {"status":"ok"|"error","response":<response>}.
enum class ReplyStatus : uint8_t { kOk, kError };
std::string EncodeReply(Version version, const Address& address, ReplyStatus status,
                        std::string_view response);

// The payload of a `system` message; always these four keys (§2.8).
std::string SystemPayload(std::string_view extension, ReplyStatus status, std::string_view message,
                          std::string_view channel);

}  // namespace tw::protocol
