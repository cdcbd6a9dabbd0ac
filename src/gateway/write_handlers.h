// Writes of tables over HTTP (docs/queries.md, "Writing").
#pragma once

namespace tw::gateway {

class Connection;

void HandleTableInsert(Connection& connection);
void HandleTableUpdate(Connection& connection);
void HandleTableDelete(Connection& connection);

}  // namespace tw::gateway
