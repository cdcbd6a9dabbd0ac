// http: HTTP/1.1 messages (RFC 9110, RFC 9112) without I/O: bytes in, requests out; responses in,
// bytes out.
//
//   read buffer ──RequestParser──▶ head ──(caller picks a body limit)──▶ body, leftover bytes
//                                                            status, headers, body
//                                                            ──AppendResponse──▶
//
// Start here   request_parser.h (server side) → response.h (answers, CORS) → url.h (query, path) →
//              response_parser.h (for our own load generator and tests).
// Promises     Strict where laxness lets two parsers disagree on where a request ends: such a
// message
//              is refused with the status to answer, and the connection must be closed. Memory is
//              bounded by the named limits, and taken only for bytes that came.
// Inside       head_reader.h cuts heads out of the stream, head_parser.h reads them with
// Boost.Beast,
//              body_reader.h reads bodies.
// Not here     Sockets, deadlines, routes (gateway); HTTP client calls (ingest); WebSocket.
#pragma once

#include <cstddef>
#include <optional>
#include <ostream>
#include <span>
#include <string_view>
#include <utility>

namespace tw::http {

// The request line with its CRLF; longer is 414.
inline constexpr size_t kStartLineBytesMax = 32 << 10;
// All header lines of a message with their CRLFs, and again all trailer lines; more is 431.
inline constexpr size_t kHeaderBytesMax = 16 << 10;
// Header lines; more is 431.
inline constexpr size_t kHeadersMax = 100;
// One chunk's size line with its extensions, and all extensions of a body; more is 400.
inline constexpr size_t kChunkExtensionBytesMax = 16 << 10;

// Name as it came, value without surrounding white space.
using HeaderView = std::pair<std::string_view, std::string_view>;

// The first header of that name in any case; nullopt when absent.
std::optional<std::string_view> FindHeader(std::span<const HeaderView> headers,
                                           std::string_view name);

// Why a message cannot be understood. After it the connection must be closed: where the next
// message begins is unknown.
struct Failure {
  int status = 400;         // To answer: 400, 413, 414, 431, 501, 505.
  std::string_view reason;  // A literal.
  bool operator==(const Failure&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Failure& failure);

// What a reader says after taking bytes.
enum class Progress : uint8_t { kNeedMore, kDone, kFailed };

}  // namespace tw::http
