// JSON Web Key Sets: the keys that an issuer signs with, several at a time while it changes them
// (RFC 7517).
#pragma once

#include <string_view>

#include "auth/jwt.h"
#include "base/result.h"

namespace tw::auth {

// Keys of one set; each more costs every token whose key id is unknown a verification.
inline constexpr size_t kJwksKeysMax = 64;

// Reads {"keys":[…]} or one key. Each key is bound to its algorithms when it is read: `alg` if it
// says one, else those of its type (RSA: RS256, RS384, RS512; EC: the one of its curve; OKP: EdDSA;
// oct: HS256, HS384, HS512). Keys for encryption (`use` or `key_ops`) are passed over; a private
// part is refused, since it does not belong here. `jku`, `x5u` and `x5c` are not read.
// Errors: kInvalidArgument names the key by its place in the set.
Result<JwtKey> ParseJwks(std::string_view text);

}  // namespace tw::auth
