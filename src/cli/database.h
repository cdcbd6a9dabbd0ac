// What verbs share that look into a running server's database, or ask it through there.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sqlite/sqlite.h"

namespace tw::cli {

// The server's database, opened beside it: SQLite lets both write, one after the other. An empty
// directory is ./data. Errors: kNotFound.
Result<sqlite::Database> OpenBeside(const std::string& data_directory);

// Puts a request before the running server and waits for its answer.
// Errors: kUnavailable when none comes in time; kFailedPrecondition when this server takes none.
Result<std::string> AskServer(sqlite::Database& database, std::string_view verb,
                              std::string_view argument);

}  // namespace tw::cli
