// What the verbs of the command line share: exit codes and printing.
#pragma once

#include <string_view>

#include "base/result.h"

namespace tw::cli {

// Stable; scripts rely on them.
enum class ExitCode : int {
  kOk = 0,
  kRuntime = 1,
  kUsage = 2,
  kConfig = 3,
  kAuth = 4,
  kUnreachable = 5,
  kDegraded = 6,
};

// Text for people, or one JSON object for programs.
enum class Format : uint8_t { kText, kJson };

// Prints "tidewire: <message>" (or {"error":…,"code":…}) to standard error; returns `code`.
ExitCode PrintError(Format format, const Error& error, ExitCode code);

// kOk, or prints the error: kUsage for an argument that does not hold, else as ExitCodeOf.
ExitCode Finish(Format format, const Status& done);

// kConfig for what the user can mend in files, kRuntime for the rest.
ExitCode ExitCodeOf(const Error& error);
// The same for a server that was to be reached: kUnreachable when it is not there.
ExitCode ExitCodeOfReaching(const Error& error);

}  // namespace tw::cli
