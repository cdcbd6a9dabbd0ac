// The schema `tidewire` of a PostgreSQL database: what the applier and the pull side keep there.
#pragma once

#include <string>

#include "base/result.h"
#include "postgres/connection.h"

namespace tw::ingest {

// Makes what is missing. Errors: kPermissionDenied with the SQL that an owner can run, else the
// connection's.
Status CreatePostgresApplySchema(postgres::Connection& connection);

// The SQL of it, idempotent; for migrations.
std::string PostgresApplySchemaSql();

}  // namespace tw::ingest
