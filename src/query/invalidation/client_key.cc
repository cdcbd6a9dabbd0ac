#include "query/invalidation/client_key.h"

#include <algorithm>

#include "base/strings.h"

namespace tw::query {

Result<KeyPattern> ParseKeyPattern(const config::Node& node) {
  const config::Node* const key = node.is_map() ? node.Find("key") : &node;
  if (key == nullptr || !key->is_scalar() || key->text().empty()) {
    return Fail(ErrorCode::kInvalidArgument, "a key is a text such as campaigns/{id}/progress");
  }
  if (key->text().size() > kKeyPatternBytesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "a key of more than " + std::to_string(kKeyPatternBytesMax) + " bytes");
  }
  KeyPattern pattern;
  for (const std::string_view part : Split(key->text(), '/')) {
    if (part.empty()) return Fail(ErrorCode::kInvalidArgument, "an empty segment");
    if (part == "*") {
      pattern.push_back({.kind = KeySegment::Kind::kAny});
    } else if (part.starts_with('{') && part.ends_with('}') && part.size() > 2) {
      const std::string name(part.substr(1, part.size() - 2));
      const config::Node* const column = node.is_map() ? node.Find(name) : nullptr;
      pattern.push_back({.kind = KeySegment::Kind::kColumn,
                         .name = name,
                         .column = column == nullptr ? name : column->text()});
    } else {
      pattern.push_back({.text = std::string(part)});
    }
  }
  if (pattern.size() > kKeySegmentsMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "a key of more than " + std::to_string(kKeySegmentsMax) + " segments");
  }
  for (const config::Node::Entry& entry : node.entries()) {
    const bool used = entry.key == "key" ||
                      std::ranges::any_of(pattern, [&](const KeySegment& segment) {
                        return segment.name == entry.key;
                      });
    if (!used) {
      return Fail(ErrorCode::kInvalidArgument, "the key has no parameter {" + entry.key + "}");
    }
  }
  return pattern;
}

std::string ToString(const KeyPattern& pattern) {
  std::string out;
  for (const KeySegment& segment : pattern) {
    if (!out.empty()) out.push_back('/');
    switch (segment.kind) {
      case KeySegment::Kind::kText: out += segment.text; break;
      case KeySegment::Kind::kColumn: out += "{" + segment.name + "}"; break;
      case KeySegment::Kind::kAny: out += "*"; break;
    }
  }
  return out;
}

bool Related(const KeyPattern& a, const KeyPattern& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const bool texts =
        a[i].kind == KeySegment::Kind::kText && b[i].kind == KeySegment::Kind::kText;
    if (texts && a[i].text != b[i].text) return false;
  }
  return true;
}

bool PartialMatch(const json::Value& key, const json::Value& prefix) {
  if (prefix.is_array()) {
    if (!key.is_array() || key.items().size() < prefix.items().size()) return false;
    for (size_t i = 0; i < prefix.items().size(); ++i) {
      if (!PartialMatch(key.items()[i], prefix.items()[i])) return false;
    }
    return true;
  }
  if (prefix.is_object()) {
    if (!key.is_object()) return false;
    return std::ranges::all_of(prefix.members(), [&](const json::Member& member) {
      const json::Value* const found = key.Find(member.key);
      return found != nullptr && PartialMatch(*found, member.value);
    });
  }
  const auto number = [](const json::Value& value) {
    return value.kind() == json::Kind::kInt || value.kind() == json::Kind::kNumber;
  };
  if (number(key) && number(prefix)) return key.GetDouble() == prefix.GetDouble();
  return key.kind() == prefix.kind() && key.ToText() == prefix.ToText();
}

}  // namespace tw::query
