#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "auth/api_keys.h"
#include "auth/jwt.h"
#include "auth/lru_cache.h"
#include "auth/token_verifier.h"
#include "crypto/encoding.h"
#include "testing/fake_clock.h"
#include "testing/matchers.h"

namespace tw::auth {
namespace {

using ::testing::HasSubstr;
using ::tw::testing::FailsWith;
using ::tw::testing::IsOk;

constexpr std::string_view kSecret = "super-secret-jwt-token-with-at-least-32-characters-long";
constexpr std::array<Algorithm, 3> kAll = {Algorithm::kHs256, Algorithm::kHs384, Algorithm::kHs512};
constexpr std::array<Algorithm, 1> kHs256Only = {Algorithm::kHs256};
// FakeClock's start.
constexpr int64_t kNow = 1'767'323'045;
const std::string kGood = R"({"role":"authenticated","sub":"u1","exp":1767326645})";

std::string Mint(std::string_view claims, Algorithm algorithm = Algorithm::kHs256) {
  return *MintToken(claims, kSecret, algorithm);
}

// A token with any header, signed as HS256 with `secret`.
std::string Forge(std::string_view header, std::string_view claims,
                  std::string_view secret = kSecret) {
  const std::string text = crypto::EncodeBase64Url(header) + "." + crypto::EncodeBase64Url(claims);
  const crypto::HmacKey key(crypto::HashAlgorithm::kSha256, secret);
  return text + "." + crypto::EncodeBase64Url(key.Mac(text).view());
}

class TokenVerifierTest : public ::testing::Test {
 protected:
  TokenVerifier Make(std::span<const Algorithm> algorithms = kAll, ApiKeys keys = {}) {
    return TokenVerifier(*JwtKey::Create(kSecret, algorithms), std::move(keys), clock_, registry_,
                         {.accepted_entries_max = 2, .refused_entries_max = 2});
  }
  AuthError Refusal(std::string_view token) {
    const auto result = Make().Verify(token);
    EXPECT_FALSE(result.has_value()) << token;
    return result ? AuthError{} : result.error();
  }
  AuthErrorCode RefusalCode(std::string_view token) { return Refusal(token).code; }
  bool Accepts(std::string_view claims) { return Make().Verify(Mint(claims)).has_value(); }
  uint64_t CountOf(std::string_view result) {
    return registry_
        .GetCounter("tidewire_auth_tokens_total", "Credentials checked, by result.",
                    {{"result", std::string(result)}})
        .value();
  }

  testing::FakeClock clock_;
  telemetry::Registry registry_;
};

TEST_F(TokenVerifierTest, GivesTheSignedClaims) {
  for (const Algorithm algorithm : kAll) {
    const auto claims = Make().Verify(Mint(kGood, algorithm));
    ASSERT_TRUE(claims.has_value()) << ToString(algorithm);
    EXPECT_EQ((*claims)->text, kGood);
    EXPECT_EQ((*claims)->role, "authenticated");
    EXPECT_EQ((*claims)->sub, "u1");
    EXPECT_EQ((*claims)->document->Find("exp")->GetInt(), kNow + 3600);
    EXPECT_EQ((*claims)->expires_at, WallTime{std::chrono::seconds{kNow + 3600}});
  }
}

TEST_F(TokenVerifierTest, MembersOfTheHeaderMayComeInAnyOrder) {
  EXPECT_TRUE(Make().Verify(Forge(R"({"typ":"JWT","alg":"HS256"})", kGood)).has_value());
}

TEST_F(TokenVerifierTest, TrimsAndPercentDecodesFirst) {
  const std::string token = Mint(kGood);
  std::string encoded = token;
  encoded.replace(encoded.find('.'), 1, "%2E");
  for (const std::string& text : {" " + token + "\r\n", encoded, "%20" + token + "%0a"}) {
    EXPECT_TRUE(Make().Verify(text).has_value()) << text;
  }
  EXPECT_EQ(RefusalCode(token + "%"), AuthErrorCode::kMalformed);
}

TEST_F(TokenVerifierTest, RefusesWhatIsNoJwt) {
  const std::string token = Mint(kGood);
  const std::string header = crypto::EncodeBase64Url(R"({"alg":"HS256"})");
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".."), std::string("a.b"),
        std::string("a.b.c.d"), std::string("not a token"), token + ".x", token + "=",
        header + "..", std::string("e30.e30.e30"), std::string(kTokenBytesMax + 1, 'a'),
        std::string(1 << 20, '.'), Forge("[]", kGood), Forge("{", kGood), Forge("null", kGood),
        Forge(R"({"alg":"HS256"})", "[]"), Forge(R"({"alg":"HS256"})", "{"),
        Forge(R"({"alg":"HS256"})", "{\"role\":\"\xff\"}")}) {
    const AuthError error = Refusal(text);
    if (text == header + "..") continue;  // A right form with a wrong signature.
    EXPECT_EQ(error.code, AuthErrorCode::kMalformed) << text.substr(0, 80);
    EXPECT_EQ(error.message, "The token provided is not a valid JWT");
  }
  EXPECT_EQ(RefusalCode(header + ".."), AuthErrorCode::kSignature);
}

TEST_F(TokenVerifierTest, RefusesAlgorithmsThatAreNotConfigured) {
  for (const char* alg : {R"("none")", R"("None")", R"("NONE")", R"("RS256")", R"("ES256")",
                          R"("hs256")", R"("HS256 ")", R"("")"}) {
    const std::string header = std::string(R"({"alg":)") + alg + "}";
    EXPECT_EQ(RefusalCode(Forge(header, kGood)), AuthErrorCode::kSignature) << alg;
    const std::string unsigned_token =
        crypto::EncodeBase64Url(header) + "." + crypto::EncodeBase64Url(kGood) + ".";
    EXPECT_EQ(RefusalCode(unsigned_token), AuthErrorCode::kSignature) << alg;
  }
  for (const char* header : {"{}", R"({"alg":null})", R"({"alg":["HS256"]})", R"({"alg":1})",
                             R"({"Alg":"HS256"})", R"({"alg":"HS256","crit":["exp"]})"}) {
    EXPECT_EQ(RefusalCode(Forge(header, kGood)), AuthErrorCode::kMalformed) << header;
  }
  const auto other = Make(kHs256Only).Verify(Mint(kGood, Algorithm::kHs512));
  EXPECT_EQ(other.error().code, AuthErrorCode::kSignature) << "bound to HS256 only";
}

TEST_F(TokenVerifierTest, RefusesWrongSignatures) {
  const std::string token = Mint(kGood);
  const std::string stem = token.substr(0, token.rfind('.') + 1);
  const std::string mac = token.substr(stem.size());
  std::string changed = token;
  changed[stem.size()] = changed[stem.size()] == 'A' ? 'B' : 'A';
  for (const std::string& text : {changed, stem, stem + mac.substr(0, 40), stem + mac + "AAAA",
                                  Forge(R"({"alg":"HS256"})", kGood, "another secret of any size"),
                                  Forge(R"({"alg":"HS256"})", kGood, "")}) {
    EXPECT_EQ(Refusal(text),
              (AuthError{AuthErrorCode::kSignature, "Failed to validate JWT signature"}))
        << text;
  }
}

TEST_F(TokenVerifierTest, IgnoresKeysThatTheTokenBrings) {
  const std::string header =
      R"({"alg":"HS256","kid":"../../dev/null","jku":"http://127.0.0.1/","x5u":"file:///etc",)"
      R"("jwk":{"kty":"oct","k":"YXR0YWNrZXItY2hvc2VuLXNlY3JldC1vZi0zMi1ieXRlcw"}})";
  EXPECT_TRUE(Make().Verify(Forge(header, kGood)).has_value()) << "our secret signed it";
  EXPECT_EQ(RefusalCode(Forge(header, kGood, "attacker-chosen-secret-of-32-bytes")),
            AuthErrorCode::kSignature);
}

TEST_F(TokenVerifierTest, RoleAndExpiryAreRequired) {
  for (const char* claims :
       {"{}", R"({"role":"anon"})", R"({"exp":1767326645})", R"({"role":1,"exp":1767326645})",
        R"({"role":null,"exp":1767326645})", R"({"role":"","exp":1767326645})"}) {
    EXPECT_EQ(Refusal(Mint(claims)), (AuthError{AuthErrorCode::kClaimsMissing,
                                                "Fields `role` and `exp` are required in JWT"}))
        << claims;
  }
}

TEST_F(TokenVerifierTest, ExpiryIsANumberThatTimeCanHold) {
  for (const char* exp : {R"("1767326645")", "null", "true", "[]", "1e20", "-1", "9.3e12"}) {
    EXPECT_EQ(Refusal(Mint(std::string(R"({"role":"anon","exp":)") + exp + "}")),
              (AuthError{AuthErrorCode::kExpirationInvalid, "Token expiration time is invalid"}))
        << exp;
  }
  EXPECT_TRUE(Accepts(R"({"role":"anon","exp":1767323045.5})"));
  EXPECT_TRUE(Accepts(R"({"role":"anon","exp":1767326645000})")) << "milliseconds, by mistake";
}

TEST_F(TokenVerifierTest, ExpiryIsExact) {
  TokenVerifier verifier = Make();
  const std::string token = Mint(R"({"role":"anon","exp":1767323047})");
  clock_.Advance(std::chrono::microseconds{1'999'999});
  EXPECT_TRUE(verifier.Verify(token).has_value());
  clock_.Advance(std::chrono::microseconds{1});
  EXPECT_EQ(verifier.Verify(token).error().message, "Token has expired 0 seconds ago");
  clock_.Advance(std::chrono::milliseconds{12'900});
  const AuthError error = verifier.Verify(token).error();
  EXPECT_EQ(error, (AuthError{AuthErrorCode::kExpired, "Token has expired 12 seconds ago"}));
  EXPECT_EQ(ConnectMessage(error), "Token has expired");
  EXPECT_EQ(UpstreamCode(error.code), "InvalidJWTToken");
}

TEST_F(TokenVerifierTest, NotBeforeMayLieThirtySecondsAhead) {
  TokenVerifier verifier = Make();
  const std::string token = Mint(R"({"role":"anon","exp":1767326645,"nbf":1767323076})");
  EXPECT_EQ(verifier.Verify(token).error().code, AuthErrorCode::kNotYetValid);
  clock_.Advance(std::chrono::seconds{1});
  EXPECT_TRUE(verifier.Verify(token).has_value()) << "a refusal for its time is not remembered";
  EXPECT_EQ(RefusalCode(Mint(R"({"role":"anon","exp":1767326645,"nbf":"0"})")),
            AuthErrorCode::kNotYetValid);
}

TEST_F(TokenVerifierTest, IssuedAtMustBeANumber) {
  EXPECT_TRUE(Accepts(R"({"role":"anon","exp":1767326645,"iat":1767323045.25})"));
  EXPECT_EQ(RefusalCode(Mint(R"({"role":"anon","exp":1767326645,"iat":"now"})")),
            AuthErrorCode::kMalformed);
}

TEST_F(TokenVerifierTest, OneTokenHasOneClaimsObject) {
  TokenVerifier verifier = Make();
  const std::string token = Mint(kGood);
  const ClaimsPtr first = *verifier.Verify(token);
  EXPECT_EQ(*verifier.Verify(" " + token), first);
  EXPECT_EQ(CountOf("accepted"), 2u);
}

TEST_F(TokenVerifierTest, BadTokensEvictNoGoodOne) {
  TokenVerifier verifier = Make();
  const ClaimsPtr first = *verifier.Verify(Mint(kGood));
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(verifier.Verify("bad." + std::to_string(i) + ".token").has_value());
  }
  EXPECT_EQ(*verifier.Verify(Mint(kGood)), first);
  EXPECT_EQ(CountOf("malformed"), 100u);
}

TEST_F(TokenVerifierTest, RefusalsAreRememberedWithTheirReason) {
  TokenVerifier verifier = Make();
  const std::string token = Forge(R"({"alg":"none"})", kGood);
  const AuthError first = verifier.Verify(token).error();
  EXPECT_EQ(verifier.Verify(token).error(), first);
  EXPECT_EQ(CountOf("signature"), 2u);
}

TEST_F(TokenVerifierTest, OpaqueKeysStandForARole) {
  ApiKeys keys;
  ASSERT_THAT(keys.Add("sb_publishable_0123456789abcdef", "anon"), IsOk());
  ASSERT_THAT(keys.Add("sb_secret_0123456789abcdef", "service_role"), IsOk());
  TokenVerifier verifier = Make(kAll, keys);
  const ClaimsPtr claims = *verifier.Verify(" sb_secret_0123456789abcdef ");
  EXPECT_EQ(claims->role, "service_role");
  EXPECT_EQ(claims->text, R"({"role":"service_role"})");
  EXPECT_EQ(claims->expires_at, WallTime::max());
  EXPECT_EQ(*verifier.Verify("sb_secret_0123456789abcdef"), claims);
  EXPECT_EQ(verifier.Verify("sb_secret_0123456789abcdeg").error().code, AuthErrorCode::kSignature);
}

TEST(ApiKeysTest, RefusesUnusableKeys) {
  ApiKeys keys;
  EXPECT_THAT(keys.Add("sb_private_0123456789abcdef", "anon"),
              FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(keys.Add("sb_secret_short", "anon"), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(keys.Add("sb_secret_0123456789abcdef", ""), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(keys.Add("sb_secret_0123456789abcdef", "anon"), IsOk());
  EXPECT_THAT(keys.Add("sb_secret_0123456789abcdef", "anon"), FailsWith(ErrorCode::kAlreadyExists));
  for (size_t i = 1; i < ApiKeys::kKeysMax; ++i) {
    ASSERT_THAT(keys.Add("sb_secret_0123456789abcdef" + std::to_string(i), "anon"), IsOk());
  }
  EXPECT_THAT(keys.Add("sb_secret_one_key_too_many", "anon"),
              FailsWith(ErrorCode::kResourceExhausted));
}

TEST(JwtKeyTest, RefusesSecretsThatAreNone) {
  EXPECT_THAT(JwtKey::Create("", kAll), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(JwtKey::Create(std::string(31, 'x'), kAll), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(JwtKey::Create(kSecret, {}), FailsWith(ErrorCode::kInvalidArgument));
  EXPECT_THAT(JwtKey::Create(std::string(32, 'x'), kAll), IsOk());
  for (const char* secret :
       {"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQ\n-----END PUBLIC KEY-----\n",
        "  \n-----BEGIN RSA PUBLIC KEY-----\nMIIBCgKCAQEA", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB",
        R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZpt","e":"AQAB"})",
        R"( {"keys":[{"kty":"oct","k":"GawgguFyGrWKav7AX4VKUg"}]})"}) {
    EXPECT_THAT(JwtKey::Create(secret, kAll),
                FailsWith(ErrorCode::kInvalidArgument, HasSubstr("shared secret")))
        << secret;
  }
}

// Abuse case 57: the same key id at two issuers.
TEST(JwtKeyTest, AnIssuersKeyVerifiesOnlyItsOwnTokens) {
  constexpr Algorithm kAlgorithms[] = {Algorithm::kHs256};
  const std::string secrets[] = {std::string(32, 'a'), std::string(32, 'b')};
  JwtKey keys;
  for (const int i : {0, 1}) {
    auto key = JwtKey::Create(secrets[i], kAlgorithms, "same");
    ASSERT_TRUE(key.ok());
    key->BindTo(i == 0 ? "https://a.example" : "https://b.example");
    keys.Add(std::move(*key));
  }
  const auto verify = [&](int signer, const std::string& issuer) {
    auto token = MintToken(R"({"role":"anon","exp":4102444800)" + issuer + "}", secrets[signer],
                           Algorithm::kHs256);
    EXPECT_TRUE(token.ok());
    return keys.Verify(*token);
  };
  EXPECT_TRUE(verify(0, R"(,"iss":"https://a.example")").has_value());
  EXPECT_TRUE(verify(1, R"(,"iss":"https://b.example")").has_value());
  for (const auto& [signer, issuer] :
       {std::pair{0, R"(,"iss":"https://b.example")"}, std::pair{1, R"(,"iss":"https://a.example")"},
        std::pair{0, ""}, std::pair{0, R"(,"iss":["https://a.example"])"}}) {
    const auto verified = verify(signer, issuer);
    ASSERT_FALSE(verified.has_value()) << issuer;
    EXPECT_EQ(verified.error().code, AuthErrorCode::kRefusedClaim) << issuer;
  }
}

TEST(MintTokenTest, RefusesWhatIsNoObject) {
  for (const char* claims : {"", "[]", "1", "{"}) {
    EXPECT_THAT(MintToken(claims, kSecret, Algorithm::kHs256),
                FailsWith(ErrorCode::kInvalidArgument));
  }
}

// jwt.io's example for the secret below.
TEST(MintTokenTest, KnownAnswer) {
  const auto token = MintToken(R"({"sub":"1234567890","name":"John Doe","iat":1516239022})",
                               "your-256-bit-secret", Algorithm::kHs256);
  EXPECT_EQ(*token,
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
            ".eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ"
            ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c");
}

TEST(AlgorithmTest, NamesRoundTrip) {
  for (const Algorithm algorithm : kAll) EXPECT_EQ(ParseAlgorithm(ToString(algorithm)), algorithm);
  EXPECT_EQ(ParseAlgorithm("none"), std::nullopt);
}

TEST(LruCacheTest, ForgetsTheLeastRecentlyUsed) {
  LruCache<int> cache(2);
  const auto a = crypto::Sha256("a"), b = crypto::Sha256("b"), c = crypto::Sha256("c");
  cache.Put(a, 1);
  cache.Put(b, 2);
  EXPECT_EQ(*cache.Find(a), 1);
  cache.Put(c, 3);
  EXPECT_EQ(cache.Find(b), nullptr);
  EXPECT_EQ(*cache.Find(a), 1);
  EXPECT_EQ(cache.size(), 2u);
}

}  // namespace
}  // namespace tw::auth
