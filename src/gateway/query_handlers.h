// Named queries over HTTP (docs/queries.md).
#pragma once

namespace tw::gateway {

class Connection;

void HandleQueryRead(Connection& connection);
// Why results were invalidated lately; service_role only, since it names rows of everybody.
void HandleExplainInvalidation(Connection& connection);
// Calls keys, tags and tables old for everyone; service_role only.
void HandleInvalidate(Connection& connection);

}  // namespace tw::gateway
