// fetch: HTTP requests that we make: to providers' APIs, for exports, to chat channels.
//
//   Request ──Transport::Send──▶ [ one thread, libcurl multi ] ──done──▶ Result<Response>
//
// Start here   transport.h (the contract) → address_guard.h (whom we may talk to) →
//              curl_transport.h (the real one). Tests and the simulation implement Transport.
// Promises     Every request ends within its total deadline, with at most response_bytes_max bytes
//              kept, all of them counted after decompression. No connection is opened to an address
//              that the guard refuses, whatever a name resolves to and wherever a redirect leads.
// Thread       Send: any thread. `done` runs once, on the transport's thread.
// Not here     What to ask and when: ingest/poll.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "base/result.h"

namespace tw::fetch {

enum class Method : uint8_t { kGet, kPost };

struct Header {
  std::string name;
  std::string value;
};

struct Deadlines {
  std::chrono::milliseconds connect{5'000};      // Name, TCP and TLS.
  std::chrono::milliseconds first_byte{15'000};  // From the start to the first byte of the answer.
  std::chrono::milliseconds total{60'000};
};

struct Request {
  Method method = Method::kGet;
  std::string url;  // http or https, absolute.
  std::vector<Header> headers;
  std::string body;
  Deadlines deadlines;
  uint64_t response_bytes_max = 32u << 20;
  // Only GET follows redirects; credentials go along only to the same scheme, host and port.
  uint32_t redirects_max = 5;
  // Headers that are dropped when a redirect leads to another host: credentials.
  std::vector<std::string> credential_headers;
  // When not empty the body of a 2xx answer goes into this file instead of memory.
  std::string save_to;
};

struct Response {
  int status = 0;
  std::vector<Header> headers;  // Of the last answer, in its order; names as sent.
  std::string body;
  uint64_t body_bytes = 0;  // Also when the body went into a file.
  std::string url;          // Where the answer came from, after redirects.

  // The first header of this name, in any case.
  std::optional<std::string_view> Find(std::string_view name) const;
};

using Done = Function<void(Result<Response>)>;

class Transport {
 public:
  virtual ~Transport() = default;
  // Any answer of the server is a Response, whatever its status. Errors: kInvalidArgument (not an
  // http(s) URL), kPermissionDenied (the guard refuses the address; a redirect from https to http),
  // kUnauthenticated (the server's certificate is not valid for it), kResourceExhausted (the answer
  // is too large, too many redirects, the transport's queue is full), kUnavailable (no connection,
  // a deadline passed, cut off, stopped). The message never has headers, bodies or a query in it.
  virtual void Send(Request request, Done done) = 0;
};

// Scheme, host, port and path of `url`, for messages: queries and user names may hold secrets.
std::string PublicUrl(std::string_view url);

// How long a server asks to wait: Retry-After (RFC 9110 §10.2.3: seconds or an HTTP date), or
// x-ratelimit-reset (seconds, or an epoch in seconds or milliseconds). The longer of both; nullopt
// when none is there or readable. Never negative.
std::optional<std::chrono::seconds> RetryAfter(const Response& response, WallTime now);

}  // namespace tw::fetch
