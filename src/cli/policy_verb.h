// `tidewire policy explain`: where each role's policies on each table are decided, and why.
#pragma once

#include <string>

#include "cli/output.h"

namespace tw::cli {

struct ExplainArguments {
  std::string dsn;  // Empty: TIDEWIRE_DSN.
  std::string schema = "public";
  std::string role;   // Empty: all roles that may read a table.
  Format format = Format::kText;
};

// Reads the catalogue of a PostgreSQL database and compiles its policies; changes nothing.
// kUnreachable when the database is not reached, kUsage without a connection string.
ExitCode RunPolicyExplain(const ExplainArguments& arguments);

}  // namespace tw::cli
