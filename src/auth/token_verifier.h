// The front door of auth: any credential text → Claims, remembered.
#pragma once

#include <expected>
#include <string_view>
#include <vector>

#include "auth/api_keys.h"
#include "auth/jwt.h"
#include "auth/lru_cache.h"
#include "auth/revocations.h"
#include "base/clock.h"
#include "base/function.h"
#include "telemetry/metrics.h"

namespace tw::auth {

struct TokenVerifierOptions {
  // Verified tokens remembered. Each holds one Claims, at most a few times kTokenBytesMax.
  size_t accepted_entries_max = 16'384;
  // Refused tokens remembered, apart, so that a flood of bad ones evicts no good one.
  size_t refused_entries_max = 4'096;
};

// Equal tokens give the same Claims object: ten thousand sockets with one token share it. What is
// remembered is found by the token's SHA-256; times are checked on every call.
// Owner and thread: one per loop.
class TokenVerifier {
 public:
  // `clock` and `registry` must outlive the verifier.
  // Metric: tidewire_auth_tokens_total{result}.
  TokenVerifier(JwtKey key, ApiKeys api_keys, const Clock& clock, telemetry::Registry& registry,
                TokenVerifierOptions options = {});

  // An opaque API key or a JWT, with white space around it or percent-encoded.
  // Errors: see AuthErrorCode. An unknown opaque key is kSignature.
  std::expected<ClaimsPtr, AuthError> Verify(std::string_view credential);

  // Other keys from now on. What the former ones verified is verified again when it is next shown.
  void SetKeys(JwtKey key);
  // Called when a token names a key that is not there: its issuer may have a new one.
  void OnUnknownKey(Function<void()> tell) { unknown_key_ = std::move(tell); }

  void SetRevocations(RevocationsPtr revocations) { revocations_ = std::move(revocations); }
  bool IsRevoked(const Claims& claims) const {
    return revocations_ != nullptr && revocations_->Covers(claims);
  }

 private:
  std::expected<SignedClaims, AuthError> VerifySigned(std::string_view token);
  void Count(const std::expected<ClaimsPtr, AuthError>& result);

  JwtKey key_;
  ApiKeys api_keys_;
  RevocationsPtr revocations_;
  Function<void()> unknown_key_;
  const TokenVerifierOptions options_;
  const Clock& clock_;
  LruCache<SignedClaims> accepted_;
  LruCache<AuthErrorCode> refused_;
  telemetry::Counter& accepted_total_;
  telemetry::Counter& expired_total_;
  telemetry::Counter& malformed_total_;
  telemetry::Counter& signature_total_;
  telemetry::Counter& claims_total_;
  telemetry::Counter& revoked_total_;
};

}  // namespace tw::auth
