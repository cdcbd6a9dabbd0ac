// Which versions of the source files ran when: the table tidewire_config. Log rows, facts and dead
// letters name the version that made them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "app/configuration.h"
#include "base/clock.h"
#include "base/result.h"
#include "ingest/source.h"
#include "sqlite/sqlite.h"

namespace tw::app {

struct RanVersion {
  std::string source;
  std::string version;
  std::string text;   // Of the file; secrets are names in it.
  std::string since;  // RFC 3339
};

// Notes what runs from now on; what has not changed is not noted again. Errors: the database's.
Status NoteConfiguration(sqlite::Database& database, const Configuration& configuration,
                         std::span<const std::shared_ptr<const ingest::Source>> sources,
                         WallTime now);

// The newest version of each source, by name; empty when no server ever ran.
Result<std::vector<RanVersion>> RunningConfiguration(sqlite::Database& database);

}  // namespace tw::app
