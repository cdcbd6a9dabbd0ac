#include "cli/loaded.h"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "app/dev.h"

namespace tw::cli {

Result<app::Configuration> LoadForJudging(const std::string& path) {
  const app::ProcessEnvironment environment(app::DevEnvironment());
  const std::filesystem::path file(path);
  const auto files =
      path.empty()
          ? app::EmbeddedExample()
          : app::MakeDirectoryFiles(file.has_parent_path() ? file.parent_path().string() : ".");
  return app::LoadConfiguration(*files, path.empty() ? "tidewire.yaml" : file.filename().string(),
                                environment);
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
