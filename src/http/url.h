// The parts of a request's target.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tw::http {

// Parameters of one query; more are refused.
inline constexpr size_t kQueryParametersMax = 256;

using QueryParameter = std::pair<std::string, std::string>;

// "a=1&b=x+y&c" → ("a","1"), ("b","x y"), ("c",""), in order, repeated names too:
// application/x-www-form-urlencoded. Empty parts ("&&") are skipped. Bytes need not be UTF-8.
// Errors: kInvalidArgument for '%' without two hex digits; kResourceExhausted beyond
// kQueryParametersMax.
Result<std::vector<QueryParameter>> ParseQuery(std::string_view query);

// The value of the first parameter of exactly that name.
std::optional<std::string_view> FindParameter(std::span<const QueryParameter> parameters,
                                              std::string_view name);

// The segments' text of "/a/b%20c": "/a/b c". What another layer could read as a different path is
// refused rather than normalised.
// Errors: kInvalidArgument unless the path begins with '/', has no empty segment but the last, no
// segment that begins with "..", none that is ".", no encoded slash, no backslash, no control
// character, only valid escapes, and is UTF-8 when decoded.
Result<std::string> DecodePath(std::string_view path);

}  // namespace tw::http
