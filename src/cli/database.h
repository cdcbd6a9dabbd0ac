// What verbs share that look into the file of a running server.
#pragma once

#include <string>

#include "base/result.h"
#include "sqlite/sqlite.h"

namespace tw::cli {

// The server's database, opened beside it: SQLite lets both write, one after the other. An empty
// directory is ./data. Errors: kNotFound.
Result<sqlite::Database> OpenBeside(const std::string& data_directory);

}  // namespace tw::cli
