// `tidewire doctor` and `tidewire init postgres`.
#pragma once

#include <string>
#include <vector>

#include "cli/output.h"

namespace tw::cli {

struct DoctorArguments {
  std::string config;
  Format format = Format::kText;
};

// Looks at what the configured database lacks and prints the SQL that mends it. Changes nothing.
// kUnreachable or kAuth when it cannot be asked, kConfig when something is missing.
ExitCode RunDoctor(const DoctorArguments& arguments);

struct InitPostgresArguments {
  std::string config;               // Its publication and tables; may be empty.
  std::vector<std::string> tables;  // Further ones.
  std::string role = "tidewire";
  Format format = Format::kText;
};

// Prints the migration that prepares a database. Connects to nothing.
ExitCode RunInitPostgres(const InitPostgresArguments& arguments);

}  // namespace tw::cli
