#include "gateway/routes.h"

#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/query_handlers.h"
#include "gateway/revoke_handler.h"
#include "gateway/write_handlers.h"

namespace tw::gateway {
namespace {

constexpr size_t kWriteBodyMax = 4u << 20;
constexpr size_t kInvalidateBodyMax = 64u << 10;
constexpr size_t kRevocationBodyMax = 4u << 10;
// Upstream's, for a batch or one message.
constexpr size_t kBroadcastBody = 8'000'000;

// Searched in order: the first that fits wins, so the catch-all stands last.
constexpr Route kRoutes[] = {
    {"GET", "/health", RouteAuth::kOpen, 0, HandleHealth},
    {"GET", "/health/live", RouteAuth::kOpen, 0, HandleLive},
    {"GET", "/health/ready", RouteAuth::kOpen, 0, HandleReady},
    {"GET", "/metrics", RouteAuth::kOpen, 0, HandleMetrics},
    {"GET", "/realtime/v1/websocket", RouteAuth::kOwn, 0, HandleRealtime},
    {"GET", "/socket/websocket", RouteAuth::kOwn, 0, HandleRealtime},
    {"POST", "/realtime/v1/api/broadcast", RouteAuth::kOwn, kBroadcastBody, HandleBroadcast},
    {"POST", "/realtime/v1/api/broadcast/", RouteAuth::kOwn, kBroadcastBody, HandleBroadcast},
    {"POST", "/api/broadcast", RouteAuth::kOwn, kBroadcastBody, HandleBroadcast},
    {"POST", "/api/broadcast/", RouteAuth::kOwn, kBroadcastBody, HandleBroadcast},
    {"GET", "/realtime/v1/api/ping", RouteAuth::kOpen, 0, HandlePing},
    {"GET", "/api/ping", RouteAuth::kOpen, 0, HandlePing},
    {"GET", "/healthcheck", RouteAuth::kOpen, 0, HandleHealthCheck},
    {"GET", "/realtime/v1/sse", RouteAuth::kOwn, 0, HandleSse},
    {"POST", "/realtime/v1/sse", RouteAuth::kOwn, kMessageBody, HandleUpstream},
    {"GET", "/realtime/v1/poll", RouteAuth::kOwn, 0, HandlePoll},
    {"POST", "/realtime/v1/poll", RouteAuth::kOwn, kMessageBody, HandleUpstream},
    {"POST", "/hooks/", RouteAuth::kOwn, kHookBody, HandleHook},
    {"GET", "/hooks/", RouteAuth::kOwn, 0, HandleHook},
    {"GET", "/rest/v1/", RouteAuth::kToken, 0, HandleTableRead},
    {"POST", "/rest/v1/", RouteAuth::kToken, kWriteBodyMax, HandleTableInsert},
    {"PATCH", "/rest/v1/", RouteAuth::kToken, kWriteBodyMax, HandleTableUpdate},
    {"DELETE", "/rest/v1/", RouteAuth::kToken, kWriteBodyMax, HandleTableDelete},
    {"POST", "/v1/revocations", RouteAuth::kToken, kRevocationBodyMax, HandleRevoke},
    {"POST", "/v1/invalidate", RouteAuth::kToken, kInvalidateBodyMax, HandleInvalidate},
    {"GET", "/v1/explain/invalidation", RouteAuth::kToken, 0, HandleExplainInvalidation},
    {"GET", "/v1/queries/", RouteAuth::kToken, 0, HandleQueryRead},
    {"GET", "/demo/config.json", RouteAuth::kOpen, 0, HandleDemoConfig},
    {"GET", "/", RouteAuth::kOpen, 0, HandleAsset},
};

bool PathFits(const Route& route, std::string_view path) {
  if (route.path == "/") return true;
  if (route.path.ends_with('/')) return path.starts_with(route.path);
  return path == route.path;
}

}  // namespace

std::span<const Route> Routes() { return kRoutes; }

RouteMatch FindRoute(std::string_view method, std::string_view path) {
  RouteMatch match;
  for (const Route& route : kRoutes) {
    if (!PathFits(route, path)) continue;
    if (route.method == method) return {&route, {}};
    if (match.allowed_method.empty() && route.path != "/") match.allowed_method = route.method;
  }
  return match;
}

std::optional<size_t> BodyLimit(const Gateway& gateway, const Route& route, std::string_view path) {
  if (route.body_bytes_max == kMessageBody) return gateway.wiring().limits.message_bytes_max;
  if (route.body_bytes_max != kHookBody) return route.body_bytes_max;
  const ingest::Endpoint* const endpoint = gateway.wiring().endpoints->OfPath(path);
  return endpoint == nullptr ? std::nullopt : std::optional(endpoint->body_bytes_max());
}

}  // namespace tw::gateway
