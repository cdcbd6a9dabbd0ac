// Percent-encoding (RFC 3986 §2.1).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tw {

enum class PlusSign : uint8_t {
  kLiteral,  // URI components.
  kSpace,    // application/x-www-form-urlencoded.
};

// Replaces each "%41" by its byte; the bytes need not be UTF-8.
// Errors: kInvalidArgument for '%' without two hex digits after it.
Result<std::string> PercentDecode(std::string_view text, PlusSign plus = PlusSign::kLiteral);

// Inverse: every byte but the unreserved ones (letters, digits, "-._~") becomes %XX.
std::string PercentEncode(std::string_view bytes);

}  // namespace tw
