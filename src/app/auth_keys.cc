#include "app/auth_keys.h"

#include <vector>

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
  if (config.jwt_secret.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "auth.jwt_secret is not set; write jwt_secret: ${env:TIDEWIRE_JWT_SECRET}");
  }
  auto key = auth::JwtKey::Create(config.jwt_secret.Reveal(), algorithms);
  if (!key.ok()) return Annotate(key.error(), "auth.jwt_secret");
  return key;
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
