#include "cli/drain.h"

#include <climits>
#include <cstdio>

#include "cli/server_process.h"
#include "cli/signals.h"
#include "config/types.h"
#include "json/json.h"

namespace tw::cli {
namespace {

// Of --window, in milliseconds.
Result<int> ParseWindow(const std::string& text) {
  if (text.empty()) return kWindowAsConfigured;
  TW_ASSIGN_OR_RETURN(const auto parsed, config::ParseDuration(text));
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(parsed).count();
  if (ms < 0 || ms > INT_MAX) return Fail(ErrorCode::kInvalidArgument, "at most 24 days");
  return static_cast<int>(ms);
}

}  // namespace

ExitCode RunDrain(const DrainArguments& arguments) {
  const auto window = ParseWindow(arguments.window);
  if (!window.ok()) {
    return PrintError(arguments.format,
                      Error{ErrorCode::kInvalidArgument, "--window: " + window.error().message},
                      ExitCode::kUsage);
  }
  const auto server =
      ServerProcess::Find(arguments.data_directory.empty() ? "data" : arguments.data_directory);
  const Status sent =
      server.ok() ? server->Send(DrainSignal(), *window) : std::unexpected(server.error());
  if (!sent.ok()) {
    return PrintError(arguments.format, sent.error(), ExitCodeOfReaching(sent.error()));
  }
  if (arguments.format == Format::kJson) {
    json::Writer w;
    w.Object().Key("draining").Bool(true).Key("pid").Int(server->pid()).End();
    std::printf("%s\n", w.Take().c_str());
  } else {
    std::printf("process %d drains and ends\n", server->pid());
  }
  return ExitCode::kOk;
}

}  // namespace tw::cli
