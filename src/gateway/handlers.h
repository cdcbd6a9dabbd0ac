// What each route does. Each handler answers its connection exactly once, now or later.
#pragma once

namespace tw::gateway {

class Connection;

void HandleLive(Connection& connection);
void HandleReady(Connection& connection);
void HandleMetrics(Connection& connection);
void HandleHook(Connection& connection);
void HandleTableRead(Connection& connection);
void HandleRealtime(Connection& connection);
void HandleBroadcast(Connection& connection);
void HandlePing(Connection& connection);
void HandleHealthCheck(Connection& connection);
void HandleDemoConfig(Connection& connection);
void HandleAsset(Connection& connection);

}  // namespace tw::gateway
