// Opaque API keys ("sb_publishable_…", "sb_secret_…"), which stand for a role without being a JWT.
// Source: realtime-protocol §1.2.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/strings.h"
#include "model/claims.h"

namespace tw::auth {

class ApiKeys {
 public:
  static constexpr size_t kKeysMax = 1000;
  // Of the part after the prefix.
  static constexpr size_t kKeyBytesMin = 16;

  // True for texts with one of the two prefixes; such a text is never a JWT.
  static bool IsOpaque(std::string_view text);

  // Lets `key` stand for {"role": role}, without expiry (expires_at is WallTime::max()).
  // Errors: kInvalidArgument for another prefix, a key shorter than kKeyBytesMin, or an empty role;
  // kAlreadyExists for a key added before; kResourceExhausted beyond kKeysMax.
  Status Add(std::string_view key, std::string_view role);

  // The claims of `key`; null when there are none. Keys are found by their SHA-256, so that the
  // time taken tells nothing about other keys. Every call for a key gives the same Claims.
  ClaimsPtr Find(std::string_view key) const;

 private:
  StringMap<ClaimsPtr> by_hash_;
};

}  // namespace tw::auth
