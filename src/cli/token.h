// `tidewire token mint`.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/output.h"

namespace tw::cli {

struct MintArguments {
  std::string role;
  std::string sub;
  std::vector<std::string> claims;  // "key=value"; a value that is JSON is taken as JSON.
  std::string ttl = "1h";
  Format format = Format::kText;
};

// Signs with TIDEWIRE_JWT_SECRET, or with the development secret when it is not set (and says so).
ExitCode RunTokenMint(const MintArguments& arguments);

}  // namespace tw::cli
