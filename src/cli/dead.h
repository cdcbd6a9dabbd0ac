// `tidewire dead`: events that could not be applied, in a server's database.
#pragma once

#include <string>

#include "cli/output.h"

namespace tw::cli {

enum class DeadVerb : uint8_t { kList, kRetry, kDiscard };

struct DeadArguments {
  DeadVerb verb = DeadVerb::kList;
  std::string data_directory;  // Empty: ./data.
  std::string config;  // The main file; needed when the store is PostgreSQL.
  // Filters; empty ones take everything.
  std::string source;
  std::string type;
  std::string reason;
  std::string id;
  bool all = false;  // Retry and discard need it, or a filter.
  Format format = Format::kText;
};

// Retrying and discarding are done by the running server, which answers what came of it.
ExitCode RunDead(const DeadArguments& arguments);

}  // namespace tw::cli
