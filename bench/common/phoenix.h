// Messages of the Supabase Realtime protocol, vsn 2.0.0 (`[join_ref, ref, topic, event, payload]`),
// and the stamp by which the receiver knows which message it got and when it was sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tw::bench {

// A sequence number and a send time (NowNs) as fixed-width text,
// "tw~0000000042~0000012345678901234~": free of characters that JSON, CSV or SQL would escape, so
// it survives any server unchanged.
struct Stamp {
  uint32_t sequence = 0;
  uint64_t sent_ns = 0;
};
inline constexpr size_t kStampSize = 34;

// Writes exactly kStampSize characters to `out`.
void WriteStamp(Stamp stamp, char* out);
std::string ToString(Stamp stamp);

// Finds the first stamp in `text`. `hint` is where the previous one was found; it is tried first
// and updated, as in one run nearly all messages have their stamp in the same place.
std::optional<Stamp> FindStamp(std::string_view text, size_t& hint);

// `phx_join` for "realtime:<topic>" with ref "1"; `payload` is JSON.
std::string JoinMessage(std::string_view topic, std::string_view payload);

// A `broadcast` message of exactly `size` bytes of text (more where the envelope alone is longer),
// with room for a stamp at `stamp_offset`. Both refs are null, so that a server may forward it as
// it is.
struct BroadcastTemplate {
  std::string text;
  size_t stamp_offset = 0;
};
BroadcastTemplate MakeBroadcast(std::string_view topic, size_t size);

// What a text frame without a stamp means to a subscriber.
enum class ControlKind : uint8_t { kJoined, kRefused, kSubscribed, kChannelError, kOther };
ControlKind Classify(std::string_view text);

}  // namespace tw::bench
