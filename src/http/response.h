// Writes responses.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "http/message.h"

namespace tw::http {

// "Not Found"; "Unknown" for a status without a registered phrase.
std::string_view ReasonPhrase(int status);

enum class KeepAlive : uint8_t { kNo, kYes };

// Appends a whole response with Content-Length (except for 1xx, 204 and 304, which have no body)
// and, for kNo, "Connection: close". Control characters in header values become spaces, so that no
// value can begin a new line.
void AppendResponse(std::string& out, int status, std::span<const HeaderView> headers,
                    std::string_view body, KeepAlive keep_alive);

// The same with {"error":"<message>"} as application/json and the open CORS header.
void AppendErrorResponse(std::string& out, int status, std::string_view message,
                         KeepAlive keep_alive);

// "Sun, 06 Nov 1994 08:49:37 GMT", RFC 9110 §5.6.7, for the Date header.
std::string FormatHttpDate(WallTime time);

// Cross-origin use is open: credentials travel in headers, never in cookies.
inline constexpr HeaderView kCorsAnyOrigin{"Access-Control-Allow-Origin", "*"};
// What browsers may send to our routes.
inline constexpr std::string_view kCorsAllowedHeaders =
    "authorization, apikey, content-type, x-client-info, prefer, range, accept-profile, "
    "content-profile, if-none-match, min-position, tidewire-mutation, idempotency-key";
// True for the OPTIONS request that a browser sends before another one (Fetch §4.8).
bool IsPreflight(std::string_view method, std::span<const HeaderView> headers);
// Appends the 204 that permits it for a day.
void AppendPreflightResponse(std::string& out, KeepAlive keep_alive);

}  // namespace tw::http
