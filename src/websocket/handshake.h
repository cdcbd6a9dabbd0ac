// From an HTTP request to a WebSocket, RFC 6455 §4.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tw::websocket {

// A header as it came: name and value without surrounding white space.
using HeaderView = std::pair<std::string_view, std::string_view>;

// A borrowed view of an HTTP request's head.
struct UpgradeRequest {
  std::string_view method;
  std::string_view http_version;  // "1.1"
  std::span<const HeaderView> headers;
};

struct Upgrade {
  std::string accept;  // Sec-WebSocket-Accept
  // "phoenix" when offered, else empty: then the answer names no protocol.
  std::string_view subprotocol;
  // The token that phoenix 1.8 hides among the protocols as "base64url.bearer.phx.<base64url>",
  // decoded; empty when absent or not decodable.
  std::string bearer_token;
};

// Why there is no WebSocket, as an HTTP answer.
struct UpgradeRefusal {
  int status = 400;          // 400, 405 (not GET), 426 (no upgrade asked for, or another version).
  std::string_view message;  // A literal.
  bool operator==(const UpgradeRefusal&) const = default;
};

// Validates per RFC 6455 §4.2.1. Extensions are declined whatever they are: nothing of the header
// that offers them is read. Time is linear in the size of the headers. The Origin header is the
// gateway's business.
std::expected<Upgrade, UpgradeRefusal> ParseUpgrade(const UpgradeRequest& request);

// Appends the 101 response. `extra_headers` are whole lines, each with its CRLF.
void AppendUpgradeResponse(std::string& out, const Upgrade& upgrade,
                           std::string_view extra_headers = {});
// Appends the refusal with its message as {"error":…} and "Connection: close"; with status 426 also
// "Upgrade: websocket" and "Sec-WebSocket-Version: 13".
void AppendUpgradeRefusal(std::string& out, const UpgradeRefusal& refusal);

// Sec-WebSocket-Accept for a Sec-WebSocket-Key, RFC 6455 §4.2.2 step 5.4.
std::string AcceptKey(std::string_view key);

// Appends a client's request. `key_bytes` are 16 random bytes; `extra_headers` as above.
void AppendUpgradeRequest(std::string& out, std::string_view host, std::string_view target,
                          std::string_view key_bytes, std::string_view extra_headers = {});

}  // namespace tw::websocket
