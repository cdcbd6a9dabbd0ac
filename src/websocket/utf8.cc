#include "websocket/utf8.h"

#include <cstring>

namespace tw::websocket {

bool Utf8Validator::FeedTail(uint8_t byte) {
  if (byte < low_ || byte > high_) return false;
  low_ = 0x80;
  high_ = 0xbf;
  --tail_;
  return true;
}

bool Utf8Validator::Feed(std::string_view bytes) {
  constexpr uint64_t kNotAscii = 0x8080'8080'8080'8080;
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at < end) {
    if (tail_ > 0) {
      if (!FeedTail(static_cast<uint8_t>(*at++))) return false;
      continue;
    }
    while (end - at >= 8) {
      uint64_t word;
      std::memcpy(&word, at, sizeof(word));
      if ((word & kNotAscii) != 0) break;
      at += sizeof(word);
    }
    while (at < end && static_cast<uint8_t>(*at) < 0x80) ++at;
    if (at == end) return true;
    const auto lead = static_cast<uint8_t>(*at++);
    if (lead < 0xc2 || lead > 0xf4) return false;
    tail_ = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    low_ = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    high_ = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  }
  return true;
}

}  // namespace tw::websocket
