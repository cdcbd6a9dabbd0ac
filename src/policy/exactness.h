// What is computed here exactly as PostgreSQL computes it, whatever its settings and collations.
#pragma once

#include <string_view>

#include "base/result.h"
#include "policy/expression.h"

namespace tw::policy {

// Errors: kInvalidArgument names the first part over a row that only the database decides exactly.
// Parts over claims alone are not looked at: the database evaluates them.
Status CheckExact(const Expression& expression, std::string_view sql);

}  // namespace tw::policy
