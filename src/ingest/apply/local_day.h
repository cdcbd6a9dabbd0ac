// Dates in a tenant's zone. Zones come from the system's tz database.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/strings.h"

namespace date {
class time_zone;
}

namespace tw::ingest {

// Finds zones by name and remembers them. One thread.
class Zones {
 public:
  // nullptr for a name that the tz database does not have.
  const date::time_zone* Find(std::string_view name);

 private:
  StringMap<const date::time_zone*> zones_;
};

// "2025-10-31": the date that clocks in `zone` show at `time`.
std::string LocalDay(const date::time_zone& zone, WallTime time);
// Noon of that date in `zone`: an instant that lies in it whatever the zone does at midnight.
// Errors: kInvalidArgument when `day` is not such a text.
Result<WallTime> NoonOf(const date::time_zone& zone, std::string_view day);
// The date so many days later, or earlier. Errors: as NoonOf.
Result<std::string> AddDays(std::string_view day, int64_t days);
// The first instant of the month after the one that `time` lies in.
WallTime NextMonth(const date::time_zone& zone, WallTime time);

}  // namespace tw::ingest
