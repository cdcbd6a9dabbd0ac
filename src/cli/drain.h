// `tidewire drain`: asks a running server to send its realtime clients away and end.
#pragma once

#include <string>

#include "cli/output.h"

namespace tw::cli {

struct DrainArguments {
  std::string data_directory;  // Empty: ./data
  std::string window;          // "30s"; empty: as the server is configured.
  Format format = Format::kText;
};

// The server is found by its data directory, which one process at a time holds locked, and is told
// by a signal: who may send one is the kernel's decision (the same user, or root).
// Exit codes: kUnreachable when no server holds the directory, kAuth when it is another user's.
ExitCode RunDrain(const DrainArguments& arguments);

}  // namespace tw::cli
