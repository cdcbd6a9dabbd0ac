// websocket: the WebSocket protocol (RFC 6455) without I/O: bytes in, events out; messages in,
// bytes out.
//
//   HTTP request ──ParseUpgrade──▶ Upgrade        read buffer ──Decoder──▶ messages, pings, close
//                                                 messages ──EncodeFrame──▶ bytes to send
//
// Start here   handshake.h (becoming a WebSocket) → decoder.h (reading) → frame.h (writing).
// Promises     Strict: what the RFC forbids ends the connection with the code it names. No memory
// is
//              allocated for what a peer announces, only for what it has sent, and none while idle.
// Not here     Sockets, timers, ping intervals, queues (gateway); compression (RFC 7692).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tw::websocket {

// RFC 6455 §5.2. Values outside this list are reserved.
enum class Opcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xa,
};

// RFC 6455 §7.4.1 and the IANA registry. Other codes (3000-4999) are applications' own.
enum class CloseCode : uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kNoStatus = 1005,  // Never sent: stands for a close frame without a code.
  kAbnormal = 1006,  // Never sent: stands for a connection lost without a close frame.
  kInvalidPayload = 1007,
  kPolicyViolation = 1008,
  kMessageTooBig = 1009,
  kInternalError = 1011,
  kServiceRestart = 1012,
  kTryAgainLater = 1013,
};

// True for codes that may stand in a close frame: 1000-1003, 1007-1014, 3000-4999.
bool IsSendable(CloseCode code);

// A server's frame header is at most this long, a client's four bytes longer.
inline constexpr size_t kHeaderBytesMax = 10;
// RFC 6455 §5.5: the payload of a close, ping or pong.
inline constexpr size_t kControlBytesMax = 125;

// The four masking bytes of a client's frame, RFC 6455 §5.3; unpredictable for each frame.
using MaskKey = std::array<char, 4>;

// Writes the header of a server's unfragmented frame to `out`, which has room for kHeaderBytesMax,
// and returns its length.
size_t EncodeHeader(char* out, Opcode opcode, uint64_t payload_bytes);

// Appends a server's unfragmented frame. Control payloads: at most kControlBytesMax (checked).
void EncodeFrame(std::string& out, Opcode opcode, std::string_view payload);
// The same as a client sends it, masked.
void EncodeFrame(std::string& out, Opcode opcode, std::string_view payload, MaskKey key);

// The payload of a close frame. kNoStatus gives the empty payload; other codes must be IsSendable
// (checked). `reason` must be UTF-8 and is cut at a character so that the payload fits.
std::string ClosePayload(CloseCode code, std::string_view reason);

// XORs `bytes` with the key, of which `offset` bytes were used before. Its own inverse.
void Mask(std::span<char> bytes, MaskKey key, size_t offset = 0);

}  // namespace tw::websocket
