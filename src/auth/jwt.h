// auth: from a token to the claims that sessions, policies and queries use.
//
//   token text ──TokenVerifier──▶ ClaimsPtr | AuthError
//
// Start here   token_verifier.h (the front door, cached) → jwt.h (one token, uncached) →
//              jwks.h (sets of keys) → api_keys.h (opaque keys).
// Promises     A key verifies only the algorithms it was configured for. A token's header may name
//              one of the configured keys by its id, but no key, file or URL of its own. Secrets
//              are compared in constant time. No token or secret is logged or repeated in an error.
// Thread       The loop that owns the verifier; ClaimsPtr may go anywhere.
// Not here     What a role may see (policy), when an expired session ends (session).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "crypto/hash.h"
#include "crypto/public_key.h"
#include "model/claims.h"

namespace tw::auth {

// Longer tokens are kMalformed, unread.
inline constexpr size_t kTokenBytesMax = 16 << 10;
// RFC 7518 §3.2: a key no shorter than HS256's output.
inline constexpr size_t kSecretBytesMin = 32;
// How far in the future `nbf` may lie: the clocks of issuer and server differ.
inline constexpr std::chrono::seconds kNotBeforeLeeway{30};

// RFC 7518 §3.1 and RFC 8037 §3.1.
enum class Algorithm : uint8_t {
  kHs256,
  kHs384,
  kHs512,
  kRs256,
  kRs384,
  kRs512,
  kEs256,
  kEs384,
  kEs512,
  kEdDsa,
};
// "HS256", …
std::string_view ToString(Algorithm algorithm);
std::optional<Algorithm> ParseAlgorithm(std::string_view name);

enum class AuthErrorCode : uint8_t {
  kExpired,            // `exp` is not in the future.
  kClaimsMissing,      // `role` or `exp` is absent, or `role` is no string or empty.
  kExpirationInvalid,  // `exp` is no number, negative, or past what WallTime can hold.
  kNotYetValid,        // `nbf` is no number, or further in the future than kNotBeforeLeeway.
  kMalformed,  // Not three base64url parts of JSON objects, or too long, or `iat` no number.
  kSignature,  // Wrong signature, or an algorithm that is not configured.
  kNoKey,      // It names a key that is not among the configured ones.
  kRefusedClaim,  // A claim has not the value that the configuration demands.
  kRevoked,       // Its user, its session or it itself was revoked.
};

struct AuthError {
  AuthErrorCode code = AuthErrorCode::kMalformed;
  // Exactly as Supabase Realtime says it, e.g. "Token has expired 12 seconds ago".
  std::string message;
  bool operator==(const AuthError&) const = default;
};
std::ostream& operator<<(std::ostream& out, const AuthError& error);

// The stable code that upstream puts in front of the message: "InvalidJWTToken", "MalformedJWT",
// "JwtSignatureError" (realtime-protocol §6.6).
std::string_view UpstreamCode(AuthErrorCode code);
// The message for the handshake's 401 body, which for an expired token names no seconds (§1.3).
std::string ConnectMessage(const AuthError& error);
AuthError MakeAuthError(AuthErrorCode code);

// A token whose signature and form are right. Whether it may be used now is CheckTimes' question.
struct SignedClaims {
  ClaimsPtr claims;
  std::optional<WallTime> not_before;
};

// Keys, each bound to the algorithms that it may verify, and what every token must claim. A value.
class JwtKey {
 public:
  // No key: verifies nothing.
  JwtKey() = default;

  // One secret. `kid` is its id in a set; empty: it serves tokens with any id or none.
  // Errors: kInvalidArgument when `secret` is shorter than kSecretBytesMin or looks like an
  // asymmetric key (PEM, JWK), which must never become an HMAC secret; or without algorithms.
  static Result<JwtKey> Create(std::string_view secret, std::span<const Algorithm> algorithms,
                               std::string_view kid = {});

  void Add(std::string_view kid, const crypto::PublicKey& key,
           std::span<const Algorithm> algorithms);
  void Add(JwtKey other);
  // From here on the keys verify only tokens whose `iss` is this text.
  void BindTo(std::string_view issuer);
  // Every token's `claim` must be this text, or a list that holds it (RFC 7519 §4.1.3 for `aud`).
  void Require(std::string claim, std::string value);
  bool empty() const { return entries_.empty(); }
  // Whether one of the keys is a shared secret.
  bool holds_secret() const;

  // Checks form, algorithm, signature and claims of a compact JWS (RFC 7515 §5.2, RFC 7519 §7.2),
  // but not its times. Header members other than `alg` and `kid` are ignored, except `crit`, which
  // is refused.
  std::expected<SignedClaims, AuthError> Verify(std::string_view token) const;

 private:
  struct Entry {
    std::string kid;
    Algorithm algorithm;
    std::variant<crypto::HmacKey, crypto::PublicKey> key;
    std::string issuer = {};  // Empty: of any.
  };
  static bool Verifies(const Entry& entry, std::string_view text, std::string_view signature);
  bool HasRequired(const Claims& claims) const;

  std::vector<Entry> entries_;
  std::vector<std::pair<std::string, std::string>> required_;
};

// kExpired when claims.expires_at ≤ now, kNotYetValid when not_before > now + kNotBeforeLeeway.
std::expected<void, AuthError> CheckTimes(const SignedClaims& signed_claims, WallTime now);

// White space trimmed and percent-encoding undone, as clients paste tokens into URLs.
// nullopt for a '%' without two hex digits, or for more than kTokenBytesMax.
std::optional<std::string> CleanToken(std::string_view text);

// A signed token with `claims_json` as its payload, byte for byte; `algorithm` is a symmetric one
// (checked). Errors: kInvalidArgument when the claims are no JSON object.
Result<std::string> MintToken(std::string_view claims_json, std::string_view secret,
                              Algorithm algorithm);

}  // namespace tw::auth
