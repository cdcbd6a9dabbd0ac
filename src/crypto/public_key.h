// Signatures by asymmetric keys, as JSON Web Keys give them (RFC 7517, RFC 7518 §6, RFC 8037).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "crypto/hash.h"

namespace tw::crypto {

enum class Curve : uint8_t { kP256, kP384, kP521 };
enum class EdwardsCurve : uint8_t { kEd25519, kEd448 };

// One public key. Immutable; copies share it; any thread.
class PublicKey {
 public:
  // Big-endian numbers. Errors: kInvalidArgument for fewer than 2048 or more than 8192 bits, for an
  // even or tiny exponent, or what OpenSSL refuses.
  static Result<PublicKey> Rsa(std::string_view modulus, std::string_view exponent);
  // Coordinates of exactly the curve's size. Errors: kInvalidArgument for a point that is not on it.
  static Result<PublicKey> Elliptic(Curve curve, std::string_view x, std::string_view y);
  // Errors: kInvalidArgument for another size.
  static Result<PublicKey> Edwards(EdwardsCurve curve, std::string_view key);

  // Each needs a key of its kind (checked); false for a signature that is not the message's.
  // RSASSA-PKCS1-v1_5 (RFC 7518 §3.3).
  bool VerifyRsa(HashAlgorithm hash, std::string_view message, std::string_view signature) const;
  // ECDSA with r and s one after the other, each of the curve's size (§3.4).
  bool VerifyElliptic(HashAlgorithm hash, std::string_view message,
                      std::string_view signature) const;
  // EdDSA (RFC 8037 §3.1).
  bool VerifyEdwards(std::string_view message, std::string_view signature) const;

 private:
  enum class Kind : uint8_t { kRsa, kElliptic, kEdwards };
  struct Handle;
  PublicKey(Kind kind, std::shared_ptr<const Handle> handle, size_t coordinate_bytes)
      : kind_(kind), handle_(std::move(handle)), coordinate_bytes_(coordinate_bytes) {}

  Kind kind_;
  std::shared_ptr<const Handle> handle_;
  size_t coordinate_bytes_ = 0;  // Of an elliptic curve.
};

}  // namespace tw::crypto
