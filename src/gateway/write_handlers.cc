#include "gateway/write_handlers.h"

#include <utility>
#include <vector>

#include "gateway/connection.h"
#include "gateway/gateway.h"
#include "http/url.h"
#include "json/json.h"
#include "query/write/write_queue.h"

namespace tw::gateway {
namespace {

constexpr std::string_view kJson = "application/json";

// PostgREST's error shape, which supabase-js reads.
void RespondWriteError(Connection& connection, const query::WriteError& error) {
  json::Writer writer;
  writer.Object().Key("code").String(error.code).Key("message").String(error.message);
  for (const auto& [key, text] : {std::pair("details", &error.details), {"hint", &error.hint}}) {
    writer.Key(key);
    if (text->empty()) {
      writer.Null();
    } else {
      writer.String(*text);
    }
  }
  writer.End();
  const http::HeaderView retry[] = {{"Retry-After", "1"}};
  connection.Respond(error.status, kJson, writer.Take(),
                     std::span(retry).first(error.status == 503 ? 1 : 0));
}

void RespondWritten(Connection& connection, const query::WriteResult& result, bool count) {
  const bool placed = result.position.epoch != 0;
  const std::string position = ToString(result.position);
  const std::string range = "*/" + (count ? std::to_string(result.rows) : std::string("*"));
  std::vector<http::HeaderView> headers = {
      {"Content-Range", range},
      {"Cache-Control", "no-store"},
      {"Access-Control-Expose-Headers", "Tidewire-Position, Tidewire-Replayed, Content-Range"}};
  if (placed) headers.push_back({"Tidewire-Position", position});
  if (result.replayed) headers.push_back({"Tidewire-Replayed", "true"});
  connection.Respond(result.status, result.json.empty() ? "" : kJson, result.json, headers);
}

void Handle(Connection& connection, query::TableWrite::Kind kind) {
  Gateway& gateway = connection.gateway();
  const Gateway::Wiring& wiring = gateway.wiring();
  if (wiring.writes == nullptr) {
    return connection.RespondError(405, "this server does not take writes");
  }
  constexpr std::string_view kPrefix = "/rest/v1/";
  const http::RequestHead& head = connection.head();
  const auto path = http::DecodePath(head.path);
  const auto parameters = http::ParseQuery(head.query);
  if (!path.ok() || !parameters.ok()) {
    return RespondWriteError(connection, {400, "PGRST100", "malformed address", ""});
  }
  std::string_view mutation = head.Header("tidewire-mutation");
  if (mutation.empty()) mutation = head.Header("idempotency-key");
  auto write = query::ParseTableWrite({.kind = kind,
                                       .table = std::string_view(*path).substr(kPrefix.size()),
                                       .parameters = *parameters,
                                       .body = connection.body(),
                                       .prefer = head.Header("prefer"),
                                       .accept = head.Header("accept"),
                                       .mutation = mutation},
                                      connection.claims(), *wiring.sessions.catalog,
                                      wiring.write_policies.get());
  if (!write) return RespondWriteError(connection, write.error());
  const bool count = write->count;
  const Status submitted = wiring.writes->Submit(
      std::move(*write),
      [&gateway, id = connection.id(), count](query::WriteOr<query::WriteResult> result) {
        gateway.wiring().loop.Post([&gateway, id, count, result = std::move(result)] {
          Connection* const waiting = gateway.Find(id);
          if (waiting == nullptr || !waiting->answering()) return;
          if (result) {
            RespondWritten(*waiting, *result, count);
          } else {
            RespondWriteError(*waiting, result.error());
          }
        });
      });
  if (!submitted.ok()) {
    RespondWriteError(connection, {503, "53300", submitted.error().message, ""});
  }
}

}  // namespace

void HandleTableInsert(Connection& connection) {
  Handle(connection, query::TableWrite::Kind::kInsert);
}
void HandleTableUpdate(Connection& connection) {
  Handle(connection, query::TableWrite::Kind::kUpdate);
}
void HandleTableDelete(Connection& connection) {
  Handle(connection, query::TableWrite::Kind::kDelete);
}

}  // namespace tw::gateway
