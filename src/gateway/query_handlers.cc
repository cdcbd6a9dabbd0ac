#include "gateway/query_handlers.h"

#include <optional>

#include "gateway/connection.h"
#include "gateway/gateway.h"
#include "http/url.h"
#include "json/json.h"
#include "query/live/front.h"

namespace tw::gateway {
namespace {

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kExposed =
    "ETag, Age, Tidewire-Position, Tidewire-As-Of, Tidewire-Cache, Tidewire-Error";

int StatusOf(std::string_view code) {
  if (code == "unknown_query") return 404;
  if (code == "forbidden") return 403;
  if (code == "epoch_changed") return 409;
  if (code == "result_too_large") return 422;
  if (code.ends_with("_parameter") || code == "invalid_position") return 400;
  return 503;
}

void RespondCallError(Connection& connection, const query::CallError& error) {
  json::Writer writer;
  writer.Object().Key("error").String(error.message).Key("code").String(error.code);
  if (!error.pointer.empty()) writer.Key("pointer").String(error.pointer);
  writer.End();
  const http::HeaderView headers[] = {{"Cache-Control", "no-store"}, {"Retry-After", "1"}};
  const int status = StatusOf(error.code);
  connection.Respond(status, kJson, writer.Take(),
                     std::span(headers).first(status == 503 ? 2 : 1));
}

struct Conditions {
  std::string if_none_match;
  bool is_public = false;
};

void RespondSnapshot(Connection& connection, const query::ReadAnswer& answer,
                     const Conditions& conditions) {
  const query::Snapshot& snapshot = *answer.snapshot;
  const Clock& clock = connection.gateway().wiring().loop.clock();
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(clock.Mono() - snapshot.fetched);
  const std::string etag = '"' + snapshot.rows->version + '"';
  const std::string position = ToString(answer.position);
  const std::string as_of = FormatTimestampMs(snapshot.fetched_at);
  const std::string age_text = std::to_string(age.count());
  const http::HeaderView headers[] = {
      {"ETag", etag},
      {"Tidewire-Position", position},
      {"Tidewire-As-Of", as_of},
      {"Age", age_text},
      {"Tidewire-Cache", ToString(answer.outcome)},
      {"Cache-Control", conditions.is_public ? "public, max-age=1" : "private, no-cache"},
      {"Vary", "Authorization, apikey"},
      {"Access-Control-Expose-Headers", kExposed},
      {"Tidewire-Error", answer.error ? std::string_view(answer.error->message) : ""}};
  const auto shown = std::span(headers).first(answer.error ? 9 : 8);
  if (conditions.if_none_match == etag) return connection.Respond(304, "", "", shown);
  connection.Respond(200, kJson, snapshot.rows->json, shown);
}

void RespondAnswer(Connection& connection, const query::ReadAnswer& answer,
                   const Conditions& conditions) {
  if (answer.snapshot != nullptr) return RespondSnapshot(connection, answer, conditions);
  RespondCallError(connection, *answer.error);
}

// The call that a request makes.
query::CallResult<query::Call> CallOf(Connection& connection) {
  query::Front& front = *connection.gateway().wiring().queries;
  constexpr std::string_view kPrefix = "/v1/queries/";
  const auto path = http::DecodePath(connection.head().path);
  const std::string_view name =
      path.ok() ? std::string_view(*path).substr(kPrefix.size()) : std::string_view();
  const query::NamedQuery* const query = front.catalogue().Find(name);
  if (query == nullptr) {
    return std::unexpected(query::CallError{
        "unknown_query",
        "there is no query '" + std::string(name.substr(0, 128)) + "'" +
            front.catalogue().Suggestion(name),
        ""});
  }
  const auto parameters = http::ParseQuery(connection.head().query);
  if (!parameters.ok()) {
    return std::unexpected(query::CallError{"invalid_parameter", parameters.error().message, ""});
  }
  auto rights = front.RightsFor(*query, connection.claims());
  if (!rights) return std::unexpected(std::move(rights.error()));
  auto arguments = query::ReadArguments(query->parameters, *parameters);
  if (!arguments) return std::unexpected(std::move(arguments.error()));
  return query::MakeCall(*query, std::move(*arguments), **rights, *connection.claims());
}

}  // namespace

void HandleQueryRead(Connection& connection) {
  Gateway& gateway = connection.gateway();
  if (gateway.wiring().queries == nullptr) {
    return connection.RespondError(404, "there is nothing at this path");
  }
  query::Front& front = *gateway.wiring().queries;
  auto call = CallOf(connection);
  if (!call) return RespondCallError(connection, call.error());
  Conditions conditions{.if_none_match = std::string(connection.head().Header("if-none-match")),
                        .is_public = call->query->access == query::QueryAccess::kPublic};
  std::optional<Position> min_position;
  if (const auto text = connection.head().Header("min-position"); !text.empty()) {
    const auto position = ParsePosition(text);
    if (!position.ok()) {
      return RespondCallError(connection,
                              {"invalid_position", "Min-Position is no position", ""});
    }
    min_position = *position;
  }
  const auto shared = std::make_shared<const query::Call>(std::move(*call));
  front.Read(shared, min_position,
             [&gateway, id = connection.id(),
              conditions = std::move(conditions)](query::ReadAnswer answer) {
               Connection* const waiting = gateway.Find(id);
               if (waiting != nullptr && waiting->answering()) {
                 RespondAnswer(*waiting, answer, conditions);
               }
             });
}

void HandleExplainInvalidation(Connection& connection) {
  Gateway& gateway = connection.gateway();
  if (connection.claims()->role != "service_role" || !gateway.wiring().explain) {
    return RespondCallError(connection, {"forbidden", "only service_role may ask why", ""});
  }
  gateway.wiring().explain([&gateway, id = connection.id()](std::string json) {
    gateway.wiring().loop.Post([&gateway, id, json = std::move(json)] {
      Connection* const waiting = gateway.Find(id);
      if (waiting != nullptr && waiting->answering()) waiting->Respond(200, kJson, json);
    });
  });
}

void HandleInvalidate(Connection& connection) {
  const Gateway::Wiring& wiring = connection.gateway().wiring();
  if (connection.claims()->role != "service_role" || !wiring.invalidate) {
    return RespondCallError(connection, {"forbidden", "only service_role may invalidate", ""});
  }
  auto manual = query::ParseManualInvalidation(connection.body());
  if (!manual.ok()) {
    return RespondCallError(connection, {"invalid_parameter", manual.error().message, ""});
  }
  wiring.invalidate(*std::move(manual));
  connection.Respond(202, kJson, "{}");
}

}  // namespace tw::gateway
