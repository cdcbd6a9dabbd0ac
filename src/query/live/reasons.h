// Why results were invalidated, as JSON for people and tools.
#pragma once

#include <string>

#include "query/live/hub.h"

namespace tw::query {

// [{"position","table","operation","row","rule","query","args"}…], newest first.
std::string ReasonsJson(const Hub& hub);

}  // namespace tw::query
