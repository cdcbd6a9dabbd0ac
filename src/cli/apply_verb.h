// `tidewire apply`: a running server takes over what its configuration says now.
#pragma once

#include <string>

#include "base/result.h"
#include "cli/output.h"

namespace tw::cli {

struct ApplyArguments {
  std::string data_directory;  // Empty: ./data
  Format format = Format::kText;
};

// Asks the server on the data directory to read its configuration anew and prints what it says.
// Exit codes: kDegraded when something counts only from the next start on, kConfig when the
// configuration is wrong and all stays as it was, kUnreachable and kAuth as `tidewire drain`.
ExitCode RunApply(const ApplyArguments& arguments);

// The server's side: puts the answer to request `number` where RunApply looks for it; `said` is a
// JSON object. Errors: kInternal (the disk).
Status AnswerApply(const std::string& data_directory, int number, const std::string& said);

}  // namespace tw::cli
