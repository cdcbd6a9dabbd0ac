#include "cli/check.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "app/dev.h"
#include "app/server.h"
#include "json/json.h"

namespace tw::cli {
namespace {

Status Check(const CheckArguments& arguments) {
  // Secrets that only the deployment has are not needed to judge a file.
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
  std::string directory = (std::filesystem::temp_directory_path() / "tidewire-check-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) {
    return Fail(ErrorCode::kInternal, "cannot make a temporary directory");
  }
  const Status checked =
      app::CheckAgainstStore(configuration, directory + "/check.db", SystemRandom());
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return checked;
}

}  // namespace

ExitCode RunCheck(const CheckArguments& arguments) {
  const Status checked = Check(arguments);
  if (!checked.ok()) return PrintError(arguments.format, checked.error(), ExitCodeOf(checked.error()));
  const std::string name =
      arguments.config.empty() ? "the built-in example" : arguments.config;
  if (arguments.format == Format::kJson) {
    json::Writer writer;
    writer.Object().Key("ok").Bool(true).Key("config").String(name).End();
    std::printf("%s\n", writer.Take().c_str());
  } else {
    std::printf("%s: ok\n", name.c_str());
  }
  return ExitCode::kOk;
}

}  // namespace tw::cli
