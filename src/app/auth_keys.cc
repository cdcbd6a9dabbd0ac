#include "app/auth_keys.h"

#include <utility>
#include <vector>

#include "auth/jwks.h"

namespace tw::app {

Result<auth::JwtKey> MakeKey(const AuthConfig& config) {
  using auth::Algorithm;
  std::vector<Algorithm> algorithms;
  for (const JwtAlgorithm algorithm : config.jwt_algorithms) {
    switch (algorithm) {
      case JwtAlgorithm::kHs256: algorithms.push_back(Algorithm::kHs256); break;
      case JwtAlgorithm::kHs384: algorithms.push_back(Algorithm::kHs384); break;
      case JwtAlgorithm::kHs512: algorithms.push_back(Algorithm::kHs512); break;
    }
  }
  auth::JwtKey keys;
  if (!config.jwt_secret.empty()) {
    auto secret = auth::JwtKey::Create(config.jwt_secret.Reveal(), algorithms);
    if (!secret.ok()) return Annotate(secret.error(), "auth.jwt_secret");
    keys.Add(std::move(*secret));
  }
  if (!config.jwks.empty()) {
    auto set = auth::ParseJwks(config.jwks.Reveal());
    if (!set.ok()) return Annotate(set.error(), "auth.jwks");
    keys.Add(std::move(*set));
  }
  for (const IssuerConfig& issuer : config.issuers) {
    const bool secure = issuer.jwks_url.starts_with("https://");
    if (issuer.issuer.empty() || (!secure && !issuer.jwks_url.starts_with("http://"))) {
      return Fail(ErrorCode::kInvalidArgument,
                  "auth.issuers: an issuer needs a name and an http or https jwks_url");
    }
  }
  if (keys.empty() && config.issuers.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "neither auth.jwt_secret nor auth.jwks nor auth.issuers is set; write jwt_secret:"
                " ${env:TIDEWIRE_JWT_SECRET}");
  }
  for (const auto& claim : config.required_claims) keys.Require(claim.key, *claim.value);
  return keys;
}

Result<auth::ApiKeys> MakeApiKeys(const AuthConfig& config) {
  auth::ApiKeys keys;
  for (const ApiKeyConfig& key : config.api_keys) {
    if (auto added = keys.Add(key.key.Reveal(), key.role); !added.ok()) {
      return Annotate(added.error(), "auth.api_keys");
    }
  }
  return keys;
}

}  // namespace tw::app
