// Every route of the server, in one table: method, path, who may call it, how large its body may be.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tw::gateway {

class Connection;
class Gateway;

// Whether a route needs a verified token. Checked in one place, before the handler.
enum class RouteAuth : uint8_t {
  kOpen,      // Nobody's data.
  kOwn,       // The handler checks credentials of its own kind (hooks, the realtime handshake).
  kToken,     // `Authorization: Bearer` or `apikey`; the handler gets the claims.
};

struct Route {
  std::string_view method;  // "GET"; HEAD is not served.
  std::string_view path;    // Exact, or a prefix when it ends with '/' and is longer than "/".
  RouteAuth auth;
  // 0: requests have no body; kHookBody: as the endpoint says; kMessageBody: server.message_max.
  size_t body_bytes_max;
  void (*handle)(Connection& connection);
};

inline constexpr size_t kHookBody = SIZE_MAX;
inline constexpr size_t kMessageBody = SIZE_MAX - 1;  // As large as a socket's message.

// All of them, in the order of the search.
std::span<const Route> Routes();

// The route of a request; null when the path is unknown, or serves other methods only.
struct RouteMatch {
  const Route* route = nullptr;
  // Of a path that exists, when the method does not fit: all that it serves, each once, as the value
  // of an Allow header (RFC 9110, 10.2.1).
  std::string allowed_methods;
};
RouteMatch FindRoute(std::string_view method, std::string_view path);

// The largest body for a request on `route`; nullopt when no endpoint has the path.
std::optional<size_t> BodyLimit(const Gateway& gateway, const Route& route, std::string_view path);

}  // namespace tw::gateway
