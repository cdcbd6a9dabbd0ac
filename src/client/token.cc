#include "client/token.h"

#include "base/strings.h"
#include "crypto/encoding.h"
#include "json/json.h"

namespace tw::client {

std::optional<Milliseconds> ExpiryOf(std::string_view token) {
  const auto parts = Split(token, '.');
  if (parts.size() != 3) return std::nullopt;
  const auto body = crypto::DecodeBase64Url(parts[1]);
  if (!body.ok()) return std::nullopt;
  const auto claims = json::Parse(*body);
  if (!claims.ok()) return std::nullopt;
  const json::Value expiry = claims->root()["exp"];
  if (expiry.kind() != json::Kind::kInt && expiry.kind() != json::Kind::kNumber) {
    return std::nullopt;
  }
  return Milliseconds(expiry.GetDouble() * 1'000);
}

}  // namespace tw::client
