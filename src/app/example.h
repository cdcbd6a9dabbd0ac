// An example application on disk, as `tidewire dev --config examples/portal` serves it:
//
//   examples/portal/tidewire.yaml   the configuration
//   examples/portal/dev.json        who can sign in: {"users":[{"name":"Ada","sub":"…",
//                                   "role":"authenticated","claims":{"customer":7}}]}
//   examples/portal/web/dist/       its page, built; optional
//
// Development only: whoever opens the page gets the users' tokens.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/dev.h"
#include "base/result.h"
#include "gateway/assets.h"

namespace tw::app {

inline constexpr size_t kDevUsersMax = 64;
inline constexpr size_t kPageBytesMax = 64 << 20;

// Reads dev.json. Errors: kInvalidArgument that says where, for anything but the form above or more
// than kDevUsersMax users.
Result<std::vector<DevUser>> ParseDevUsers(std::string_view text);

// A page's files and their bytes; the assets point into it.
class ExamplePage {
 public:
  // Reads every file below `directory`; a directory that does not exist is an empty page.
  // Errors: kInternal when a file cannot be read; kResourceExhausted over kPageBytesMax.
  static Result<ExamplePage> Read(const std::string& directory);

  std::vector<gateway::Asset> assets() const;

 private:
  struct File {
    std::string path;  // "/assets/index.js"
    std::string bytes;
  };
  std::vector<std::unique_ptr<const File>> files_;
};

// `--config` names a file, or a directory with a tidewire.yaml: the file's path.
std::string ConfigurationPath(const std::string& config);

}  // namespace tw::app
