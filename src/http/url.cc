#include "http/url.h"

#include <algorithm>

#include "base/percent.h"
#include "base/strings.h"

namespace tw::http {

Result<std::vector<QueryParameter>> ParseQuery(std::string_view query) {
  std::vector<QueryParameter> parameters;
  while (!query.empty()) {
    const size_t ampersand = query.find('&');
    const std::string_view part = query.substr(0, ampersand);
    query = ampersand == std::string_view::npos ? std::string_view() : query.substr(ampersand + 1);
    if (part.empty()) continue;
    if (parameters.size() >= kQueryParametersMax) {
      return Fail(ErrorCode::kResourceExhausted,
                  "more than " + std::to_string(kQueryParametersMax) + " query parameters");
    }
    const size_t equals = part.find('=');
    TW_ASSIGN_OR_RETURN(std::string name, PercentDecode(part.substr(0, equals), PlusSign::kSpace));
    std::string value;
    if (equals != std::string_view::npos) {
      TW_ASSIGN_OR_RETURN(value, PercentDecode(part.substr(equals + 1), PlusSign::kSpace));
    }
    parameters.emplace_back(std::move(name), std::move(value));
  }
  return parameters;
}

std::optional<std::string_view> FindParameter(std::span<const QueryParameter> parameters,
                                              std::string_view name) {
  for (const auto& [known, value] : parameters) {
    if (known == name) return value;
  }
  return {};
}

Result<std::string> DecodePath(std::string_view path) {
  const auto refuse = [](std::string_view reason) {
    return Fail(ErrorCode::kInvalidArgument, "path " + std::string(reason));
  };
  if (!path.starts_with('/')) return refuse("does not begin with '/'");
  TW_ASSIGN_OR_RETURN(std::string decoded, PercentDecode(path));
  if (std::ranges::count(decoded, '/') != std::ranges::count(path, '/')) {
    return refuse("has an encoded slash");
  }
  for (const char c : decoded) {
    if (c == '\\') return refuse("has a backslash");
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return refuse("has a control character");
  }
  if (!IsUtf8(decoded)) return refuse("is not UTF-8");
  const std::vector<std::string_view> segments = Split(std::string_view(decoded).substr(1), '/');
  for (size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].empty() && i + 1 < segments.size()) return refuse("has an empty segment");
    if (segments[i] == "." || segments[i].starts_with("..")) return refuse("has a dot segment");
  }
  return decoded;
}

}  // namespace tw::http
