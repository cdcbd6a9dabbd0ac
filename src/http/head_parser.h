// Reads a whole head with Boost.Beast's parser and decides how the body is framed.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace tw::http {

enum class HeadKind : uint8_t { kRequest, kResponse };

// RFC 9112 §6.
enum class BodyFraming : uint8_t { kNone, kLength, kChunked };

// All views point into the parsed text.
struct ParsedHead {
  std::string_view method;  // Requests only.
  std::string_view target;  // Requests only.
  int status = 0;           // Responses only.
  int version = 11;         // 10 or 11.
  bool keep_alive = false;
  BodyFraming framing = BodyFraming::kNone;
  uint64_t content_length = 0;  // With kLength.
  std::vector<HeaderView> headers;
};

// `text` is what HeadReader gave. `storage` is used for the headers, so that its memory can be
// reused from message to message. Failures: 400; 501 for a transfer coding other than exactly
// "chunked"; 505 for an HTTP version other than 1.0 and 1.1.
//
// Beyond the grammar these are refused with 400: Content-Length together with Transfer-Encoding,
// either of them twice, Content-Length that is not only digits, Transfer-Encoding in HTTP/1.0.
std::expected<ParsedHead, Failure> ParseHead(std::string_view text, HeadKind kind,
                                             std::vector<HeaderView> storage);

}  // namespace tw::http
