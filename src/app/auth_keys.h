// The keys of the configuration's `auth` section.
#pragma once

#include "app/config.h"
#include "auth/api_keys.h"
#include "auth/jwt.h"
#include "base/result.h"

namespace tw::app {

// The keys that the configuration holds, without those that issuers publish. Errors: kInvalidArgument
// names the key of the configuration: no secret, one that is too short.
Result<auth::JwtKey> MakeKey(const AuthConfig& config);

// Errors: kInvalidArgument names the key of the configuration.
Result<auth::ApiKeys> MakeApiKeys(const AuthConfig& config);

}  // namespace tw::app
