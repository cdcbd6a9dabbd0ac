// Tokens that count no more although their signature and times are right: a user who was locked out, a
// session that was ended, a token that got lost.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/strings.h"
#include "model/claims.h"

namespace tw::auth {

inline constexpr size_t kRevocationsMax = 100'000;
inline constexpr size_t kRevokedValueBytesMax = 1'024;
// Longer than tokens commonly live.
inline constexpr std::chrono::hours kRevokedForDefault{30 * 24};

// Which claim names what is revoked: `sub`, `session_id` or `jti`.
enum class RevokedBy : uint8_t { kSubject, kSession, kToken };

std::string_view ToString(RevokedBy by);  // The claim's name.
std::optional<RevokedBy> ParseRevokedBy(std::string_view claim);

struct Revocation {
  RevokedBy by = RevokedBy::kSubject;
  std::string value;
  // Tokens that were issued later (`iat`, in whole seconds) are good: the user may sign in again. One
  // that does not say when it was issued counts as old, and a revoked `jti` as revoked for ever.
  WallTime revoked_at;
  WallTime expires_at;  // Forgotten then: no token of that time may be valid any more.
};

// Immutable; shared by every loop.
class Revocations {
 public:
  Revocations() = default;
  explicit Revocations(const std::vector<Revocation>& all);

  bool Covers(const Claims& claims) const;
  size_t size() const { return size_; }

 private:
  StringMap<WallTime> by_claim_[3];  // The latest time of a value.
  size_t size_ = 0;
};

using RevocationsPtr = std::shared_ptr<const Revocations>;

}  // namespace tw::auth
