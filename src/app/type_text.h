// TypeScript for a configuration's tables and named queries.
#pragma once

#include <string>

#include "app/configuration.h"
#include "base/random.h"
#include "base/result.h"

namespace tw::app {

// One module: `Database` in supabase-js' shape, `DB` (table → row) and `Api` (query → args, row).
// Opens the schema in a database at `path`, which is made. Errors: as PrepareStore.
Result<std::string> TypeScriptTypes(const Configuration& configuration, const std::string& path,
                                    Random& random);

}  // namespace tw::app
