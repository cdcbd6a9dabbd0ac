// Static files that are part of the program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tw::gateway {

struct Asset {
  std::string_view path;  // "/index.html"
  std::string_view bytes;
};

// Sorted by path; the bytes live as long as the program.
class Assets {
 public:
  explicit Assets(std::vector<Asset> files);

  // The file at `path`; "/" is "/index.html". Null when there is none.
  const Asset* Find(std::string_view path) const;
  bool empty() const { return files_.empty(); }

 private:
  std::vector<Asset> files_;
};

// By the file's extension; "application/octet-stream" for others.
std::string_view ContentType(std::string_view path);

}  // namespace tw::gateway
