// Who may see which rows of a Postgres database: its grants and policies, compiled.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/relation.h"
#include "policy/catalog.h"
#include "postgres/connection.h"

namespace tw::app {

// The tables that `relations` are the shapes of, with the rights in force. What cannot be compiled
// is denied to everybody whom policies concern, and logged. Errors: the connection's.
Result<policy::CatalogPtr> ReadPostgresCatalog(postgres::Connection& connection,
                                               const std::vector<RelationPtr>& relations);

// Equal texts: nothing that ReadPostgresCatalog reads has changed in between. About a millisecond.
Result<std::string> CatalogFingerprint(postgres::Connection& connection);

}  // namespace tw::app
