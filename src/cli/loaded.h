// A configuration as `check`, `plan` and `try` see it: read with the defaults of development, since
// secrets that only the deployment has are not needed to judge a file.
#pragma once

#include <memory>
#include <string>

#include "app/configuration.h"

namespace tw::cli {

// The main file at `path`, or that of the directory there; empty: the built-in example. Errors:
// those of app::LoadConfiguration.
Result<app::Configuration> LoadConfigurationAt(const std::string& path,
                                               const config::Environment& environment);
Result<app::Configuration> LoadForJudging(const std::string& path);

// A directory of its own below the system's one for temporary files, removed at the end.
class TemporaryDirectory {
 public:
  static Result<TemporaryDirectory> Make();
  TemporaryDirectory(TemporaryDirectory&& other) noexcept;
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  ~TemporaryDirectory();

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;  // Empty: moved from.
};

}  // namespace tw::cli
