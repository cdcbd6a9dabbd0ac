// Small text functions that the standard library lacks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace tw {

// ASCII only: other bytes are kept. Locale never matters.
std::string ToLower(std::string_view text);
bool EqualsIgnoreCase(std::string_view a, std::string_view b);
// Without ASCII white space at both ends.
std::string_view Trim(std::string_view text);
// "a,b,,c" → "a" "b" "" "c"; the empty text gives one empty part.
std::vector<std::string_view> Split(std::string_view text, char separator);
// The whole text as a decimal integer; nullopt for anything else, overflow included.
std::optional<int64_t> ParseInt64(std::string_view text);
std::optional<uint64_t> ParseUint64(std::string_view text);
// True for well-formed UTF-8 (RFC 3629): no surrogates, no overlong forms, nothing above U+10FFFF.
bool IsUtf8(std::string_view bytes);
// The candidate with the least edit distance to `word`, if near enough to be a likely typing error
// (distance ≤ 1 + length / 4); nullopt otherwise. For "did you mean".
std::optional<std::string_view> Nearest(std::string_view word,
                                        std::span<const std::string_view> candidates);

// Lets maps keyed by std::string be searched with string_view.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <typename V>
using StringMap = std::unordered_map<std::string, V, StringHash, std::equal_to<>>;
using StringSet = std::unordered_set<std::string, StringHash, std::equal_to<>>;

}  // namespace tw
