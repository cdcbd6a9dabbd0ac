// UTF-8 validation (RFC 3629) of a text that arrives in pieces.
#pragma once

#include <cstdint>
#include <string_view>

namespace tw::websocket {

class Utf8Validator {
 public:
  // False as soon as no continuation could make the text so far valid; then only Reset is allowed.
  bool Feed(std::string_view bytes);
  // True when the text so far does not end within a character.
  bool IsComplete() const { return tail_ == 0; }
  void Reset() { *this = {}; }

 private:
  bool FeedTail(uint8_t byte);

  uint8_t tail_ = 0;     // Continuation bytes still to come.
  uint8_t low_ = 0x80;   // What the next of them may be: overlong forms, surrogates and code points
  uint8_t high_ = 0xbf;  // past U+10FFFF are excluded by the second byte's range.
};

}  // namespace tw::websocket
