// Ours in a Postgres database: the mutation ids that were executed.
#pragma once

#include "base/result.h"
#include "postgres/connection.h"

namespace tw::query {

// In the transaction that is open. Nothing when it is there. Errors: the connection's; to create
// the schema `tidewire` our role needs CREATE on the database, or an owner makes it for us.
Status CreatePostgresWriteSchema(postgres::Connection& connection);

// Forgets ids after a week, and the oldest beyond 100 000. Errors: the connection's.
Result<postgres::Rows> TrimPostgresMutations(postgres::Connection& connection);

}  // namespace tw::query
