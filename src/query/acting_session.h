// Connections to the followed database on which statements act as those who ask.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "capture/postgres/types.h"
#include "postgres/connection.h"

namespace tw::query {

// Opens `connection` unless it is there and good, as the database would for another program, and
// reads the types. Errors: kUnavailable (it cannot be reached), the connection's; it is closed then.
Status OpenToAct(const postgres::ConnectOptions& options,
                 std::optional<postgres::Connection>& connection, capture::TypeBook& types);

// What makes a transaction the reader's own: its role, its claims, row-level security on.
std::string ActAs(std::string_view role, std::string_view claims);

}  // namespace tw::query
