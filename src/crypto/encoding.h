// Text forms of bytes: RFC 4648. Decoders are strict, so that equal bytes have one accepted text:
// no white space, no foreign characters, unused trailing bits are zero.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tw::crypto {

// Lower case.
std::string EncodeHex(std::string_view bytes);
// Accepts both cases. Errors: kInvalidArgument.
Result<std::string> DecodeHex(std::string_view text);

// Standard alphabet with padding (§4).
std::string EncodeBase64(std::string_view bytes);
// Padding may be absent, but not partial. Errors: kInvalidArgument.
Result<std::string> DecodeBase64(std::string_view text);

// URL-safe alphabet without padding (§5; RFC 7515 §2).
std::string EncodeBase64Url(std::string_view bytes);
// Padding is refused. Errors: kInvalidArgument.
Result<std::string> DecodeBase64Url(std::string_view text);

}  // namespace tw::crypto
