// Feeds an arbitrary byte stream to two decoders, whole to one and cut at the fuzzer's choice to
// the other: both must give the same events, and never more than what was sent.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "websocket/decoder.h"
#include "websocket/utf8.h"

namespace {

using tw::websocket::Decoder;
using tw::websocket::Event;
using tw::websocket::Role;

struct Seen {
  Event::Kind kind;
  tw::websocket::CloseCode code;
  std::string payload;
  bool operator==(const Seen&) const = default;
};

// All events of `stream`, given to a decoder in pieces of `piece` bytes.
std::vector<Seen> Run(Role role, std::string_view stream, size_t piece) {
  Decoder decoder(role, {.message_bytes_max = 4096, .fragments_max = 32, .in_place_bytes_max = 64});
  std::vector<Seen> seen;
  std::string buffer;
  for (size_t at = 0; at < stream.size(); at += piece) {
    buffer += stream.substr(at, piece);
    std::span<char> input(buffer);
    for (;;) {
      const Event event = decoder.Next(input);
      if (event.kind == Event::Kind::kNeedMore) break;
      seen.push_back({event.kind, event.code, std::string(event.payload)});
      TW_CHECK(event.payload.size() <= 4096);
      if (event.kind == Event::Kind::kText) {
        tw::websocket::Utf8Validator validator;
        TW_CHECK(validator.Feed(event.payload) && validator.IsComplete());
      }
      if (event.kind == Event::Kind::kError) return seen;
    }
    buffer.erase(0, buffer.size() - input.size());
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const Role role = (data[0] & 1) != 0 ? Role::kServer : Role::kClient;
  const size_t piece = data[1] + size_t{1};
  const std::string_view stream(reinterpret_cast<const char*>(data) + 2, size - 2);
  TW_CHECK(Run(role, stream, piece) == Run(role, stream, stream.size() + 1));
  return 0;
}
