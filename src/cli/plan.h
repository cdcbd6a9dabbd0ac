// `tidewire plan`: what a configuration would change of what runs, and when its jobs would run.
#pragma once

#include <string>

#include "cli/output.h"

namespace tw::cli {

struct PlanArguments {
  std::string config;          // Main file.
  std::string data_directory;  // Empty: ./data.
  Format format = Format::kText;
};

// The configuration is checked first, as by `check`. Nothing is written.
ExitCode RunPlan(const PlanArguments& arguments);

}  // namespace tw::cli
