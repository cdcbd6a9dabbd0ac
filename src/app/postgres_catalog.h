// Who may see which rows of a Postgres database: its grants and policies, compiled, and the tables
// that they look into.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/inner_loader.h"
#include "base/result.h"
#include "model/relation.h"
#include "policy/catalog.h"
#include "postgres/connection.h"

namespace tw::app {

struct PostgresRights {
  policy::CatalogPtr catalog;
  // Exact from `position` on, once the stream has brought what lies before it.
  std::shared_ptr<const InnerSnapshot> inner;
};

// The tables that `relations` are the shapes of, with the rights in force. What cannot be compiled
// is denied to everybody whom policies concern, and logged. Errors: the connection's.
Result<PostgresRights> ReadPostgresRights(postgres::Connection& connection,
                                          const std::vector<RelationPtr>& relations);

// Equal texts: nothing that ReadPostgresRights reads has changed in between. About a millisecond.
Result<std::string> CatalogFingerprint(postgres::Connection& connection);

}  // namespace tw::app
