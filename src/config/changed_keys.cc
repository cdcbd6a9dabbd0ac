#include "config/changed_keys.h"

namespace tw::config {
namespace {

void Compare(const Node& before, const Node& after, const std::string& path,
             std::vector<std::string>& changed) {
  if (!before.is_map() || !after.is_map()) {
    if (ToYamlLine(before) != ToYamlLine(after)) changed.push_back(path);
    return;
  }
  const auto below = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
  for (const Node::Entry& entry : before.entries()) {
    const Node* const other = after.Find(entry.key);
    if (other == nullptr) {
      changed.push_back(below(entry.key));
    } else {
      Compare(entry.value, *other, below(entry.key), changed);
    }
  }
  for (const Node::Entry& entry : after.entries()) {
    if (before.Find(entry.key) == nullptr) changed.push_back(below(entry.key));
  }
}

}  // namespace

std::vector<std::string> ChangedKeys(const Node& before, const Node& after) {
  std::vector<std::string> changed;
  Compare(before, after, "", changed);
  return changed;
}

}  // namespace tw::config
