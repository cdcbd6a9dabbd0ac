// Which channels a class of channels is about.
#pragma once

#include <string_view>

namespace tw::router {

// Whether `name` (a channel's, without "realtime:") is `pattern`, or begins with it where it ends
// with '*'.
inline bool TopicFits(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with('*')) return pattern == name;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

}  // namespace tw::router
