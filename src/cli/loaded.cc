#include "cli/loaded.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "app/dev.h"
#include "app/example.h"

namespace tw::cli {

Result<app::Configuration> LoadConfigurationAt(const std::string& path,
                                               const config::Environment& environment) {
  if (path.empty()) {
    return app::LoadConfiguration(*app::EmbeddedExample(), "tidewire.yaml", environment);
  }
  const std::filesystem::path file(app::ConfigurationPath(path));
  const auto directory = file.has_parent_path() ? file.parent_path() : ".";
  return app::LoadConfiguration(*app::MakeDirectoryFiles(directory.string()),
                                file.filename().string(), environment);
}

Result<app::Configuration> LoadForJudging(const std::string& path) {
  return LoadConfigurationAt(path, app::ProcessEnvironment(app::DevEnvironment()));
}

Result<TemporaryDirectory> TemporaryDirectory::Make() {
  std::string path = (std::filesystem::temp_directory_path() / "tidewire-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) {
    return Fail(ErrorCode::kInternal, "cannot make a temporary directory");
  }
  return TemporaryDirectory(std::move(path));
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

TemporaryDirectory::~TemporaryDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tw::cli
