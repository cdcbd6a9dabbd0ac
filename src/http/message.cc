#include "http/message.h"

#include "base/strings.h"

namespace tw::http {

std::optional<std::string_view> FindHeader(std::span<const HeaderView> headers,
                                           std::string_view name) {
  for (const auto& [header_name, value] : headers) {
    if (header_name.size() == name.size() && EqualsIgnoreCase(header_name, name)) return value;
  }
  return {};
}

std::ostream& operator<<(std::ostream& out, const Failure& failure) {
  return out << failure.status << " " << failure.reason;
}

}  // namespace tw::http
