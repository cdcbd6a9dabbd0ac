#include "cli/gen_types.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "app/dev.h"
#include "app/type_text.h"

namespace tw::cli {
namespace {

Result<std::string> Types(const GenTypesArguments& arguments) {
  // Secrets that only the deployment has are not needed to know a schema.
  const app::ProcessEnvironment environment(app::DevEnvironment());
  const std::filesystem::path path(arguments.config);
  const auto files = arguments.config.empty()
                         ? app::EmbeddedExample()
                         : app::MakeDirectoryFiles(
                               path.has_parent_path() ? path.parent_path().string() : ".");
  TW_ASSIGN_OR_RETURN(
      const auto configuration,
      app::LoadConfiguration(*files,
                             arguments.config.empty() ? "tidewire.yaml" : path.filename().string(),
                             environment));
  std::string directory =
      (std::filesystem::temp_directory_path() / "tidewire-types-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) {
    return Fail(ErrorCode::kInternal, "cannot make a temporary directory");
  }
  auto types = app::TypeScriptTypes(configuration, directory + "/types.db", SystemRandom());
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return types;
}

}  // namespace

ExitCode RunGenTypes(const GenTypesArguments& arguments) {
  const auto types = Types(arguments);
  if (!types.ok()) return PrintError(arguments.format, types.error(), ExitCodeOf(types.error()));
  std::printf("%s", types->c_str());
  return ExitCode::kOk;
}

}  // namespace tw::cli
