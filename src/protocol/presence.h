// Presence messages: who is on a channel, and what they say of themselves (realtime-protocol §5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "json/json.h"

namespace tw::protocol {

// What a `presence` message asks for. Its inner `event` is read without regard to case.
enum class PresenceEvent : uint8_t { kTrack, kUntrack, kUnknown };
PresenceEvent PresenceEventOf(const json::Value& payload);

// One meta: an object that begins with its references and goes on with what the client tracked.
struct PresenceMetaText {
  std::string text;   // {"phx_ref":"…","phx_ref_prev":"…","name":"Ada"}
  size_t tracked_at;  // Where the client's own part begins; equal parts say the same.

  std::string_view tracked() const { return std::string_view(text).substr(tracked_at); }
};

// The client's part of a meta: the members of `object`, but not `phx_ref` and `phx_ref_prev`, which
// are the server's, and the closing brace. `object` must be an object.
std::string TrackedText(const json::Value& object);

// A meta from its references and TrackedText; `previous` is empty when there is none.
PresenceMetaText MakePresenceMeta(std::string_view reference, std::string_view previous,
                                  std::string_view tracked);

}  // namespace tw::protocol
