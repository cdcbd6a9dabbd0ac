// `tidewire dev` and `tidewire serve`.
#pragma once

#include <cstdint>
#include <string>

#include "cli/output.h"

namespace tw::cli {

struct ServeArguments {
  std::string config;  // A file, or a directory with tidewire.yaml; empty in `dev`: built in.
  std::string data_directory;   // Empty: ./data
  std::string listen;           // Empty: as configured.
  bool demo_traffic = true;     // `dev` only.
  bool allow_any_address = false;  // `dev` only: --i-know
  Format format = Format::kText;
};

// Run until SIGINT, SIGTERM or `tidewire drain`, or until the server fails. `tidewire
// apply`, and SIGHUP where a service runs, read the configuration anew.
ExitCode RunDev(const ServeArguments& arguments);
ExitCode RunServe(const ServeArguments& arguments);

}  // namespace tw::cli
