// What each route does. Each handler answers its connection exactly once, now or later.
#pragma once

namespace tw::gateway {

class Connection;

void HandleLive(Connection& connection);
void HandleReady(Connection& connection);
void HandleMetrics(Connection& connection);
void HandleHook(Connection& connection);
void HandleTableRead(Connection& connection);
// realtime_handlers.cc; what the last three do: http_session.h.
void HandleRealtime(Connection& connection);
void HandleSse(Connection& connection);
void HandlePoll(Connection& connection);
void HandleUpstream(Connection& connection);
void HandleBroadcast(Connection& connection);
void HandlePing(Connection& connection);
void HandleHealthCheck(Connection& connection);
void HandleDemoConfig(Connection& connection);
void HandleAsset(Connection& connection);

}  // namespace tw::gateway
