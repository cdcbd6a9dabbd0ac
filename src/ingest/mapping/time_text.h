// Times in expressions. Private to ingest/mapping but for TimeText (expression.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "ingest/mapping/datum.h"

namespace date {
class time_zone;
}

namespace tw::ingest::mapping {

// Whether `format` is one of kTime's: rfc3339, unix, unix_ms, or a text with %-letters out of
// a A b B d D e F h H I j m M n p R S t T y Y z Z %, without widths.
bool IsTimeFormat(std::string_view format);

// Reads `input` by `format` (functions.h, kTime); `zone` null means UTC. nullopt when it does not
// fit or lies outside the years 0000 to 9999.
std::optional<WallTime> ReadTime(const Datum& input, const std::string& format,
                                 const date::time_zone* zone);

// "2026-01-01": the first of the month of `time` in `zone`.
std::string MonthStart(WallTime time, const date::time_zone* zone);

}  // namespace tw::ingest::mapping
