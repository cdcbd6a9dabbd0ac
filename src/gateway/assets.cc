#include "gateway/assets.h"

#include <algorithm>
#include <utility>

namespace tw::gateway {

Assets::Assets(std::vector<Asset> files) : files_(std::move(files)) {
  std::ranges::sort(files_, {}, &Asset::path);
}

const Asset* Assets::Find(std::string_view path) const {
  if (path == "/") path = "/index.html";
  const auto found = std::ranges::lower_bound(files_, path, {}, &Asset::path);
  return found != files_.end() && found->path == path ? &*found : nullptr;
}

std::string_view ContentType(std::string_view path) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".woff2", "font/woff2"},
      {".txt", "text/plain; charset=utf-8"},
      {".webmanifest", "application/manifest+json"},
  };
  for (const auto& [extension, type] : kTypes) {
    if (path.ends_with(extension)) return type;
  }
  return "application/octet-stream";
}

}  // namespace tw::gateway
