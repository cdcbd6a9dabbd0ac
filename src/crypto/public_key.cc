#include "crypto/public_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"

namespace tw::crypto {

struct PublicKey::Handle {
  explicit Handle(EVP_PKEY* owned) : key(owned) {}
  ~Handle() { EVP_PKEY_free(key); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  EVP_PKEY* const key;
};

namespace {

template <auto Free>
struct Deleter {
  void operator()(auto* owned) const { Free(owned); }
};
using Number = std::unique_ptr<BIGNUM, Deleter<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Deleter<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Deleter<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Deleter<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Deleter<ECDSA_SIG_free>>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number MakeNumber(std::string_view bytes) {
  return Number(BN_bin2bn(Bytes(bytes), static_cast<int>(bytes.size()), nullptr));
}

// Null when OpenSSL refuses the parts.
EVP_PKEY* MakeKey(const char* type, const Builder& builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) <= 0 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) <= 0) {
    return nullptr;
  }
  // A point that is not on its curve is caught here.
  const KeyContext check(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (check == nullptr || EVP_PKEY_public_check(check.get()) <= 0) {
    EVP_PKEY_free(key);
    return nullptr;
  }
  return key;
}

const EVP_MD* DigestOf(HashAlgorithm hash) {
  switch (hash) {
    case HashAlgorithm::kSha1: return EVP_sha1();
    case HashAlgorithm::kSha256: return EVP_sha256();
    case HashAlgorithm::kSha384: return EVP_sha384();
    case HashAlgorithm::kSha512: return EVP_sha512();
  }
  TW_UNREACHABLE();
}

std::unexpected<Error> Refused(std::string_view what) {
  return Fail(ErrorCode::kInvalidArgument, std::string(what));
}

bool VerifyWith(EVP_PKEY* key, const EVP_MD* digest, std::string_view message,
                std::string_view signature) {
  const DigestContext context(EVP_MD_CTX_new());
  return context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key) > 0 &&
         EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(message),
                          message.size()) == 1;
}

}  // namespace

Result<PublicKey> PublicKey::Rsa(std::string_view modulus, std::string_view exponent) {
  constexpr int kBitsMin = 2'048;
  constexpr int kBitsMax = 8'192;
  if (modulus.size() > kBitsMax / 8 + 1 || exponent.size() > 8) {
    return Refused("the RSA key is too large");
  }
  const Number n = MakeNumber(modulus);
  const Number e = MakeNumber(exponent);
  if (n == nullptr || e == nullptr || BN_num_bits(n.get()) < kBitsMin ||
      BN_num_bits(n.get()) > kBitsMax) {
    return Refused("an RSA key has 2048 to 8192 bits");
  }
  if (!BN_is_odd(e.get()) || BN_is_one(e.get())) return Refused("the RSA exponent is not odd");
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  EVP_PKEY* const key = MakeKey("RSA", builder);
  if (key == nullptr) return Refused("the RSA key is invalid");
  return PublicKey(Kind::kRsa, std::make_shared<const Handle>(key), 0);
}

Result<PublicKey> PublicKey::Elliptic(Curve curve, std::string_view x, std::string_view y) {
  const size_t bytes = curve == Curve::kP256 ? 32 : curve == Curve::kP384 ? 48 : 66;
  const char* const name = curve == Curve::kP256   ? "P-256"
                           : curve == Curve::kP384 ? "P-384"
                                                   : "P-521";
  if (x.size() != bytes || y.size() != bytes) {
    return Refused("a coordinate of " + std::string(name) + " has another size");
  }
  // Uncompressed form, SEC 1 §2.3.3.
  const std::string point = "\x04" + std::string(x) + std::string(y);
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, name, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  EVP_PKEY* const key = MakeKey("EC", builder);
  if (key == nullptr) return Refused("the point is not on " + std::string(name));
  return PublicKey(Kind::kElliptic, std::make_shared<const Handle>(key), bytes);
}

Result<PublicKey> PublicKey::Edwards(EdwardsCurve curve, std::string_view bytes) {
  const bool small = curve == EdwardsCurve::kEd25519;
  if (bytes.size() != (small ? 32u : 57u)) return Refused("an EdDSA key has another size");
  EVP_PKEY* const key = EVP_PKEY_new_raw_public_key(small ? EVP_PKEY_ED25519 : EVP_PKEY_ED448,
                                                    nullptr, Bytes(bytes), bytes.size());
  if (key == nullptr) return Refused("the EdDSA key is invalid");
  return PublicKey(Kind::kEdwards, std::make_shared<const Handle>(key), 0);
}

bool PublicKey::VerifyRsa(HashAlgorithm hash, std::string_view message,
                          std::string_view signature) const {
  TW_CHECK(kind_ == Kind::kRsa);
  return VerifyWith(handle_->key, DigestOf(hash), message, signature);
}

bool PublicKey::VerifyElliptic(HashAlgorithm hash, std::string_view message,
                               std::string_view signature) const {
  TW_CHECK(kind_ == Kind::kElliptic);
  if (signature.size() != 2 * coordinate_bytes_) return false;
  Number r = MakeNumber(signature.substr(0, coordinate_bytes_));
  Number s = MakeNumber(signature.substr(coordinate_bytes_));
  const EcSignature both(ECDSA_SIG_new());
  if (r == nullptr || s == nullptr || both == nullptr ||
      ECDSA_SIG_set0(both.get(), r.get(), s.get()) != 1) {
    return false;
  }
  (void)r.release();  // Now the signature's.
  (void)s.release();
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(both.get(), &der);
  if (size <= 0) return false;
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owned(
      der, [](unsigned char* bytes) { OPENSSL_free(bytes); });
  return VerifyWith(handle_->key, DigestOf(hash), message,
                    {reinterpret_cast<const char*>(der), static_cast<size_t>(size)});
}

bool PublicKey::VerifyEdwards(std::string_view message, std::string_view signature) const {
  TW_CHECK(kind_ == Kind::kEdwards);
  return VerifyWith(handle_->key, nullptr, message, signature);
}

}  // namespace tw::crypto
