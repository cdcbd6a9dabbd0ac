// When a token must be replaced.
#pragma once

#include <optional>
#include <string_view>

#include "client/machine.h"

namespace tw::client {

// When a JSON Web Token expires, since 1970; nullopt when it does not say or is opaque. Nothing is
// verified: the server does that.
std::optional<Milliseconds> ExpiryOf(std::string_view token);

}  // namespace tw::client
