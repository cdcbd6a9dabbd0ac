#include "cli/gen.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "app/dev.h"
#include "app/openapi.h"
#include "app/type_text.h"

namespace tw::cli {
namespace {

Result<std::string> Generate(const GenArguments& arguments) {
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
      (std::filesystem::temp_directory_path() / "tidewire-gen-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) {
    return Fail(ErrorCode::kInternal, "cannot make a temporary directory");
  }
  const std::string database = directory + "/schema.db";
  auto text = arguments.what == Generated::kTypes
                  ? app::TypeScriptTypes(configuration, database, SystemRandom())
                  : app::OpenApi(configuration, database, arguments.version, SystemRandom());
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return text;
}

}  // namespace

ExitCode RunGen(const GenArguments& arguments) {
  const auto text = Generate(arguments);
  if (!text.ok()) return PrintError(arguments.format, text.error(), ExitCodeOf(text.error()));
  std::fputs(text->c_str(), stdout);
  if (!text->ends_with('\n')) std::fputc('\n', stdout);
  return ExitCode::kOk;
}

}  // namespace tw::cli
