// `tidewire jobs`: what is scheduled in a running server, by its database.
#pragma once

#include <string>

#include "cli/output.h"

namespace tw::cli {

enum class JobsVerb : uint8_t { kList, kRun, kPause, kResume };

struct JobsArguments {
  JobsVerb verb = JobsVerb::kList;
  std::string data_directory;  // Empty: ./data.
  std::string config;  // The main file; needed when the store is PostgreSQL.
  std::string name;
  Format format = Format::kText;
};

ExitCode RunJobs(const JobsArguments& arguments);

}  // namespace tw::cli
