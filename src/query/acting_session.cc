#include "query/acting_session.h"

#include <utility>

#include "postgres/search_path.h"

namespace tw::query {

Status OpenToAct(const postgres::ConnectOptions& options,
                 std::optional<postgres::Connection>& connection, capture::TypeBook& types) {
  if (connection && !connection->broken()) return {};
  connection.reset();
  auto opened = postgres::Connection::Open(options);
  if (!opened.ok()) {
    return Fail(ErrorCode::kUnavailable,
                "the database cannot be reached: " + opened.error().message);
  }
  // We name every schema; functions that policies call may rely on what the database says.
  TW_RETURN_IF_ERROR(postgres::UseDatabaseSearchPath(*opened));
  TW_RETURN_IF_ERROR(types.Load(*opened));
  connection.emplace(std::move(*opened));
  return {};
}

std::string ActAs(std::string_view role, std::string_view claims) {
  return "set local row_security = on; set local role " + postgres::QuoteIdentifier(role) +
         "; set local \"request.jwt.claims\" = " + postgres::QuoteLiteral(claims);
}

}  // namespace tw::query
