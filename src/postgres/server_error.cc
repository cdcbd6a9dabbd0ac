#include "postgres/server_error.h"

#include <libpq-fe.h>

#include "base/strings.h"
#include "postgres/connection.h"

namespace tw::postgres {

std::string CleanMessage(std::string_view message, std::string_view password) {
  std::string text;
  for (const std::string_view line : Split(Trim(message), '\n')) {
    const std::string_view part = Trim(line);
    if (part.empty()) continue;
    if (!text.empty()) text += "; ";
    text += part;
  }
  constexpr size_t kWorthHidingMin = 4;
  if (password.size() >= kWorthHidingMin) {
    for (size_t at = text.find(password); at != std::string::npos; at = text.find(password)) {
      text.replace(at, password.size(), "***");
    }
  }
  return text;
}

std::optional<ServerError> ErrorOf(const PGresult* result, const PGconn* connection) {
  const char* const state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) return std::nullopt;
  const auto field = [&](int code) {
    const char* const text = PQresultErrorField(result, code);
    return std::string_view(text == nullptr ? "" : text);
  };
  const char* const secret = PQpass(connection);
  const std::string_view password = secret == nullptr ? "" : secret;
  ServerError error{.error = {CodeOfSqlState(state), ""},
                    .sqlstate = state,
                    .message = CleanMessage(field(PG_DIAG_MESSAGE_PRIMARY), password),
                    .detail = CleanMessage(field(PG_DIAG_MESSAGE_DETAIL), password),
                    .hint = CleanMessage(field(PG_DIAG_MESSAGE_HINT), password)};
  std::string& text = error.error.message = error.message;
  if (!error.detail.empty()) text += " (" + error.detail + ")";
  if (!error.hint.empty()) text += "; " + error.hint;
  text += " (SQLSTATE " + error.sqlstate + ")";
  return error;
}

}  // namespace tw::postgres
