#include "websocket/handshake.h"

#include <optional>

#include "base/strings.h"
#include "crypto/encoding.h"
#include "crypto/hash.h"

namespace tw::websocket {
namespace {

constexpr size_t kKeyBytes = 16;
constexpr std::string_view kVersion = "13";
constexpr std::string_view kPhoenix = "phoenix";
constexpr std::string_view kBearerPrefix = "base64url.bearer.phx.";

std::unexpected<UpgradeRefusal> Refuse(int status, std::string_view message) {
  return std::unexpected(UpgradeRefusal{status, message});
}

// Calls `visit` with each element of the comma-separated lists of every header of that name, RFC
// 9110 §5.6.1. Two passes over the text at most, whatever it holds.
void ForEachElement(std::span<const HeaderView> headers, std::string_view name, auto&& visit) {
  for (const auto& [header_name, value] : headers) {
    if (!EqualsIgnoreCase(header_name, name)) continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      const std::string_view element = Trim(rest.substr(0, comma));
      if (!element.empty()) visit(element);
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    }
  }
}

bool HasElement(std::span<const HeaderView> headers, std::string_view name,
                std::string_view element) {
  bool found = false;
  ForEachElement(headers, name,
                 [&](std::string_view seen) { found |= EqualsIgnoreCase(seen, element); });
  return found;
}

// The value of a header that occurs once; nullopt when absent or repeated.
std::optional<std::string_view> Single(std::span<const HeaderView> headers, std::string_view name) {
  std::optional<std::string_view> found;
  for (const auto& [header_name, value] : headers) {
    if (!EqualsIgnoreCase(header_name, name)) continue;
    if (found) return {};
    found = value;
  }
  return found;
}

bool IsKey(std::string_view text) {
  const Result<std::string> bytes = crypto::DecodeBase64(text);
  return bytes.ok() && bytes->size() == kKeyBytes;
}

std::string_view ReasonOf(int status) {
  return status == 405 ? "Method Not Allowed" : status == 426 ? "Upgrade Required" : "Bad Request";
}

}  // namespace

std::string AcceptKey(std::string_view key) {
  crypto::Hasher hasher(crypto::HashAlgorithm::kSha1);
  hasher.Update(key);
  hasher.Update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  return crypto::EncodeBase64(hasher.Finish().view());
}

std::expected<Upgrade, UpgradeRefusal> ParseUpgrade(const UpgradeRequest& request) {
  const std::span<const HeaderView> headers = request.headers;
  if (request.method != "GET") return Refuse(405, "a WebSocket begins with GET");
  if (request.http_version != "1.1") return Refuse(400, "a WebSocket needs HTTP/1.1");
  if (!Single(headers, "host")) return Refuse(400, "Host is missing or repeated");
  if (!HasElement(headers, "upgrade", "websocket")) {
    return Refuse(426, "this address speaks WebSocket only");
  }
  if (!HasElement(headers, "connection", "upgrade")) {
    return Refuse(400, "Connection does not say upgrade");
  }
  if (Single(headers, "sec-websocket-version") != kVersion) {
    return Refuse(426, "Sec-WebSocket-Version is not 13");
  }
  const std::optional<std::string_view> key = Single(headers, "sec-websocket-key");
  if (!key || !IsKey(*key)) {
    return Refuse(400, "Sec-WebSocket-Key is not the base64 text of 16 bytes");
  }

  Upgrade upgrade{.accept = AcceptKey(*key)};
  ForEachElement(headers, "sec-websocket-protocol", [&](std::string_view protocol) {
    if (protocol == kPhoenix) upgrade.subprotocol = kPhoenix;
    if (protocol.starts_with(kBearerPrefix)) {
      auto token = crypto::DecodeBase64Url(protocol.substr(kBearerPrefix.size()));
      if (token.ok()) upgrade.bearer_token = *std::move(token);
    }
  });
  return upgrade;
}

void AppendUpgradeResponse(std::string& out, const Upgrade& upgrade,
                           std::string_view extra_headers) {
  out +=
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: ";
  out += upgrade.accept;
  out += "\r\n";
  if (!upgrade.subprotocol.empty()) {
    out += "Sec-WebSocket-Protocol: ";
    out += upgrade.subprotocol;
    out += "\r\n";
  }
  out += extra_headers;
  out += "\r\n";
}

void AppendUpgradeRefusal(std::string& out, const UpgradeRefusal& refusal) {
  const std::string body = "{\"error\":\"" + std::string(refusal.message) + "\"}";
  out += "HTTP/1.1 " + std::to_string(refusal.status) + " ";
  out += ReasonOf(refusal.status);
  out += "\r\nConnection: close";
  if (refusal.status == 426) out += ", Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
  if (refusal.status == 405) out += "\r\nAllow: GET";
  out += "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size());
  out += "\r\n\r\n" + body;
}

void AppendUpgradeRequest(std::string& out, std::string_view host, std::string_view target,
                          std::string_view key_bytes, std::string_view extra_headers) {
  out += "GET ";
  out += target;
  out += " HTTP/1.1\r\nHost: ";
  out += host;
  out +=
      "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: ";
  out += crypto::EncodeBase64(key_bytes);
  out += "\r\n";
  out += extra_headers;
  out += "\r\n";
}

}  // namespace tw::websocket
