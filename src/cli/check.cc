#include "cli/check.h"

#include <cstdio>

#include "app/server.h"
#include "cli/loaded.h"
#include "json/json.h"

namespace tw::cli {
namespace {

Status Check(const CheckArguments& arguments) {
  TW_ASSIGN_OR_RETURN(const auto configuration, LoadForJudging(arguments.config));
  TW_ASSIGN_OR_RETURN(const auto directory, TemporaryDirectory::Make());
  return app::CheckAgainstStore(configuration, directory.path() + "/check.db", SystemRandom());
}

}  // namespace

ExitCode RunCheck(const CheckArguments& arguments) {
  const Status checked = Check(arguments);
  if (!checked.ok())
    return PrintError(arguments.format, checked.error(), ExitCodeOf(checked.error()));
  const std::string name = arguments.config.empty() ? "the built-in example" : arguments.config;
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
