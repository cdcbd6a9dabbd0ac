#include "gateway/handlers.h"

#include <vector>

#include "gateway/connection.h"
#include "gateway/gateway.h"
#include "http/url.h"
#include "json/json.h"
#include "telemetry/log.h"

namespace tw::gateway {
namespace {

constexpr std::string_view kJson = "application/json";

void RespondVerdict(Connection& connection, const ingest::HookVerdict& verdict) {
  connection.Respond(verdict.reply.status, verdict.reply.content_type, verdict.reply.body);
}

void Accept(Connection& connection, ingest::HookVerdict verdict) {
  Gateway& gateway = connection.gateway();
  verdict.delivery.remote_address = connection.stream().remote_address();
  connection.pending_reply() = std::move(verdict.reply);
  const Status submitted = gateway.wiring().inbox.Submit(
      std::move(verdict.delivery), {gateway.wiring().loop_index, connection.id()});
  if (submitted.ok()) {
    gateway.wiring().metrics.hooks_accepted.Add();
    return;
  }
  if (submitted.error().code == ErrorCode::kInvalidArgument) {
    gateway.wiring().metrics.hooks_too_large.Add();
    return connection.RespondError(413, submitted.error().message);
  }
  gateway.wiring().metrics.hooks_overload.Add();
  // Jitter keeps the senders of one overload from coming back together.
  const std::string seconds = std::to_string(1 + gateway.wiring().random.Below(30));
  const http::HeaderView retry[] = {{"Retry-After", seconds}};
  connection.RespondError(503, submitted.error().message, retry);
}

void Refuse(Connection& connection, ingest::HookVerdict verdict) {
  Gateway& gateway = connection.gateway();
  gateway.wiring().metrics.hooks_refused.Add();
  telemetry::Log(telemetry::Level::kWarning, "HookUnauthorized",
                 "a delivery was refused and kept; check the sender's secret",
                 {{"source", verdict.delivery.source}, {"reason", verdict.reason}});
  RespondVerdict(connection, verdict);
  verdict.delivery.remote_address = connection.stream().remote_address();
  gateway.wiring().keep_refused(std::move(verdict.delivery), std::move(verdict.reason));
}

// PostgREST's error shape, which supabase-js reads.
void RespondRestError(Connection& connection, const Error& error) {
  const bool missing = error.code == ErrorCode::kNotFound;
  json::Writer writer;
  writer.Object().Key("code").String(missing ? "PGRST205" : "PGRST100");
  writer.Key("message").String(error.message);
  writer.Key("details").Null().Key("hint").Null().End();
  int status = 500;
  switch (error.code) {
    case ErrorCode::kNotFound: status = 404; break;
    case ErrorCode::kInvalidArgument: status = 400; break;
    case ErrorCode::kPermissionDenied: status = 403; break;
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kUnavailable: status = 503; break;
    default: break;
  }
  connection.Respond(status, kJson, writer.Take());
}

void RespondRows(Connection& connection, const Result<query::TableResult>& result,
                 uint64_t offset, bool single) {
  if (!result.ok()) return RespondRestError(connection, result.error());
  const std::string position = ToString(result->position);
  const std::string range =
      result->rows == 0 ? "*/*"
                        : std::to_string(offset) + "-" +
                              std::to_string(offset + result->rows - 1) + "/*";
  const http::HeaderView headers[] = {{"Tidewire-Position", position},
                                      {"Content-Range", range},
                                      {"Cache-Control", "no-store"},
                                      {"Access-Control-Expose-Headers",
                                       "Tidewire-Position, Content-Range"}};
  if (!single) return connection.Respond(200, kJson, result->json, headers);
  if (result->rows != 1) {
    json::Writer writer;
    writer.Object().Key("code").String("PGRST116");
    writer.Key("message").String("Cannot coerce the result to a single JSON object");
    writer.Key("details").String("The result contains " + std::to_string(result->rows) + " rows");
    writer.Key("hint").Null().End();
    return connection.Respond(406, kJson, writer.Take());
  }
  // The array of one without its brackets.
  connection.Respond(200, kJson,
                     std::string_view(result->json).substr(1, result->json.size() - 2), headers);
}

}  // namespace

void HandleLive(Connection& connection) { connection.Respond(200, kJson, R"({"status":"ok"})"); }

void HandleReady(Connection& connection) {
  const std::string reason = connection.gateway().wiring().readiness.NotReadyReason();
  if (reason.empty()) return connection.Respond(200, kJson, R"({"status":"ready"})");
  json::Writer writer;
  writer.Object().Key("status").String("not_ready").Key("reason").String(reason).End();
  connection.Respond(503, kJson, writer.Take());
}

void HandleHealth(Connection& connection) {
  const Readiness& readiness = connection.gateway().wiring().readiness;
  const std::string not_ready = readiness.NotReadyReason();
  const std::string degraded = readiness.DegradedReason();
  json::Writer writer;
  writer.Object().Key("status");
  writer.String(!not_ready.empty() ? "not_ready" : !degraded.empty() ? "degraded" : "ok");
  const std::string& reason = not_ready.empty() ? degraded : not_ready;
  if (!reason.empty()) writer.Key("reason").String(reason);
  writer.End();
  connection.Respond(not_ready.empty() ? 200 : 503, kJson, writer.Take());
}

void HandleMetrics(Connection& connection) {
  connection.Respond(200, "text/plain; version=0.0.4; charset=utf-8",
                     connection.gateway().wiring().metrics.registry.Render());
}

void HandleHook(Connection& connection) {
  const Gateway::Wiring& wiring = connection.gateway().wiring();
  const http::RequestHead& head = connection.head();
  const ingest::Endpoint* const endpoint = wiring.endpoints->OfPath(head.path);
  if (endpoint == nullptr) return connection.RespondError(404, "there is no hook at this path");
  std::vector<ingest::HookHeader> headers;
  headers.reserve(head.headers.size());
  for (const auto& [name, value] : head.headers) headers.push_back({name, value});
  auto verdict = endpoint->Judge({.method = head.method,
                                  .path = head.path,
                                  .query = head.query,
                                  .headers = headers,
                                  .body = connection.body(),
                                  .received_at = wiring.loop.clock().Wall()});
  using Kind = ingest::HookVerdict::Kind;
  switch (verdict.kind) {
    case Kind::kAccept: return Accept(connection, std::move(verdict));
    case Kind::kReply: return RespondVerdict(connection, verdict);
    case Kind::kRefuse: return Refuse(connection, std::move(verdict));
    case Kind::kMalformed:
      wiring.metrics.hooks_malformed.Add();
      return RespondVerdict(connection, verdict);
    case Kind::kTooLarge:
      wiring.metrics.hooks_too_large.Add();
      return RespondVerdict(connection, verdict);
    case Kind::kNotFound: return connection.RespondError(404, "there is no hook at this path");
    case Kind::kMethodNotAllowed: {
      const http::HeaderView allow[] = {{"Allow", verdict.allow}};
      return connection.RespondError(405, "this hook takes other methods", allow);
    }
  }
}

void HandleTableRead(Connection& connection) {
  Gateway& gateway = connection.gateway();
  const Gateway::Wiring& wiring = gateway.wiring();
  const auto path = http::DecodePath(connection.head().path);
  const auto parameters = http::ParseQuery(connection.head().query);
  if (!path.ok()) return RespondRestError(connection, path.error());
  if (!parameters.ok()) return RespondRestError(connection, parameters.error());
  constexpr std::string_view kPrefix = "/rest/v1/";
  auto query =
      query::ParseTableQuery(std::string_view(*path).substr(kPrefix.size()), *parameters,
                             *connection.claims(), *wiring.sessions.catalog);
  if (!query.ok()) return RespondRestError(connection, query.error());
  const bool single = connection.head().Header("accept").starts_with(
      "application/vnd.pgrst.object+json");
  const uint64_t offset = query->offset;
  const auto answer = [&gateway, id = connection.id(), single,
                       offset](Result<query::TableResult> result) {
    gateway.wiring().loop.Post([&gateway, id, single, offset, result = std::move(result)] {
      Connection* const waiting = gateway.Find(id);
      if (waiting != nullptr && waiting->answering()) RespondRows(*waiting, result, offset, single);
    });
  };
  const query::ReaderLimits& limits = wiring.limits.reads;
  const Status submitted =
      wiring.postgres != nullptr
          ? wiring.postgres->Submit([answer, &limits, query = std::move(*query)](
                                        query::PostgresReader& reader) {
              answer(reader.Read(query, limits));
            })
          : wiring.readers.Submit([answer, &limits, epoch = wiring.epoch,
                                   query = std::move(*query)](query::ReadConnection& reader) {
              answer(query::ReadTable(reader.database, epoch, query, limits));
            });
  if (!submitted.ok()) RespondRestError(connection, submitted.error());
}

void HandleDemoConfig(Connection& connection) {
  const std::string& config = connection.gateway().wiring().demo_config;
  if (config.empty()) return connection.RespondError(404, "there is nothing at this path");
  const http::HeaderView headers[] = {{"Cache-Control", "no-store"}};
  connection.Respond(200, kJson, config, headers);
}

void HandleAsset(Connection& connection) {
  const Asset* const asset = connection.gateway().wiring().assets.Find(connection.head().path);
  if (asset == nullptr) return connection.RespondError(404, "there is nothing at this path");
  // Built files carry a hash in their names; the page itself does not.
  const bool hashed = asset->path.starts_with("/assets/");
  const http::HeaderView headers[] = {
      {"Cache-Control", hashed ? "public, max-age=31536000, immutable" : "no-cache"},
      {"Content-Security-Policy",
       "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
       "connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'"}};
  connection.Respond(200, ContentType(asset->path), asset->bytes, headers);
}

}  // namespace tw::gateway
