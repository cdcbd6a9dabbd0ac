// What a server says of a statement that failed; for connection.cc and pipeline.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

extern "C" {
struct pg_conn;
struct pg_result;
}

namespace tw::postgres {

struct ServerError {
  Error error;  // The server's message, detail, hint and SQLSTATE.
  std::string sqlstate;
  std::string message, detail, hint;  // Each by itself.
};

// nullopt: the result does not come from the server. The result stays the caller's.
std::optional<ServerError> ErrorOf(const pg_result* result, const pg_conn* connection);

// libpq's message in one line, without the password should a server ever repeat it.
std::string CleanMessage(std::string_view message, std::string_view password);

}  // namespace tw::postgres
