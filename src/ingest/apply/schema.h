// The applier's internal tables in SQLite. All names begin with tidewire_; times are microseconds
// since 1970 as integers.
#pragma once

#include "base/result.h"
#include "sqlite/sqlite.h"

namespace tw::ingest {

// Creates what is missing. Errors: those of sqlite::Database.
Status CreateApplySchema(sqlite::Database& database);

}  // namespace tw::ingest
