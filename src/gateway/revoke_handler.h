// POST /v1/revocations, for service_role: {"sub": "…"}, {"session_id": "…"} or {"jti": "…"}, and
// optionally "for_seconds". 201 when it is durable and every loop has been told.
#pragma once

namespace tw::gateway {

class Connection;

void HandleRevoke(Connection& connection);

}  // namespace tw::gateway
