// LIKE and regular expressions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace tw::policy {

enum class LetterCase : uint8_t { kSensitive, kInsensitive };  // Insensitive folds ASCII only.

using RegexPtr = std::shared_ptr<const re2::RE2>;

// `text` LIKE `pattern`, escape '\'; '_' is one UTF-8 character. nullopt: the comparison reached a
// '\' at the pattern's end ("LIKE pattern must not end with escape character"). Time is bounded by
// the product of the lengths.
std::optional<bool> Like(std::string_view text, std::string_view pattern, LetterCase letter_case);
inline constexpr std::string_view kLikeError = "LIKE pattern must not end with escape character";

// Memory allowed to one regular expression.
inline constexpr int64_t kRegexBytesMax = 1 << 20;

// Compiles a pattern for ~ or ~*. Only what RE2 and PostgreSQL's advanced regular expressions
// understand alike is accepted: no back-references or look-around, none of the escapes that differ
// (\b \B \m \M \y \Y \A \Z \c \x \u …), of (?…) only (?:…). \d \w \s mean ASCII.
// Errors: kInvalidArgument, with the reason alone.
Result<RegexPtr> CompileRegex(std::string_view pattern, LetterCase letter_case);
bool RegexMatches(const re2::RE2& regex, std::string_view text);

}  // namespace tw::policy
