// `tidewire replay`: logged deliveries, applied once more under the present configuration.
#pragma once

#include <cstdint>
#include <string>

#include "cli/output.h"

namespace tw::cli {

struct ReplayArguments {
  std::string data_directory;  // Empty: ./data.
  std::string config;          // Main file; needed when the server's store is PostgreSQL.
  std::string source;
  // Filters; empty ones take everything.
  std::string tenant;  // Its name.
  std::string type;
  std::string status;
  std::string from;  // RFC 3339, of the receipt.
  std::string to;
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t rate = 0;  // Deliveries per second; 0: the server's.
  bool dry_run = false;
  Format format = Format::kText;
};

// Done by the running server, which answers what came of it, or would.
ExitCode RunReplay(const ReplayArguments& arguments);

}  // namespace tw::cli
