// crypto: digests, message authentication codes, text encodings of bytes, checksums.
//
// Start here   hash.h (SHA-1/2, HMAC) → encoding.h (hex, base64) → crc32c.h.
// Promises     Pure functions and values: no I/O, no clock, no threads, no global state. Decoders
//              accept one text per value. Secrets are compared in constant time (EqualSecrets).
// Not here     Which secret signs what (auth, ingest), TLS (io).
#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

namespace tw::crypto {

// FIPS 180-4. SHA-1 only where a protocol demands it (RFC 6455, old webhook signatures).
enum class HashAlgorithm : uint8_t { kSha1, kSha256, kSha384, kSha512 };

// A digest or a MAC: the first `size` of `bytes`.
struct Digest {
  std::array<char, 64> bytes{};
  uint8_t size = 0;

  std::string_view view() const { return {bytes.data(), size}; }
  // Not in constant time: for content digests only. Secrets need EqualSecrets.
  bool operator==(const Digest& other) const { return view() == other.view(); }
};

// The digest of the bytes given to Update, in order. A copy continues independently.
class Hasher {
 public:
  explicit Hasher(HashAlgorithm algorithm);
  void Update(std::string_view bytes);
  // Ends the message: afterwards only destruction and assignment are allowed.
  Digest Finish();

 private:
  HashAlgorithm algorithm_;
  std::variant<SHA_CTX, SHA256_CTX, SHA512_CTX> state_;
};

Digest Hash(HashAlgorithm algorithm, std::string_view bytes);
inline Digest Sha1(std::string_view bytes) {
  return Hash(HashAlgorithm::kSha1, bytes);
}
inline Digest Sha256(std::string_view bytes) {
  return Hash(HashAlgorithm::kSha256, bytes);
}
inline Digest Sha512(std::string_view bytes) {
  return Hash(HashAlgorithm::kSha512, bytes);
}

// HMAC (RFC 2104) under one key of any length. The key's two blocks are hashed once, here, so that
// a MAC costs its message and two blocks. Immutable: one key may serve every thread.
class HmacKey {
 public:
  HmacKey(HashAlgorithm algorithm, std::string_view key);
  ~HmacKey();
  HmacKey(const HmacKey&) = default;
  HmacKey& operator=(const HmacKey&) = default;

  // The MAC of the parts' concatenation.
  Digest Mac(std::initializer_list<std::string_view> parts) const;
  Digest Mac(std::string_view message) const { return Mac({message}); }

 private:
  Hasher inner_;
  Hasher outer_;
};

// True for equal bytes, in a time that depends on the sizes only.
bool EqualSecrets(std::string_view a, std::string_view b);

}  // namespace tw::crypto
