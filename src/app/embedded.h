// Files that cmake/embed.cmake puts into the program.
#pragma once

#include <span>
#include <string_view>

namespace tw::app {

struct EmbeddedFile {
  std::string_view path;
  std::string_view bytes;
};

// examples/outreach: *.yaml and *.sql, by name ("tidewire.yaml").
std::span<const EmbeddedFile> EmbeddedExampleFiles();
// examples/outreach/web/dist, by path ("/index.html"); empty when it was not built before.
std::span<const EmbeddedFile> EmbeddedPageFiles();

}  // namespace tw::app
