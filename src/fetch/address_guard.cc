#include "fetch/address_guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace tw::fetch {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct Rule {
  std::string_view range;
  AddressKind kind;
};

// The longest matching prefix need not come first: no two of these overlap with different kinds.
constexpr Rule kIpv4Rules[] = {
    {"0.0.0.0/8", AddressKind::kSpecial},       {"10.0.0.0/8", AddressKind::kPrivate},
    {"100.64.0.0/10", AddressKind::kPrivate},   {"127.0.0.0/8", AddressKind::kLoopback},
    {"169.254.0.0/16", AddressKind::kLinkLocal}, {"172.16.0.0/12", AddressKind::kPrivate},
    {"192.0.0.0/24", AddressKind::kSpecial},    {"192.0.2.0/24", AddressKind::kSpecial},
    {"192.88.99.0/24", AddressKind::kSpecial},  {"192.168.0.0/16", AddressKind::kPrivate},
    {"198.18.0.0/15", AddressKind::kSpecial},   {"198.51.100.0/24", AddressKind::kSpecial},
    {"203.0.113.0/24", AddressKind::kSpecial},  {"224.0.0.0/4", AddressKind::kSpecial},
    {"240.0.0.0/4", AddressKind::kSpecial},
};
constexpr Rule kIpv6Rules[] = {
    {"::1", AddressKind::kLoopback},     {"::", AddressKind::kSpecial},
    {"fe80::/10", AddressKind::kLinkLocal}, {"fec0::/10", AddressKind::kPrivate},
    {"fc00::/7", AddressKind::kPrivate}, {"ff00::/8", AddressKind::kSpecial},
    {"100::/64", AddressKind::kSpecial}, {"2001:db8::/32", AddressKind::kSpecial},
    {"2001::/32", AddressKind::kSpecial},  // Teredo: the real peer cannot be told.
    {"2001:10::/28", AddressKind::kSpecial}, {"2001:20::/28", AddressKind::kSpecial},
    {"64:ff9b:1::/48", AddressKind::kPrivate}, {"3fff::/20", AddressKind::kSpecial},
    {"5f00::/16", AddressKind::kSpecial},
};

bool IsIpv4(const IpAddress& address) {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes.begin());
}

IpAddress FromIpv4(const uint8_t* four) {
  IpAddress address;
  std::ranges::copy(kMappedPrefix, address.bytes.begin());
  std::copy_n(four, 4, address.bytes.begin() + 12);
  return address;
}

// The IPv4 address inside an IPv6 one that a translator or tunnel would forward to.
std::optional<IpAddress> Embedded(const IpAddress& address) {
  static const AddressRange kCompatible = *ParseRange("::/96");
  static const AddressRange kNat64 = *ParseRange("64:ff9b::/96");
  static const AddressRange k6to4 = *ParseRange("2002::/16");
  if (kCompatible.Contains(address) || kNat64.Contains(address)) {
    return FromIpv4(address.bytes.data() + 12);
  }
  if (k6to4.Contains(address)) return FromIpv4(address.bytes.data() + 2);
  return std::nullopt;
}

template <size_t N>
std::vector<std::pair<AddressRange, AddressKind>> Compiled(const Rule (&rules)[N]) {
  std::vector<std::pair<AddressRange, AddressKind>> compiled;
  for (const Rule& rule : rules) compiled.push_back({*ParseRange(rule.range), rule.kind});
  return compiled;
}

}  // namespace

std::optional<IpAddress> ParseAddress(std::string_view text) {
  const std::string copy(text);
  in_addr four;
  if (inet_pton(AF_INET, copy.c_str(), &four) == 1) {
    uint8_t bytes[4];
    std::memcpy(bytes, &four, sizeof(bytes));
    return FromIpv4(bytes);
  }
  IpAddress address;
  in6_addr six;
  if (inet_pton(AF_INET6, copy.c_str(), &six) != 1) return std::nullopt;
  std::memcpy(address.bytes.data(), &six, address.bytes.size());
  return address;
}

std::string ToString(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (IsIpv4(address)) {
    inet_ntop(AF_INET, address.bytes.data() + 12, text, sizeof(text));
  } else {
    inet_ntop(AF_INET6, address.bytes.data(), text, sizeof(text));
  }
  return text;
}

AddressKind KindOf(const IpAddress& address) {
  static const auto kFour = Compiled(kIpv4Rules);
  static const auto kSix = Compiled(kIpv6Rules);
  const auto find = [&](const auto& rules) -> std::optional<AddressKind> {
    for (const auto& [range, kind] : rules) {
      if (range.Contains(address)) return kind;
    }
    return std::nullopt;
  };
  if (IsIpv4(address)) return find(kFour).value_or(AddressKind::kPublic);
  if (const auto kind = find(kSix)) return *kind;
  if (const auto inner = Embedded(address)) return KindOf(*inner);
  return AddressKind::kPublic;
}

std::string_view ToString(AddressKind kind) {
  switch (kind) {
    case AddressKind::kPublic:
      return "public";
    case AddressKind::kLoopback:
      return "loopback";
    case AddressKind::kLinkLocal:
      return "link-local";
    case AddressKind::kPrivate:
      return "private";
    case AddressKind::kSpecial:
      return "special-purpose";
  }
  return "";
}

bool AddressRange::Contains(const IpAddress& address) const {
  const size_t whole = bits / 8;
  if (!std::equal(base.bytes.begin(), base.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  address.bytes.begin())) {
    return false;
  }
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return (base.bytes[whole] & mask) == (address.bytes[whole] & mask);
}

Result<AddressRange> ParseRange(std::string_view text) {
  const auto wrong = [&] {
    return Fail(ErrorCode::kInvalidArgument,
                "expected an address or a range such as 10.0.0.0/8, found '" + std::string(text) +
                    "'");
  };
  const size_t slash = text.find('/');
  const auto base = ParseAddress(text.substr(0, slash));
  if (!base) return wrong();
  AddressRange range{.base = *base};
  if (slash == std::string_view::npos) return range;
  const auto bits = ParseUint64(text.substr(slash + 1));
  const uint64_t offset = IsIpv4(*base) ? 96 : 0;
  if (!bits || *bits + offset > 128) return wrong();
  range.bits = static_cast<uint8_t>(*bits + offset);
  return range;
}

bool AddressGuard::Allows(const IpAddress& address) const {
  if (KindOf(address) == AddressKind::kPublic) return true;
  return std::ranges::any_of(allowed_,
                             [&](const AddressRange& range) { return range.Contains(address); });
}

}  // namespace tw::fetch
