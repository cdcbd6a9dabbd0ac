// The little of RFC 6455 that a bench needs: the opening handshake and unfragmented frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "bench/common/net.h"

namespace tw::bench {

enum class Opcode : uint8_t { kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// A frame's place in a byte sequence; `size` is 0 while it is incomplete.
struct FrameView {
  size_t size = 0;  // Header and payload together.
  size_t payload_offset = 0;
  size_t payload_size = 0;
  Opcode opcode = Opcode::kText;
  const char* mask = nullptr;  // Four bytes, or null when the payload is not masked.
};

inline FrameView ScanFrame(const char* data, size_t size) {
  FrameView frame;
  if (size < 2) return frame;
  const auto byte = [data](size_t i) { return static_cast<uint8_t>(data[i]); };
  size_t header = 2;
  uint64_t length = byte(1) & 0x7f;
  if (length >= 126) {
    const size_t bytes = length == 126 ? 2 : 8;
    if (size < 2 + bytes) return frame;
    length = 0;
    for (size_t i = 0; i < bytes; ++i) length = length << 8 | byte(2 + i);
    header += bytes;
  }
  const bool masked = (byte(1) & 0x80) != 0;
  if (masked) header += 4;
  if (size < header || size - header < length) return frame;
  frame.payload_offset = header;
  frame.payload_size = length;
  frame.opcode = static_cast<Opcode>(byte(0) & 0x0f);
  frame.mask = masked ? data + header - 4 : nullptr;
  frame.size = header + length;
  return frame;
}

// A final, unmasked frame, as servers send it.
std::string EncodeServerFrame(Opcode opcode, std::string_view payload);

// A final, masked frame, as clients send it.
std::string EncodeClientFrame(Opcode opcode, std::string_view payload);

// XORs the mask over `size` bytes; the same call masks and unmasks. RFC 6455 §5.3.
void ApplyMask(const char* mask, char* payload, size_t size);

// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`. RFC 6455 §4.2.2.
std::string AcceptFor(std::string_view key);

// A client's opening handshake. All our clients use one key, kHandshakeKey: servers may not care.
inline constexpr std::string_view kHandshakeKey = "dGhlIHNhbXBsZSBub25jZQ==";
std::string HandshakeRequest(const Endpoint& endpoint);

// Whether `reply` (up to and including the empty line) accepts that handshake.
bool HandshakeAccepted(std::string_view reply);

}  // namespace tw::bench
