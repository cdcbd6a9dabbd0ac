// Where a request carries its token.
#pragma once

#include <string_view>

#include "base/strings.h"
#include "http/message.h"

namespace tw::gateway {

// `Authorization: Bearer`, the scheme in any case, else `apikey`; empty when there is neither.
inline std::string_view CredentialOf(const http::RequestHead& head) {
  const std::string_view authorization = head.Header("authorization");
  constexpr std::string_view kBearer = "bearer ";
  if (authorization.size() > kBearer.size() &&
      EqualsIgnoreCase(authorization.substr(0, kBearer.size()), kBearer)) {
    return authorization.substr(kBearer.size());
  }
  return head.Header("apikey");
}

}  // namespace tw::gateway
