// `tidewire try`: the facts, rows and counters that a payload would give, touching nothing.
#pragma once

#include <string>

#include "cli/output.h"

namespace tw::cli {

struct TryArguments {
  std::string config;          // Main file.
  std::string payload;         // A file; "-": standard input.
  std::string source;          // Empty: the only one with a webhook.
  std::string data_directory;  // A server's, for its tenants; empty: those of the seed files.
  Format format = Format::kText;
};

ExitCode RunTry(const TryArguments& arguments);

}  // namespace tw::cli
