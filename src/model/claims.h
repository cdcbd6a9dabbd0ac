// Who is asking: the verified claims of a token.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "json/json.h"

namespace tw {

// Immutable after verification; shared by every session with the same token.
struct Claims {
  // The payload exactly as signed, JSON text of an object; what auth.jwt() returns.
  std::string text;
  json::Document document;  // `text`, parsed.
  std::string role;         // Claim `role`; required.
  std::string sub;          // Claim `sub`; empty when absent. What auth.uid() returns.
  WallTime expires_at;      // Claim `exp`; required.
};

using ClaimsPtr = std::shared_ptr<const Claims>;

}  // namespace tw
