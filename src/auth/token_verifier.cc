#include "auth/token_verifier.h"

#include <utility>

namespace tw::auth {
namespace {

telemetry::Counter& ResultCounter(telemetry::Registry& registry, std::string_view result) {
  return registry.GetCounter("tidewire_auth_tokens_total", "Credentials checked, by result.",
                             {{"result", std::string(result)}});
}

}  // namespace

TokenVerifier::TokenVerifier(JwtKey key, ApiKeys api_keys, const Clock& clock,
                             telemetry::Registry& registry, TokenVerifierOptions options)
    : key_(std::move(key)),
      api_keys_(std::move(api_keys)),
      options_(options),
      clock_(clock),
      accepted_(options.accepted_entries_max),
      refused_(options.refused_entries_max),
      accepted_total_(ResultCounter(registry, "accepted")),
      expired_total_(ResultCounter(registry, "expired")),
      malformed_total_(ResultCounter(registry, "malformed")),
      signature_total_(ResultCounter(registry, "signature")),
      claims_total_(ResultCounter(registry, "claims")),
      revoked_total_(ResultCounter(registry, "revoked")) {}

void TokenVerifier::SetKeys(JwtKey key) {
  key_ = std::move(key);
  accepted_ = LruCache<SignedClaims>(options_.accepted_entries_max);
  refused_ = LruCache<AuthErrorCode>(options_.refused_entries_max);
}

std::expected<ClaimsPtr, AuthError> TokenVerifier::Verify(std::string_view credential) {
  const auto verify = [&]() -> std::expected<ClaimsPtr, AuthError> {
    const std::optional<std::string> token = CleanToken(credential);
    if (!token) return std::unexpected(MakeAuthError(AuthErrorCode::kMalformed));
    if (ApiKeys::IsOpaque(*token)) {
      if (ClaimsPtr claims = api_keys_.Find(*token)) return claims;
      return std::unexpected(MakeAuthError(AuthErrorCode::kSignature));
    }
    std::expected<SignedClaims, AuthError> verified = VerifySigned(*token);
    if (!verified) return std::unexpected(std::move(verified).error());
    if (auto times = CheckTimes(*verified, clock_.Wall()); !times) {
      return std::unexpected(std::move(times).error());
    }
    if (IsRevoked(*verified->claims)) {
      return std::unexpected(MakeAuthError(AuthErrorCode::kRevoked));
    }
    return std::move(verified->claims);
  };
  std::expected<ClaimsPtr, AuthError> result = verify();
  Count(result);
  return result;
}

std::expected<SignedClaims, AuthError> TokenVerifier::VerifySigned(std::string_view token) {
  const crypto::Digest hash = crypto::Sha256(token);
  if (const SignedClaims* const known = accepted_.Find(hash)) return *known;
  if (const AuthErrorCode* const known = refused_.Find(hash)) {
    if (*known == AuthErrorCode::kNoKey && unknown_key_) unknown_key_();
    return std::unexpected(MakeAuthError(*known));
  }
  std::expected<SignedClaims, AuthError> verified = key_.Verify(token);
  if (verified) {
    accepted_.Put(hash, *verified);
  } else {
    refused_.Put(hash, verified.error().code);
    if (verified.error().code == AuthErrorCode::kNoKey && unknown_key_) unknown_key_();
  }
  return verified;
}

void TokenVerifier::Count(const std::expected<ClaimsPtr, AuthError>& result) {
  if (result) return accepted_total_.Add();
  switch (result.error().code) {
    case AuthErrorCode::kExpired:
      return expired_total_.Add();
    case AuthErrorCode::kClaimsMissing:
    case AuthErrorCode::kExpirationInvalid:
    case AuthErrorCode::kNotYetValid:
    case AuthErrorCode::kRefusedClaim:
      return claims_total_.Add();
    case AuthErrorCode::kMalformed:
      return malformed_total_.Add();
    case AuthErrorCode::kSignature:
    case AuthErrorCode::kNoKey:
      return signature_total_.Add();
    case AuthErrorCode::kRevoked:
      return revoked_total_.Add();
  }
}

}  // namespace tw::auth
