// Which pages may open realtime connections: a defence for browsers' users, who cannot see where
// their browser connects (cross-site WebSocket hijacking).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "http/message.h"

namespace tw::gateway {

// Whether a request with these headers may open one. With an empty list: all may. Else an Origin
// must equal an entry byte for byte, or, for an entry "https://*.example.com", have whole labels
// in the star's place; "null" and repeated Origins never pass. Without an Origin the client is no
// browser and may, unless it brings a Cookie, which only browsers send by themselves.
bool OriginMayOpen(std::span<const std::string> allowed, std::span<const http::HeaderView> headers);

}  // namespace tw::gateway
