// A server's frame as bytes that many outboxes share.
#pragma once

#include <string_view>

#include "io/bytes.h"
#include "websocket/frame.h"

namespace tw::websocket {

// One unfragmented frame, header and payload in one allocation.
inline io::SharedBytes ShareFrame(Opcode opcode, std::string_view payload) {
  char header[kHeaderBytesMax];
  const size_t size = EncodeHeader(header, opcode, payload.size());
  return io::SharedBytes::Join({header, size}, payload);
}

// The same for a payload that permessage-deflate made: RSV1 says so (RFC 7692 §6).
inline io::SharedBytes ShareCompressedFrame(Opcode opcode, std::string_view payload) {
  char header[kHeaderBytesMax];
  const size_t size = EncodeHeader(header, opcode, payload.size());
  header[0] = static_cast<char>(header[0] | 0x40);
  return io::SharedBytes::Join({header, size}, payload);
}

inline Opcode OpcodeOf(const io::SharedBytes& frame) {
  return Opcode(static_cast<uint8_t>(frame.view()[0]) & 0x0f);
}

// What ShareFrame was given: transports without frames send it in their own form.
inline std::string_view PayloadOf(const io::SharedBytes& frame) {
  const std::string_view bytes = frame.view();
  const auto length = static_cast<uint8_t>(bytes[1]);
  return bytes.substr(length == 127 ? 10 : length == 126 ? 4 : 2);
}

}  // namespace tw::websocket
