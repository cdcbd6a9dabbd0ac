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

}  // namespace tw::websocket
