// The values of claims expressions as PostgreSQL computes them.
//
//   Program::slots ──SlotSql──▶ texts ──EvaluateClaims (as the role, with the claims)──▶ values
//
// Promises     JSON, casts and functions are the database's own. An expression that raises gives
//              its error, and no other is affected. Nothing is written: the transaction is read
//              only and rolled back.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/claims.h"
#include "policy/policy.h"
#include "policy/program.h"
#include "postgres/connection.h"

namespace tw::policy {

// A claims expression as SQL text; its value's text form is what the database is asked for.
std::string SlotSql(const Expression& expression);

// By SQL text: the value's text, nullopt for NULL, or the database's error.
struct ClaimsValues {
  std::map<std::string, Result<std::optional<std::string>>, std::less<>> by_sql;
};
using ClaimsValuesPtr = std::shared_ptr<const ClaimsValues>;

// Evaluates `expressions` as `role` with request.jwt.claims = `claims_text`. Errors: kUnavailable
// and the like of the connection; kInvalidArgument: the role does not exist or may not be assumed.
Result<ClaimsValues> EvaluateClaims(postgres::Connection& connection, std::string_view role,
                                    std::string_view claims_text,
                                    const std::set<std::string>& expressions);

// The SQL texts of a program's slots.
void CollectSlotSql(const Program& program, std::set<std::string>& expressions);

// The rights that the values give. A missing or failed value denies, with its error.
AccessPtr MakeAccess(std::shared_ptr<const Program> program, const ClaimsValues& values);

}  // namespace tw::policy
