#include "auth/revocations.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tw::auth {
namespace {

constexpr std::array<std::string_view, 3> kClaims = {"sub", "session_id", "jti"};

// Nothing that was issued when nobody knows.
WallTime IssuedAt(const Claims& claims) {
  const json::Value issued = claims.document.root()["iat"];
  const bool number = issued.kind() == json::Kind::kInt || issued.kind() == json::Kind::kNumber;
  if (!number) return WallTime::min();
  constexpr double kSecondsMax = 9.2e12;
  const double seconds = std::clamp(issued.GetDouble(), -kSecondsMax, kSecondsMax);
  return WallTime{std::chrono::seconds{static_cast<int64_t>(std::floor(seconds))}};
}

}  // namespace

std::string_view ToString(RevokedBy by) { return kClaims[static_cast<size_t>(by)]; }

std::optional<RevokedBy> ParseRevokedBy(std::string_view claim) {
  for (size_t i = 0; i < kClaims.size(); ++i) {
    if (kClaims[i] == claim) return static_cast<RevokedBy>(i);
  }
  return {};
}

Revocations::Revocations(const std::vector<Revocation>& all) {
  for (const Revocation& revocation : all) {
    auto& values = by_claim_[static_cast<size_t>(revocation.by)];
    const WallTime at =
        revocation.by == RevokedBy::kToken ? WallTime::max() : revocation.revoked_at;
    const auto [entry, added] = values.emplace(revocation.value, at);
    entry->second = std::max(entry->second, at);
    if (added) ++size_;
  }
}

bool Revocations::Covers(const Claims& claims) const {
  if (size_ == 0) return false;
  for (size_t i = 0; i < kClaims.size(); ++i) {
    if (by_claim_[i].empty()) continue;
    const auto value = claims.document.root()[kClaims[i]].AsString();
    if (!value) continue;
    const auto found = by_claim_[i].find(*value);
    if (found != by_claim_[i].end() && IssuedAt(claims) <= found->second) return true;
  }
  return false;
}

}  // namespace tw::auth
