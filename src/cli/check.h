// `tidewire check`.
#pragma once

#include <string>

#include "cli/output.h"

namespace tw::cli {

struct CheckArguments {
  std::string config;  // Empty: the built-in example.
  Format format = Format::kText;
};

// Loads the configuration, builds its schema in a temporary database, compiles every source and
// policy against it. Touches no data. kConfig when anything is wrong.
ExitCode RunCheck(const CheckArguments& arguments);

}  // namespace tw::cli
