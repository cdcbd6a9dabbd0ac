#include "model/relation.h"

#include <algorithm>

namespace tw {

std::optional<size_t> Relation::Find(std::string_view name) const {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) return i;
  }
  return std::nullopt;
}

bool Relation::IsKey(size_t column) const {
  return std::ranges::find(key, column) != key.end();
}

}  // namespace tw
