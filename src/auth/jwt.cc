#include "auth/jwt.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/percent.h"
#include "base/strings.h"
#include "crypto/encoding.h"
#include "json/json.h"

namespace tw::auth {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::seconds;

constexpr std::array<std::pair<Algorithm, std::string_view>, 10> kAlgorithmNames = {{
    {Algorithm::kHs256, "HS256"},
    {Algorithm::kHs384, "HS384"},
    {Algorithm::kHs512, "HS512"},
    {Algorithm::kRs256, "RS256"},
    {Algorithm::kRs384, "RS384"},
    {Algorithm::kRs512, "RS512"},
    {Algorithm::kEs256, "ES256"},
    {Algorithm::kEs384, "ES384"},
    {Algorithm::kEs512, "ES512"},
    {Algorithm::kEdDsa, "EdDSA"},
}};

crypto::HashAlgorithm HashOf(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kHs256:
    case Algorithm::kRs256:
    case Algorithm::kEs256:
      return crypto::HashAlgorithm::kSha256;
    case Algorithm::kHs384:
    case Algorithm::kRs384:
    case Algorithm::kEs384:
      return crypto::HashAlgorithm::kSha384;
    case Algorithm::kHs512:
    case Algorithm::kRs512:
    case Algorithm::kEs512:
    case Algorithm::kEdDsa:  // Brings its own hash; never asked.
      return crypto::HashAlgorithm::kSha512;
  }
  TW_UNREACHABLE();
}

std::unexpected<AuthError> Refuse(AuthErrorCode code) {
  return std::unexpected(MakeAuthError(code));
}

// "<header>.<payload>.<signature>", still encoded.
struct Parts {
  std::string_view header;
  std::string_view payload;
  std::string_view signed_text;  // "<header>.<payload>"
  std::string_view signature;
};

std::optional<Parts> SplitToken(std::string_view token) {
  const size_t first = token.find('.');
  if (first == std::string_view::npos) return {};
  const size_t second = token.find('.', first + 1);
  if (second == std::string_view::npos) return {};
  if (token.find('.', second + 1) != std::string_view::npos) return {};
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
               token.substr(0, second), token.substr(second + 1)};
}

// The object in one part; `text` receives ownership of the decoded bytes that were parsed.
struct ParsedPart {
  std::string text;
  json::Document document;
};

std::optional<ParsedPart> DecodeObject(std::string_view part) {
  Result<std::string> text = crypto::DecodeBase64Url(part);
  if (!text.ok()) return {};
  Result<json::Document> document = json::Parse(*text);
  if (!document.ok() || !document->root().is_object()) return {};
  return ParsedPart{*std::move(text), *std::move(document)};
}

// RFC 7519 §2 "NumericDate": seconds, fractions allowed. nullopt for anything outside 1970 and what
// WallTime can hold (the year 294 000).
std::optional<WallTime> ToWallTime(const json::Value& value) {
  constexpr double kSecondsMax = 9.2e12;
  if (value.kind() != json::Kind::kInt && value.kind() != json::Kind::kNumber) return {};
  const double time = value.GetDouble();
  if (!(time >= 0 && time <= kSecondsMax)) return {};
  if (const auto whole = value.AsInt()) return WallTime{seconds{*whole}};
  return WallTime{microseconds{std::llround(time * 1e6)}};
}

bool IsNumber(const json::Value& value) {
  return value.kind() == json::Kind::kInt || value.kind() == json::Kind::kNumber;
}

std::expected<SignedClaims, AuthError> ReadClaims(ParsedPart payload) {
  const json::Value& root = payload.document.root();
  const json::Value* const role = root.Find("role");
  const json::Value* const expiry = root.Find("exp");
  if (role == nullptr || expiry == nullptr || !role->is_string() || role->GetString().empty()) {
    return Refuse(AuthErrorCode::kClaimsMissing);
  }
  const std::optional<WallTime> expires_at = ToWallTime(*expiry);
  if (!expires_at) return Refuse(AuthErrorCode::kExpirationInvalid);

  SignedClaims result;
  if (const json::Value* const not_before = root.Find("nbf")) {
    result.not_before = ToWallTime(*not_before);
    if (!result.not_before) return Refuse(AuthErrorCode::kNotYetValid);
  }
  if (const json::Value* const issued_at = root.Find("iat"); issued_at && !IsNumber(*issued_at)) {
    return Refuse(AuthErrorCode::kMalformed);
  }
  auto claims = std::make_shared<Claims>();
  claims->role = role->GetString();
  claims->sub = root["sub"].AsString().value_or("");
  claims->expires_at = *expires_at;
  claims->text = std::move(payload.text);
  claims->document = std::move(payload.document);
  result.claims = std::move(claims);
  return result;
}

// An asymmetric public key used as an HMAC secret would let anyone who knows it sign tokens.
bool LooksAsymmetric(std::string_view secret) {
  const std::string_view trimmed = Trim(secret);
  if (trimmed.find("-----BEGIN") != std::string_view::npos || trimmed.starts_with("ssh-")) {
    return true;
  }
  if (!trimmed.starts_with('{')) return false;
  const Result<json::Document> document = json::Parse(trimmed);
  return document.ok() && (document->root().Find("kty") || document->root().Find("keys"));
}

}  // namespace

std::string_view ToString(Algorithm algorithm) {
  for (const auto& [known, name] : kAlgorithmNames) {
    if (known == algorithm) return name;
  }
  TW_UNREACHABLE();
}

std::optional<Algorithm> ParseAlgorithm(std::string_view name) {
  for (const auto& [algorithm, known] : kAlgorithmNames) {
    if (known == name) return algorithm;
  }
  return {};
}

std::ostream& operator<<(std::ostream& out, const AuthError& error) {
  return out << UpstreamCode(error.code) << ": " << error.message;
}

std::string_view UpstreamCode(AuthErrorCode code) {
  switch (code) {
    case AuthErrorCode::kExpired:
    case AuthErrorCode::kClaimsMissing:
    case AuthErrorCode::kExpirationInvalid:
    case AuthErrorCode::kNotYetValid:
    case AuthErrorCode::kRefusedClaim:
    case AuthErrorCode::kRevoked:
      return "InvalidJWTToken";
    case AuthErrorCode::kMalformed:
      return "MalformedJWT";
    case AuthErrorCode::kSignature:
      return "JwtSignatureError";
    case AuthErrorCode::kNoKey:
      return "JwtSignerError";
  }
  TW_UNREACHABLE();
}

AuthError MakeAuthError(AuthErrorCode code) {
  switch (code) {
    case AuthErrorCode::kExpired:
      return {code, "Token has expired"};
    case AuthErrorCode::kClaimsMissing:
      return {code, "Fields `role` and `exp` are required in JWT"};
    case AuthErrorCode::kExpirationInvalid:
      return {code, "Token expiration time is invalid"};
    case AuthErrorCode::kNotYetValid:
      return {code, "Token is not valid yet"};
    case AuthErrorCode::kMalformed:
      return {code, "The token provided is not a valid JWT"};
    case AuthErrorCode::kSignature:
      return {code, "Failed to validate JWT signature"};
    case AuthErrorCode::kNoKey:
      return {code, "Failed to generate JWT signer, check your JWT secret or JWKS configuration"};
    case AuthErrorCode::kRefusedClaim:
      return {code, "The token's issuer or audience is not accepted here"};
    case AuthErrorCode::kRevoked:
      return {code, "Token has been revoked"};
  }
  TW_UNREACHABLE();
}

std::string ConnectMessage(const AuthError& error) {
  return error.code == AuthErrorCode::kExpired ? MakeAuthError(error.code).message : error.message;
}

Result<JwtKey> JwtKey::Create(std::string_view secret, std::span<const Algorithm> algorithms,
                              std::string_view kid) {
  if (secret.size() < kSecretBytesMin) {
    return Fail(ErrorCode::kInvalidArgument,
                "the JWT secret is shorter than " + std::to_string(kSecretBytesMin) + " bytes");
  }
  if (LooksAsymmetric(secret)) {
    return Fail(ErrorCode::kInvalidArgument,
                "the JWT secret looks like a PEM, SSH or JWK key, which cannot verify HS256, HS384 "
                "or HS512; give the shared secret itself");
  }
  if (algorithms.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "no JWT algorithm is configured for the secret");
  }
  JwtKey key;
  for (const Algorithm algorithm : algorithms) {
    TW_CHECK(algorithm <= Algorithm::kHs512);
    key.entries_.push_back(
        {std::string(kid), algorithm, crypto::HmacKey(HashOf(algorithm), secret)});
  }
  return key;
}

void JwtKey::Add(std::string_view kid, const crypto::PublicKey& key,
                 std::span<const Algorithm> algorithms) {
  for (const Algorithm algorithm : algorithms) {
    TW_CHECK(algorithm > Algorithm::kHs512);
    entries_.push_back({std::string(kid), algorithm, key});
  }
}

void JwtKey::Add(JwtKey other) {
  for (Entry& entry : other.entries_) entries_.push_back(std::move(entry));
  for (auto& claim : other.required_) required_.push_back(std::move(claim));
}

bool JwtKey::holds_secret() const {
  return std::ranges::any_of(entries_, [](const Entry& entry) {
    return std::holds_alternative<crypto::HmacKey>(entry.key);
  });
}

void JwtKey::BindTo(std::string_view issuer) {
  for (Entry& entry : entries_) entry.issuer = issuer;
}

void JwtKey::Require(std::string claim, std::string value) {
  required_.emplace_back(std::move(claim), std::move(value));
}

bool JwtKey::Verifies(const Entry& entry, std::string_view text, std::string_view signature) {
  if (const auto* const secret = std::get_if<crypto::HmacKey>(&entry.key)) {
    return crypto::EqualSecrets(secret->Mac(text).view(), signature);
  }
  const auto& key = std::get<crypto::PublicKey>(entry.key);
  switch (entry.algorithm) {
    case Algorithm::kHs256:
    case Algorithm::kHs384:
    case Algorithm::kHs512:
      return false;  // A public key is never a secret.
    case Algorithm::kRs256:
    case Algorithm::kRs384:
    case Algorithm::kRs512:
      return key.VerifyRsa(HashOf(entry.algorithm), text, signature);
    case Algorithm::kEs256:
    case Algorithm::kEs384:
    case Algorithm::kEs512:
      return key.VerifyElliptic(HashOf(entry.algorithm), text, signature);
    case Algorithm::kEdDsa:
      return key.VerifyEdwards(text, signature);
  }
  TW_UNREACHABLE();
}

bool JwtKey::HasRequired(const Claims& claims) const {
  return std::ranges::all_of(required_, [&](const auto& required) {
    const json::Value value = claims.document.root()[required.first];
    if (value.AsString() == std::string_view(required.second)) return true;
    return std::ranges::any_of(value.items(), [&](const json::Value& item) {
      return item.AsString() == std::string_view(required.second);
    });
  });
}

std::expected<SignedClaims, AuthError> JwtKey::Verify(std::string_view token) const {
  if (token.size() > kTokenBytesMax) return Refuse(AuthErrorCode::kMalformed);
  const std::optional<Parts> parts = SplitToken(token);
  if (!parts) return Refuse(AuthErrorCode::kMalformed);
  const std::optional<ParsedPart> header = DecodeObject(parts->header);
  if (!header) return Refuse(AuthErrorCode::kMalformed);
  const json::Value& root = header->document.root();
  // RFC 7515 §4.1.11: extensions that must be understood, and none is.
  if (root.Find("crit") != nullptr) return Refuse(AuthErrorCode::kMalformed);
  const std::optional<std::string_view> name = root["alg"].AsString();
  if (!name) return Refuse(AuthErrorCode::kMalformed);
  const std::optional<Algorithm> algorithm = ParseAlgorithm(*name);

  const Result<std::string> signature = crypto::DecodeBase64Url(parts->signature);
  if (!signature.ok()) return Refuse(AuthErrorCode::kMalformed);
  const std::string_view kid = root["kid"].AsString().value_or("");
  bool known = false;
  bool verified = false;
  // Issuers whose keys made this very signature; empty text: a key of any issuer did.
  std::vector<std::string_view> issuers;
  for (const Entry& entry : entries_) {
    if (!kid.empty() && !entry.kid.empty() && entry.kid != kid) continue;
    known = true;
    if (algorithm != entry.algorithm) continue;
    if (verified && entry.issuer.empty()) continue;
    if (!Verifies(entry, parts->signed_text, *signature)) continue;
    verified = true;
    issuers.push_back(entry.issuer);
  }
  if (!known) return Refuse(AuthErrorCode::kNoKey);
  if (!verified) return Refuse(AuthErrorCode::kSignature);
  // Only what was signed is read.
  std::optional<ParsedPart> payload = DecodeObject(parts->payload);
  if (!payload) return Refuse(AuthErrorCode::kMalformed);
  auto claims = ReadClaims(*std::move(payload));
  if (claims && !HasRequired(*claims->claims)) return Refuse(AuthErrorCode::kRefusedClaim);
  // One issuer's key says nothing about another's tokens, whatever their key ids are.
  if (claims && std::ranges::none_of(issuers, [&](std::string_view issuer) {
        return issuer.empty() || claims->claims->document.root()["iss"].AsString() == issuer;
      })) {
    return Refuse(AuthErrorCode::kRefusedClaim);
  }
  return claims;
}

std::expected<void, AuthError> CheckTimes(const SignedClaims& signed_claims, WallTime now) {
  const WallTime expires_at = signed_claims.claims->expires_at;
  if (expires_at <= now) {
    const auto ago = duration_cast<seconds>(now - expires_at).count();
    return std::unexpected(AuthError{AuthErrorCode::kExpired,
                                     "Token has expired " + std::to_string(ago) + " seconds ago"});
  }
  if (signed_claims.not_before && *signed_claims.not_before > now + kNotBeforeLeeway) {
    return Refuse(AuthErrorCode::kNotYetValid);
  }
  return {};
}

std::optional<std::string> CleanToken(std::string_view text) {
  // Percent-encoding at most triples a token's length.
  if (text.size() > 3 * kTokenBytesMax) return {};
  const Result<std::string> decoded = PercentDecode(Trim(text));
  if (!decoded.ok()) return {};
  std::string token(Trim(*decoded));
  if (token.size() > kTokenBytesMax) return {};
  return token;
}

Result<std::string> MintToken(std::string_view claims_json, std::string_view secret,
                              Algorithm algorithm) {
  TW_ASSIGN_OR_RETURN(const json::Document claims, json::Parse(claims_json));
  if (!claims->is_object()) {
    return Fail(ErrorCode::kInvalidArgument, "the claims are not a JSON object");
  }
  TW_CHECK(algorithm <= Algorithm::kHs512);
  const std::string header = R"({"alg":")" + std::string(ToString(algorithm)) + R"(","typ":"JWT"})";
  std::string token = crypto::EncodeBase64Url(header) + "." + crypto::EncodeBase64Url(claims_json);
  const crypto::Digest mac = crypto::HmacKey(HashOf(algorithm), secret).Mac(token);
  return token + "." + crypto::EncodeBase64Url(mac.view());
}

}  // namespace tw::auth
