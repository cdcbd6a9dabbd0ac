// Which addresses our own requests may reach: the public Internet, and what the operator allows.
// Without this a configured URL, a "next page" link or a redirect could make us read our own
// machine, its neighbours, or a cloud's metadata service (server-side request forgery).
// Source: IANA special-purpose address registries (RFC 6890 and its updates).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tw::fetch {

// IPv4 addresses are kept in their IPv4-mapped form ::ffff:a.b.c.d.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};
  bool operator==(const IpAddress&) const = default;
};

// "127.0.0.1", "::1", without brackets, port or zone. nullopt for anything else.
std::optional<IpAddress> ParseAddress(std::string_view text);
std::string ToString(const IpAddress& address);

enum class AddressKind : uint8_t {
  kPublic,
  kLoopback,
  kLinkLocal,  // Metadata services of clouds live here.
  kPrivate,    // RFC 1918, shared (RFC 6598), unique local.
  kSpecial,    // Unspecified, multicast, broadcast, documentation, benchmarks, reserved.
};

// Addresses that embed an IPv4 address (mapped, compatible, 6to4, NAT64) are judged by it.
AddressKind KindOf(const IpAddress& address);
std::string_view ToString(AddressKind kind);

// A range of addresses, "10.0.0.0/8" or "fd00::/8"; a single address stands for itself.
struct AddressRange {
  IpAddress base;
  uint8_t bits = 128;  // Of the 128-bit form.
  bool Contains(const IpAddress& address) const;
};

// Errors: kInvalidArgument for anything that is no range.
Result<AddressRange> ParseRange(std::string_view text);

class AddressGuard {
 public:
  AddressGuard() = default;
  explicit AddressGuard(std::vector<AddressRange> allowed) : allowed_(std::move(allowed)) {}

  // Public, or in a range that the operator named.
  bool Allows(const IpAddress& address) const;

 private:
  std::vector<AddressRange> allowed_;
};

}  // namespace tw::fetch
