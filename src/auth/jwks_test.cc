// Asymmetric signatures and sets of keys, against OpenSSL's own signatures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <vector>

#include "auth/jwks.h"
#include "auth/jwt.h"
#include "crypto/encoding.h"
#include "testing/matchers.h"

namespace tw::auth {
namespace {

using ::testing::HasSubstr;
using ::tw::testing::FailsWith;

constexpr std::string_view kClaims =
    R"({"role":"authenticated","sub":"u1","exp":1900000000,"iss":"https://id.example","aud":["a","b"]})";

// A key pair that signs as RFC 7518 has it.
class Signer {
 public:
  Signer(EVP_PKEY* key, Algorithm algorithm, const EVP_MD* digest, size_t coordinate_bytes = 0)
      : key_(key, EVP_PKEY_free),
        algorithm_(algorithm),
        digest_(digest),
        coordinate_bytes_(coordinate_bytes) {}

  static Signer Rsa() { return {EVP_RSA_gen(2'048), Algorithm::kRs256, EVP_sha256()}; }
  static Signer Elliptic() { return {EVP_EC_gen("P-256"), Algorithm::kEs256, EVP_sha256(), 32}; }
  static Signer Elliptic521() {
    return {EVP_EC_gen("P-521"), Algorithm::kEs512, EVP_sha512(), 66};
  }
  static Signer Edwards() {
    return {EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), Algorithm::kEdDsa, nullptr};
  }

  std::string Token(std::string_view kid, std::string_view alg = "",
                    std::string_view claims = kClaims) const {
    const std::string header = R"({"alg":")" +
                               std::string(alg.empty() ? ToString(algorithm_) : alg) + "\"" +
                               (kid.empty() ? "" : R"(,"kid":")" + std::string(kid) + "\"") + "}";
    const std::string text =
        crypto::EncodeBase64Url(header) + "." + crypto::EncodeBase64Url(claims);
    return text + "." + crypto::EncodeBase64Url(Sign(text));
  }

  // The public part as a JSON Web Key.
  std::string Jwk(std::string_view kid, std::string_view more = "") const {
    const std::string tail = R"(,"kid":")" + std::string(kid) + "\"" + std::string(more) + "}";
    if (algorithm_ == Algorithm::kRs256) {
      return R"({"kty":"RSA","n":")" + Number("n") + R"(","e":")" + Number("e") + "\"" + tail;
    }
    if (algorithm_ == Algorithm::kEdDsa) {
      unsigned char bytes[32];
      size_t size = sizeof(bytes);
      EVP_PKEY_get_raw_public_key(key_.get(), bytes, &size);
      return R"({"kty":"OKP","crv":"Ed25519","x":")" +
             crypto::EncodeBase64Url({reinterpret_cast<char*>(bytes), size}) + "\"" + tail;
    }
    return R"({"kty":"EC","crv":")" + std::string(coordinate_bytes_ == 32 ? "P-256" : "P-521") +
           R"(","x":")" + Number(OSSL_PKEY_PARAM_EC_PUB_X) + R"(","y":")" +
           Number(OSSL_PKEY_PARAM_EC_PUB_Y) + "\"" + tail;
  }

 private:
  std::string Number(const char* name) const {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &number);
    const size_t size = coordinate_bytes_ > 0 ? coordinate_bytes_
                                              : static_cast<size_t>(BN_num_bytes(number));
    std::string bytes(size, '\0');
    BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size));
    BN_free(number);
    return crypto::EncodeBase64Url(bytes);
  }

  std::string Sign(std::string_view text) const {
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                    EVP_MD_CTX_free);
    const auto* const message = reinterpret_cast<const unsigned char*>(text.data());
    size_t size = 0;
    EVP_DigestSignInit(context.get(), nullptr, digest_, nullptr, key_.get());
    EVP_DigestSign(context.get(), nullptr, &size, message, text.size());
    std::string signature(size, '\0');
    auto* const bytes = reinterpret_cast<unsigned char*>(signature.data());
    EXPECT_EQ(EVP_DigestSign(context.get(), bytes, &size, message, text.size()), 1);
    signature.resize(size);
    return coordinate_bytes_ > 0 ? Raw(signature) : signature;
  }

  // From DER to r and s side by side.
  std::string Raw(const std::string& der) const {
    const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* const both = d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size()));
    std::string raw(2 * coordinate_bytes_, '\0');
    auto* const out = reinterpret_cast<unsigned char*>(raw.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(both), out, static_cast<int>(coordinate_bytes_));
    BN_bn2binpad(ECDSA_SIG_get0_s(both), out + coordinate_bytes_,
                 static_cast<int>(coordinate_bytes_));
    ECDSA_SIG_free(both);
    return raw;
  }

  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
  Algorithm algorithm_;
  const EVP_MD* digest_;
  size_t coordinate_bytes_;
};

JwtKey Keys(std::string_view set) {
  auto keys = ParseJwks(set);
  if (!keys.ok()) ADD_FAILURE() << keys.error();
  return keys.ok() ? std::move(*keys) : JwtKey();
}

AuthErrorCode RefusalOf(const JwtKey& keys, std::string_view token) {
  const auto result = keys.Verify(token);
  EXPECT_FALSE(result.has_value());
  return result ? AuthErrorCode::kExpired : result.error().code;
}

TEST(JwksTest, VerifiesEachKindAndNoOtherKeysSignature) {
  for (auto make : {Signer::Rsa, Signer::Elliptic, Signer::Elliptic521, Signer::Edwards}) {
    const Signer signer = make();
    const Signer other = make();
    const JwtKey keys = Keys(R"({"keys":[)" + signer.Jwk("k1") + "]}");
    const auto verified = keys.Verify(signer.Token("k1"));
    ASSERT_TRUE(verified.has_value()) << signer.Jwk("k1") << verified.error();
    EXPECT_EQ(verified->claims->sub, "u1");
    EXPECT_EQ(RefusalOf(keys, other.Token("k1")), AuthErrorCode::kSignature);
    std::string changed = signer.Token("k1");
    changed.back() = changed.back() == 'A' ? 'B' : 'A';
    EXPECT_FALSE(keys.Verify(changed).has_value());
  }
}

TEST(JwksTest, AnIssuerChangesItsKeys) {
  const Signer old = Signer::Elliptic();
  const Signer fresh = Signer::Elliptic();
  const JwtKey keys = Keys(R"({"keys":[)" + old.Jwk("2025") + "," + fresh.Jwk("2026") + "]}");
  EXPECT_TRUE(keys.Verify(old.Token("2025")).has_value());
  EXPECT_TRUE(keys.Verify(fresh.Token("2026")).has_value());
  // A key serves under its own id only; without an id any may fit.
  EXPECT_EQ(RefusalOf(keys, old.Token("2026")), AuthErrorCode::kSignature);
  EXPECT_TRUE(keys.Verify(old.Token("")).has_value());
  EXPECT_EQ(RefusalOf(keys, old.Token("2024")), AuthErrorCode::kNoKey);
  EXPECT_EQ(UpstreamCode(AuthErrorCode::kNoKey), "JwtSignerError");
}

// CVE-2024-54150 and its kin: whoever knows a public key must not be able to sign with it.
TEST(JwksTest, APublicKeyIsNeverASecret) {
  const Signer signer = Signer::Rsa();
  const JwtKey keys = Keys(signer.Jwk("k1"));
  EXPECT_EQ(RefusalOf(keys, signer.Token("k1", "HS256")), AuthErrorCode::kSignature);
  EXPECT_EQ(RefusalOf(keys, signer.Token("k1", "none")), AuthErrorCode::kSignature);
  EXPECT_THAT(JwtKey::Create(signer.Jwk("k1"), std::vector{Algorithm::kHs256}),
              FailsWith(ErrorCode::kInvalidArgument));
}

TEST(JwksTest, AKeyVerifiesOnlyTheAlgorithmThatItNames) {
  const Signer signer = Signer::Rsa();
  EXPECT_EQ(RefusalOf(Keys(signer.Jwk("k1", R"(,"alg":"RS512")")), signer.Token("k1")),
            AuthErrorCode::kSignature);
  EXPECT_THAT(ParseJwks(signer.Jwk("k1", R"(,"alg":"HS256")")),
              FailsWith(ErrorCode::kInvalidArgument, HasSubstr("key 1")));
}

TEST(JwksTest, SharedSecretsAreKeysToo) {
  const std::string secret(32, 's');
  const JwtKey keys =
      Keys(R"({"kty":"oct","kid":"s1","k":")" + crypto::EncodeBase64Url(secret) + "\"}");
  const auto token = MintToken(kClaims, secret, Algorithm::kHs384);
  ASSERT_TRUE(token.ok());
  EXPECT_TRUE(keys.Verify(*token).has_value());
}

TEST(JwksTest, RefusesWhatIsNoPublicKey) {
  const std::string jwk = Signer::Elliptic().Jwk("k1");
  for (const std::string& set :
       {std::string("[]"), std::string(R"({"keys":[]})"), std::string(R"({"kty":"XYZ"})"),
        std::string(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"),
        std::string(R"({"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"})"),
        std::string(R"({"kty":"OKP","crv":"Ed25519","x":"AQAB"})"),
        jwk.substr(0, jwk.size() - 1) + R"(,"d":"AQAB"})",
        jwk.substr(0, jwk.size() - 1) + R"(,"use":"enc"})"}) {
    EXPECT_THAT(ParseJwks(set), FailsWith(ErrorCode::kInvalidArgument)) << set;
  }
  // A point that is not on the curve.
  const std::string zeros = crypto::EncodeBase64Url(std::string(32, '\1'));
  EXPECT_THAT(
      ParseJwks(R"({"kty":"EC","crv":"P-256","x":")" + zeros + R"(","y":")" + zeros + "\"}"),
      FailsWith(ErrorCode::kInvalidArgument, HasSubstr("not on P-256")));
}

TEST(JwksTest, RequiredClaimsMustBeThere) {
  const Signer signer = Signer::Edwards();
  JwtKey keys = Keys(signer.Jwk("k1"));
  keys.Require("iss", "https://id.example");
  keys.Require("aud", "b");
  EXPECT_TRUE(keys.Verify(signer.Token("k1")).has_value());
  EXPECT_EQ(RefusalOf(keys, signer.Token("k1", "", R"({"role":"a","exp":1900000000})")),
            AuthErrorCode::kRefusedClaim);
  keys.Require("aud", "c");
  EXPECT_EQ(RefusalOf(keys, signer.Token("k1")), AuthErrorCode::kRefusedClaim);
}

}  // namespace
}  // namespace tw::auth
