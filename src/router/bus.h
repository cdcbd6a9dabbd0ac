// Public and private channels of one name are separate (realtime-protocol §2.4).
#pragma once

#include <cstddef>
#include <cstdint>

namespace tw::router {

enum class Bus : uint8_t { kPublic, kPrivate };

// For arrays of one entry per bus.
inline constexpr size_t IndexOf(Bus bus) { return static_cast<size_t>(bus); }

}  // namespace tw::router
