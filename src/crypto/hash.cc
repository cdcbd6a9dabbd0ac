// OpenSSL's low-level digests are marked deprecated in favour of EVP, but EVP looks the algorithm
// up and allocates per message, which costs more than hashing the few hundred bytes of a webhook.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/hash.h"

#include <openssl/crypto.h>

#include <string>

#include "base/check.h"

namespace tw::crypto {
namespace {

size_t BlockBytes(HashAlgorithm algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kSha1:
    case HashAlgorithm::kSha256:
      return 64;
    case HashAlgorithm::kSha384:
    case HashAlgorithm::kSha512:
      return 128;
  }
  TW_UNREACHABLE();
}

}  // namespace

Hasher::Hasher(HashAlgorithm algorithm) : algorithm_(algorithm) {
  switch (algorithm) {
    case HashAlgorithm::kSha1:
      SHA1_Init(&state_.emplace<SHA_CTX>());
      return;
    case HashAlgorithm::kSha256:
      SHA256_Init(&state_.emplace<SHA256_CTX>());
      return;
    case HashAlgorithm::kSha384:
      SHA384_Init(&state_.emplace<SHA512_CTX>());
      return;
    case HashAlgorithm::kSha512:
      SHA512_Init(&state_.emplace<SHA512_CTX>());
      return;
  }
}

void Hasher::Update(std::string_view bytes) {
  switch (algorithm_) {
    case HashAlgorithm::kSha1:
      SHA1_Update(&std::get<SHA_CTX>(state_), bytes.data(), bytes.size());
      return;
    case HashAlgorithm::kSha256:
      SHA256_Update(&std::get<SHA256_CTX>(state_), bytes.data(), bytes.size());
      return;
    case HashAlgorithm::kSha384:
      SHA384_Update(&std::get<SHA512_CTX>(state_), bytes.data(), bytes.size());
      return;
    case HashAlgorithm::kSha512:
      SHA512_Update(&std::get<SHA512_CTX>(state_), bytes.data(), bytes.size());
      return;
  }
}

Digest Hasher::Finish() {
  Digest digest;
  auto* const out = reinterpret_cast<unsigned char*>(digest.bytes.data());
  switch (algorithm_) {
    case HashAlgorithm::kSha1:
      SHA1_Final(out, &std::get<SHA_CTX>(state_));
      digest.size = SHA_DIGEST_LENGTH;
      break;
    case HashAlgorithm::kSha256:
      SHA256_Final(out, &std::get<SHA256_CTX>(state_));
      digest.size = SHA256_DIGEST_LENGTH;
      break;
    case HashAlgorithm::kSha384:
      SHA384_Final(out, &std::get<SHA512_CTX>(state_));
      digest.size = SHA384_DIGEST_LENGTH;
      break;
    case HashAlgorithm::kSha512:
      SHA512_Final(out, &std::get<SHA512_CTX>(state_));
      digest.size = SHA512_DIGEST_LENGTH;
      break;
  }
  return digest;
}

Digest Hash(HashAlgorithm algorithm, std::string_view bytes) {
  Hasher hasher(algorithm);
  hasher.Update(bytes);
  return hasher.Finish();
}

HmacKey::HmacKey(HashAlgorithm algorithm, std::string_view key)
    : inner_(algorithm), outer_(algorithm) {
  const size_t block_bytes = BlockBytes(algorithm);
  std::string block(key.size() > block_bytes ? Hash(algorithm, key).view() : key);
  block.resize(block_bytes, '\0');
  for (char& byte : block) byte ^= 0x36;
  inner_.Update(block);
  for (char& byte : block) byte ^= 0x36 ^ 0x5c;
  outer_.Update(block);
  OPENSSL_cleanse(block.data(), block.size());
}

HmacKey::~HmacKey() {
  // The hashed key signs as well as the key does.
  static_assert(std::is_trivially_destructible_v<Hasher>);
  OPENSSL_cleanse(&inner_, sizeof(inner_));
  OPENSSL_cleanse(&outer_, sizeof(outer_));
}

Digest HmacKey::Mac(std::initializer_list<std::string_view> parts) const {
  Hasher inner = inner_;
  for (const std::string_view part : parts) inner.Update(part);
  Hasher outer = outer_;
  outer.Update(inner.Finish().view());
  return outer.Finish();
}

bool EqualSecrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tw::crypto
