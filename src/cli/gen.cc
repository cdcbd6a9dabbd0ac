#include "cli/gen.h"

#include <cstdio>

#include "app/openapi.h"
#include "app/type_text.h"
#include "cli/loaded.h"

namespace tw::cli {
namespace {

Result<std::string> Generate(const GenArguments& arguments) {
  TW_ASSIGN_OR_RETURN(const auto configuration, LoadForJudging(arguments.config));
  TW_ASSIGN_OR_RETURN(const auto directory, TemporaryDirectory::Make());
  const std::string database = directory.path() + "/schema.db";
  return arguments.what == Generated::kTypes
             ? app::TypeScriptTypes(configuration, database, SystemRandom())
             : app::OpenApi(configuration, database, arguments.version, SystemRandom());
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
