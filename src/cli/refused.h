// `tidewire refused`: deliveries that proved nothing, kept in a server's database.
#pragma once

#include <string>

#include "cli/output.h"

namespace tw::cli {

enum class RefusedVerb : uint8_t { kList, kRelease, kDiscard };

struct RefusedArguments {
  RefusedVerb verb = RefusedVerb::kList;
  std::string data_directory;  // Empty: ./data.
  std::string config;          // Main file; needed when the server's store is PostgreSQL.
  // Filters; empty ones take everything.
  std::string source;
  std::string reason;
  std::string id;
  bool all = false;         // Release and discard need it, or a filter.
  bool unverified = false;  // Release what no signature proves, too.
  Format format = Format::kText;
};

// Releasing and discarding are done by the running server, which answers what came of it.
ExitCode RunRefused(const RefusedArguments& arguments);

}  // namespace tw::cli
