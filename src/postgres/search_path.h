// The search path that a session would have without our settings.
#pragma once

#include "base/result.h"
#include "postgres/connection.h"

namespace tw::postgres {

// Sets the search path that the database gives to our role: for code of the user's own (triggers,
// functions of policies) that relies on it, while we name every schema. Errors: the connection's.
Status UseDatabaseSearchPath(Connection& connection);

}  // namespace tw::postgres
