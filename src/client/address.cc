#include "base/strings.h"
#include "client/driver.h"

namespace tw::client {
namespace {

constexpr uint64_t kPortMax = 65'535;

std::unexpected<Error> Bad(std::string_view url, std::string_view why) {
  return Fail(ErrorCode::kInvalidArgument,
              "'" + std::string(url) + "' is not a server's address: " + std::string(why));
}

}  // namespace

Result<Address> ParseAddress(std::string_view url) {
  Address address;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    address.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return Bad(url, "it begins with neither http:// nor https://");
  }
  const size_t slash = rest.find('/');
  if (slash != rest.npos) {
    address.path = rest.substr(slash);
    while (address.path.ends_with('/')) address.path.pop_back();
    rest = rest.substr(0, slash);
  }
  for (const char byte : url) {
    if (static_cast<unsigned char>(byte) <= ' ' || byte == 0x7f) return Bad(url, "white space");
  }
  if (rest.contains('@')) return Bad(url, "give credentials as a token");
  if (url.contains('?') || url.contains('#')) return Bad(url, "it has a query or a fragment");
  const size_t bracket = rest.starts_with('[') ? rest.find(']') : rest.npos;
  const size_t colon = rest.find(':', bracket == rest.npos ? 0 : bracket);
  address.host = rest.substr(0, colon);
  if (bracket != rest.npos) address.host = rest.substr(1, bracket - 1);
  if (address.host.empty()) return Bad(url, "it names no host");
  address.port = address.tls ? "443" : "80";
  if (colon != rest.npos) {
    address.port = rest.substr(colon + 1);
    const auto port = ParseUint64(address.port);
    if (!port || *port == 0 || *port > kPortMax) return Bad(url, "the port is none");
  }
  return address;
}

}  // namespace tw::client
