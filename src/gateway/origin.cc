#include "gateway/origin.h"

#include <algorithm>

#include "base/strings.h"

namespace tw::gateway {
namespace {

bool IsLabelByte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '.';
}

bool Matches(std::string_view allowed, std::string_view origin) {
  const size_t star = allowed.find("://*.");
  if (star == std::string_view::npos) return allowed == origin;
  const std::string_view scheme = allowed.substr(0, star + 3);
  const std::string_view domain = allowed.substr(star + 4);  // ".example.com"
  if (!origin.starts_with(scheme) || !origin.ends_with(domain)) return false;
  if (origin.size() <= scheme.size() + domain.size()) return false;
  const auto labels =
      origin.substr(scheme.size(), origin.size() - scheme.size() - domain.size());
  // Nothing that would end the host name early: user information, ports, paths.
  return std::ranges::all_of(labels, IsLabelByte) && labels.front() != '.' &&
         labels.back() != '.' && labels.find("..") == std::string_view::npos;
}

}  // namespace

bool OriginMayOpen(std::span<const std::string> allowed,
                   std::span<const http::HeaderView> headers) {
  if (allowed.empty()) return true;
  const auto is = [](std::string_view wanted) {
    return [wanted](const http::HeaderView& header) {
      return EqualsIgnoreCase(header.first, wanted);
    };
  };
  const auto origins = std::ranges::count_if(headers, is("origin"));
  if (origins == 0) return std::ranges::none_of(headers, is("cookie"));
  if (origins > 1) return false;
  const std::string_view origin = std::ranges::find_if(headers, is("origin"))->second;
  return std::ranges::any_of(allowed, [&](const auto& entry) { return Matches(entry, origin); });
}

}  // namespace tw::gateway
