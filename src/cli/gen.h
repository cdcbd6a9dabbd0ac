// `tidewire gen`: text written from a configuration.
#pragma once

#include <string>
#include <string_view>

#include "cli/output.h"

namespace tw::cli {

enum class Generated : uint8_t {
  kTypes,    // TypeScript for tables and named queries.
  kOpenApi,  // OpenAPI 3.1 for the HTTP surface.
};

struct GenArguments {
  Generated what = Generated::kTypes;
  std::string_view version;  // Of the program.
  std::string config;  // Empty: the built-in example.
  Format format = Format::kText;
};

// Prints it to standard output. Touches no data. kConfig when the configuration is wrong.
ExitCode RunGen(const GenArguments& arguments);

}  // namespace tw::cli
