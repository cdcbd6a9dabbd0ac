// Test-only: frames that the encoder would refuse to write, and events as comparable text.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "websocket/decoder.h"

namespace tw::websocket {

// How many bytes of a frame's header tell its length.
enum class LengthForm : uint8_t { kShortest, kTwoBytes, kEightBytes };

struct RawFrame {
  uint8_t first = 0x81;  // FIN, RSV and opcode.
  std::string payload;
  LengthForm form = LengthForm::kShortest;
  MaskKey key = {'\x37', '\xfa', '\x21', '\x3d'};
};

// As a client would send it: masked.
inline std::string Masked(const RawFrame& frame) {
  std::string out(1, static_cast<char>(frame.first));
  const size_t size = frame.payload.size();
  const auto append = [&](int bytes) {
    while (bytes-- > 0) out += static_cast<char>(static_cast<uint64_t>(size) >> (8 * bytes));
  };
  if (frame.form == LengthForm::kEightBytes || size > 0xffff) {
    out += '\xff';
    append(8);
  } else if (frame.form == LengthForm::kTwoBytes || size > 125) {
    out += '\xfe';
    append(2);
  } else {
    out += static_cast<char>(0x80 | size);
  }
  out.append(frame.key.data(), frame.key.size());
  std::string payload = frame.payload;
  Mask(payload, frame.key);
  return out + payload;
}

inline std::string Masked(uint8_t first, std::string_view payload) {
  return Masked(RawFrame{.first = first, .payload = std::string(payload)});
}

// "text:hello", "ping:x", "close:1000:bye", "error:1002".
inline std::string Describe(const Event& event) {
  const std::string payload(event.payload);
  const std::string code = std::to_string(static_cast<uint16_t>(event.code));
  switch (event.kind) {
    case Event::Kind::kNeedMore:
      return "need more";
    case Event::Kind::kText:
      return "text:" + payload;
    case Event::Kind::kBinary:
      return "binary:" + payload;
    case Event::Kind::kPing:
      return "ping:" + payload;
    case Event::Kind::kPong:
      return "pong:" + payload;
    case Event::Kind::kClose:
      return "close:" + code + ":" + payload;
    case Event::Kind::kError:
      return "error:" + code;
  }
  return "?";
}

// The events of a stream that arrives in `pieces`, kept in a buffer as a connection keeps it. Ends
// at the first error.
inline std::vector<std::string> Events(Decoder& decoder, std::span<const std::string> pieces) {
  std::vector<std::string> events;
  std::string buffer;
  for (const std::string& piece : pieces) {
    // A new buffer each time: the decoder must not rely on the old one's address.
    std::string moved;
    moved.reserve(buffer.size() + piece.size() + events.size());
    moved = buffer + piece;
    buffer.swap(moved);
    std::span<char> input(buffer);
    for (;;) {
      const Event event = decoder.Next(input);
      if (event.kind == Event::Kind::kNeedMore) break;
      events.push_back(Describe(event));
      if (event.kind == Event::Kind::kError) return events;
    }
    buffer.erase(0, buffer.size() - input.size());
  }
  return events;
}

inline std::vector<std::string> Events(const std::string& stream,
                                       const DecoderOptions& options = {}) {
  Decoder decoder(Role::kServer, options);
  return Events(decoder, std::span(&stream, 1));
}

}  // namespace tw::websocket
