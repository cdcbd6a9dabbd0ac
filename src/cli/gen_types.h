// `tidewire gen types`.
#pragma once

#include <string>

#include "cli/output.h"

namespace tw::cli {

struct GenTypesArguments {
  std::string config;  // Empty: the built-in example.
  Format format = Format::kText;
};

// Prints TypeScript for the configuration's tables and named queries. Touches no data. kConfig when
// the configuration is wrong.
ExitCode RunGenTypes(const GenTypesArguments& arguments);

}  // namespace tw::cli
