// `tidewire revoke`: tokens that count no more, written into the server's database, running or not.
#pragma once

#include <string>

#include "cli/output.h"

namespace tw::cli {

struct RevokeArguments {
  std::string data_directory;  // Empty: ./data.
  // One of them.
  std::string subject;
  std::string session;
  std::string token;
  std::string keep;  // "12h"; empty: auth::kRevokedForDefault.
  Format format = Format::kText;
};

ExitCode RunRevoke(const RevokeArguments& arguments);

}  // namespace tw::cli
