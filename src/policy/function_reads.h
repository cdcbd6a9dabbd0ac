// What the body of a database function reads, as far as its text tells.
#pragma once

#include <string>
#include <string_view>

#include "policy/schema.h"

namespace tw::policy {

// True when the function certainly reads no table and no clock: its value depends on its arguments
// and the session's settings only. SQL and PL/pgSQL are looked into, and the functions that they
// call; anything else is false.
bool ReadsNoTable(const SchemaFunction& function, const Schema& schema);

// A name as SQL text, quoted.
std::string QuoteName(std::string_view name);

}  // namespace tw::policy
