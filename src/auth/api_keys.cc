#include "auth/api_keys.h"

#include <memory>

#include "base/check.h"
#include "crypto/hash.h"
#include "json/json.h"

namespace tw::auth {
namespace {

// The text after the prefix; empty without one.
std::string_view Body(std::string_view key) {
  for (const std::string_view prefix : {"sb_publishable_", "sb_secret_"}) {
    if (key.starts_with(prefix)) return key.substr(prefix.size());
  }
  return {};
}

}  // namespace

bool ApiKeys::IsOpaque(std::string_view text) {
  return text.starts_with("sb_publishable_") || text.starts_with("sb_secret_");
}

Status ApiKeys::Add(std::string_view key, std::string_view role) {
  if (Body(key).size() < kKeyBytesMin) {
    return Fail(ErrorCode::kInvalidArgument,
                "an API key is sb_publishable_ or sb_secret_ followed by at least " +
                    std::to_string(kKeyBytesMin) + " characters");
  }
  if (role.empty()) return Fail(ErrorCode::kInvalidArgument, "an API key without a role");
  if (by_hash_.size() >= kKeysMax) {
    return Fail(ErrorCode::kResourceExhausted,
                "more than " + std::to_string(kKeysMax) + " API keys");
  }
  auto claims = std::make_shared<Claims>();
  json::Writer writer(claims->text);
  writer.Object().Key("role").String(role).End();
  Result<json::Document> document = json::Parse(claims->text);
  TW_CHECK(document.ok());
  claims->document = *std::move(document);
  claims->role = role;
  claims->expires_at = WallTime::max();
  if (!by_hash_.emplace(crypto::Sha256(key).view(), std::move(claims)).second) {
    return Fail(ErrorCode::kAlreadyExists, "the same API key twice");
  }
  return {};
}

ClaimsPtr ApiKeys::Find(std::string_view key) const {
  const auto found = by_hash_.find(crypto::Sha256(key).view());
  return found == by_hash_.end() ? nullptr : found->second;
}

}  // namespace tw::auth
