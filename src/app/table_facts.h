// What a table's declaration says about its columns beside their types.
#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "sqlite/sqlite.h"

namespace tw::app {

struct TableFacts {
  std::set<std::string> required;      // NOT NULL.
  std::set<std::string> with_default;  // May be left out of an insert.
};

// Of the embedded store. A table that is not there has none.
Result<TableFacts> FactsOf(sqlite::Database& database, const std::string& table);

}  // namespace tw::app
