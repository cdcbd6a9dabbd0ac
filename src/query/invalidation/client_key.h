// Client cache keys: patterns in the configuration, prefixes on the wire.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/node.h"
#include "json/json.h"

namespace tw::query {

inline constexpr size_t kKeySegmentsMax = 16;
inline constexpr size_t kKeyPatternBytesMax = 512;

// "campaigns/{id}/progress": a text, a column of the changed row, or anything ("*").
struct KeySegment {
  enum class Kind : uint8_t { kText, kColumn, kAny };
  Kind kind = Kind::kText;
  std::string text;    // kText
  std::string name;    // kColumn: the parameter's name, by which it passes from key to key.
  std::string column;  // kColumn
  auto operator<=>(const KeySegment&) const = default;
};
using KeyPattern = std::vector<KeySegment>;

// "a/b/{id}", or {key: "a/{id}", id: campaign_id}. Errors: kInvalidArgument says why.
Result<KeyPattern> ParseKeyPattern(const config::Node& node);
std::string ToString(const KeyPattern& pattern);

// Whether one covers the other as a prefix: then what depends on the one may depend on the other.
bool Related(const KeyPattern& a, const KeyPattern& b);

// TanStack Query's partialMatchKey(key, prefix): array prefix, element by element; objects by subset;
// scalars by ===. Vectors in query/invalidation/client_key_test.cc.
bool PartialMatch(const json::Value& key, const json::Value& prefix);

}  // namespace tw::query
