// From the same descriptions: a JSON Schema for editors and the reference for people.
#pragma once

#include <string>
#include <string_view>

#include "config/shape.h"

namespace tw::config {

// JSON Schema, draft 2020-12, indented, for https://json-schema.org/specification. `id` becomes
// $id.
std::string JsonSchema(const Shape& shape, std::string_view id, std::string_view title);

// One Markdown table per section (struct): key, type, default, bounds, meaning. `heading_level` is
// the level of the sections' headings, 1 to 6.
std::string MarkdownReference(const Shape& shape, int heading_level);

template <Described T>
std::string JsonSchema(std::string_view id, std::string_view title) {
  return JsonSchema(ShapeOf<T>(), id, title);
}
template <Described T>
std::string MarkdownReference(int heading_level = 2) {
  return MarkdownReference(ShapeOf<T>(), heading_level);
}

}  // namespace tw::config
