// Named queries over HTTP (docs/queries.md).
#pragma once

namespace tw::gateway {

class Connection;

void HandleQueryRead(Connection& connection);

}  // namespace tw::gateway
